/// Norm of the difference over the norm of the reference: the error measure of all our tensor comparisons.
public func relativeError<A: Collection, B: Collection>(_ values: A, _ reference: B) -> Double
where A.Element: BinaryFloatingPoint, B.Element: BinaryFloatingPoint {
    precondition(values.count == reference.count, "relativeError: \(values.count) values against \(reference.count)")
    var difference = 0.0, norm = 0.0
    for (v, r) in zip(values, reference) {
        let d = Double(v) - Double(r)
        difference += d * d
        norm += Double(r) * Double(r)
    }
    return norm == 0 ? difference.squareRoot() : (difference / norm).squareRoot()
}

/// Small deterministic numbers in [-1, 1) for tests, from a linear congruential generator (independent of the code under test).
public func testNumbers(_ count: Int, seed: UInt64 = 1) -> [Float] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678_9ABC_DEF1
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int32(truncatingIfNeeded: state >> 33) & 0xFF_FFFF) * 0x1p-23 - 1
    }
}
