/// Philox4x32-10, a counter-based random number generator: a keyed bijection of 128-bit counters.
///
/// It has no state, so any element of any sequence can be computed by any rank, in any order, and again after a restart.
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
public enum Philox {
    /// Multipliers of the two rounds' halves (table 2 of the paper).
    public static let multipliers: (UInt32, UInt32) = (0xD251_1F53, 0xCD9E_8D57)
    /// Weyl constants by which the key grows in each round: the golden ratio, and the square root of 3 minus 1.
    public static let weyl: (UInt32, UInt32) = (0x9E37_79B9, 0xBB67_AE85)

    /// Four 32-bit random numbers, a pure function of `counter` and `key`.
    public static func block(_ counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
        var c = counter
        var k0 = key.x, k1 = key.y
        for _ in 0..<10 {
            let p0 = UInt64(multipliers.0) &* UInt64(c.x)
            let p1 = UInt64(multipliers.1) &* UInt64(c.z)
            c = SIMD4(
                UInt32(truncatingIfNeeded: p1 >> 32) ^ c.y ^ k0, UInt32(truncatingIfNeeded: p1),
                UInt32(truncatingIfNeeded: p0 >> 32) ^ c.w ^ k1, UInt32(truncatingIfNeeded: p0))
            k0 &+= weyl.0
            k1 &+= weyl.1
        }
        return c
    }
}
