/// bfloat16: the upper half of a single-precision number, so its range and 8 significant bits.
enum BFloat16 {
    /// `value` rounded to nearest, ties to even. Infinities and what is not a number stay so; from half a unit above the largest bfloat16 on it
    /// becomes infinite.
    @inline(__always)
    static func bits(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        let rounded = (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16
        // Rounding would carry the payload of a not-a-number into its sign.
        let isNaN = bits & 0x7FFF_FFFF > 0x7F80_0000
        return UInt16(truncatingIfNeeded: isNaN ? bits >> 16 | 0x40 : rounded)
    }

    /// The number that `bits` stands for.
    @inline(__always)
    static func value(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

    /// Rounds `count` numbers. The memory does not overlap.
    static func round(_ values: UnsafePointer<Float>, to result: UnsafeMutablePointer<UInt16>, count: Int) {
        for i in 0..<count { result[i] = bits(values[i]) }
    }

    /// `count` numbers in single precision. The memory does not overlap.
    static func expand(_ values: UnsafePointer<UInt16>, to result: UnsafeMutablePointer<Float>, count: Int) {
        for i in 0..<count { result[i] = value(values[i]) }
    }

    /// Adds `count` numbers to others. The memory does not overlap.
    static func add(_ values: UnsafePointer<UInt16>, to result: UnsafeMutablePointer<Float>, count: Int) {
        for i in 0..<count { result[i] += value(values[i]) }
    }
}
