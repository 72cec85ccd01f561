/// Numbers in [-1, 1), the same for a seed, from a linear congruential generator: benchmarks need hundreds of millions quickly.
func benchmarkNumbers(_ count: Int, seed: UInt64) -> [Float] {
    var state = (seed &+ 1) &* 0x9E37_79B9_7F4A_7C15
    return [Float](unsafeUninitializedCapacity: count) { values, initialized in
        for i in 0..<count {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            // 24 bits, so that 1 is never reached by rounding.
            values[i] = Float(Int32(truncatingIfNeeded: state >> 32) >> 8) * 0x1p-23
        }
        initialized = count
    }
}
