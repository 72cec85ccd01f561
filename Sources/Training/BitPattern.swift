// Passes over whole arenas (multiples of 16 floats) at memory speed.

/// A number that differs when any float differs in any bit (two differences may cancel, by a chance of 2⁻³² a lane).
package func checksum(_ values: UnsafeMutableBufferPointer<Float>) -> UInt64 {
    var lanes = SIMD16<UInt32>(repeating: 0x9E37_79B9)
    forEachVector(values) { bits in
        // Rotating before adding makes the place of a float count, not only its value.
        lanes = (lanes &<< 5 | lanes &>> 27) &+ bits
    }
    return (0..<16).reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64(lanes[$1])) &* 0x100_0000_01B3 }
}

/// Whether every float is a finite number.
package func isFinite(_ values: UnsafeMutableBufferPointer<Float>) -> Bool {
    let exponent = SIMD16<UInt32>(repeating: 0x7F80_0000)
    var found = SIMD16<UInt32>(repeating: 0)
    forEachVector(values) { bits in found |= SIMD16<UInt32>(repeating: 0).replacing(with: 1, where: bits & exponent .== exponent) }
    return found == SIMD16<UInt32>(repeating: 0)
}

@inline(__always)
private func forEachVector(_ values: UnsafeMutableBufferPointer<Float>, _ body: (SIMD16<UInt32>) -> Void) {
    precondition(values.count % 16 == 0, "an arena of \(values.count) floats, no multiple of 16")
    guard let base = values.baseAddress else { return }
    let raw = UnsafeRawPointer(base)
    for offset in stride(from: 0, to: values.count * 4, by: 64) { body(raw.loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt32>.self)) }
}
