import CSIMD

/// Sixteen blocks of Philox4x32-10 (Salmon et al., 2011): see `CounterRandom.Philox`, the specification.
@inline(__always)
func philox(
    _ x: SIMD16<UInt32>, _ y: SIMD16<UInt32>, _ z: SIMD16<UInt32>, _ w: SIMD16<UInt32>, _ key0: UInt32, _ key1: UInt32
) -> (SIMD16<UInt32>, SIMD16<UInt32>, SIMD16<UInt32>, SIMD16<UInt32>) {
    var (c0, c1, c2, c3, k0, k1) = (x, y, z, w, key0, key1)
    for _ in 0..<10 {
        let h0 = u32x16_multiply_high(c0, 0xD251_1F53), l0 = u32x16_multiply_low(c0, 0xD251_1F53)
        let h1 = u32x16_multiply_high(c2, 0xCD9E_8D57), l1 = u32x16_multiply_low(c2, 0xCD9E_8D57)
        c0 = u32x16_xor(u32x16_xor(h1, c1), SIMD16(repeating: k0))
        c1 = l1
        c2 = u32x16_xor(u32x16_xor(h0, c3), SIMD16(repeating: k1))
        c3 = l0
        k0 &+= 0x9E37_79B9
        k1 &+= 0xBB67_AE85
    }
    return (c0, c1, c2, c3)
}

/// `TruncatedNormal.value` of sixteen random words. Multiplications and additions stay apart: fused ones would make
/// the first parameters depend on the instruction set.
@inline(__always)
private func truncatedNormal(_ bits: SIMD16<UInt32>) -> Vector {
    let q = f32x16_from_signed(bits) * Vector(repeating: 0x1.e8b43p-33)
    let r = Vector(repeating: 0.25) - q * q
    var p = r * 34704.58 + 94706.19
    p = p * r + 24169.932
    p = p * r + 1052.1017
    p = p * r + 6.22102
    var d = r * 40442.992 + 43945.64
    d = d * r + 7223.526
    d = d * r + 229.57489
    d = d * r + 1
    return q * (p / d)
}

/// The truncated normal weights of one output block: its sixteen filters side by side, four elements of each at a time.
@inline(__always)
func truncatedNormal(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_initialization.self).pointee
    let filters = UnsafeRawPointer(a.filters + task &* 16).loadUnaligned(as: SIMD16<UInt32>.self)
    let weights = vectors(a.weights) + task &* a.inputBlocks &* a.taps &* 16
    let count = a.channels &* a.taps, deviation = Vector(repeating: a.deviation), zero = SIMD16<UInt32>(repeating: 0)
    var channel = 0, tap = 0, element = 0
    @inline(__always) func store(_ bits: SIMD16<UInt32>) {
        if channel >= a.channels { return }
        let lane = a.lanes[channel]
        weights[(lane / 16 &* a.taps &+ tap) &* 16 &+ lane % 16] = f32x16_where_not_negative(truncatedNormal(bits) * deviation, filters)
        tap &+= 1
        if tap == a.taps {
            tap = 0
            channel &+= 1
        }
    }
    while element < count {
        let (b0, b1, b2, b3) = philox(
            SIMD16(repeating: UInt32(truncatingIfNeeded: element / 4)), filters, zero, SIMD16(repeating: a.counter3), a.key0, a.key1)
        store(b0)
        store(b1)
        store(b2)
        store(b3)
        element &+= 4
    }
}
