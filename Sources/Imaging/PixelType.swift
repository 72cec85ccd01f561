/// How one sample of a pixel is stored.
public enum PixelType: String, Codable, Sendable {
    /// 0 or 1.
    case boolean
    /// Unsigned integers.
    case uint8, uint16, uint32, uint64
    /// Integers that may be negative.
    case int8, int16, int32, int64
    /// Floating-point numbers.
    case float16, float32, float64

    /// Bytes a sample, in memory.
    public var size: Int {
        switch self {
        case .boolean, .uint8, .int8: 1
        case .uint16, .int16, .float16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        }
    }

    /// Whether samples are floating-point numbers.
    public var isFloat: Bool {
        switch self {
        case .float16, .float32, .float64: true
        default: false
        }
    }

    /// The largest value that the type holds; nil for floating-point types.
    public var maximum: Float? {
        switch self {
        case .boolean: 1
        case .uint8: Float(UInt8.max)
        case .uint16: Float(UInt16.max)
        case .uint32: Float(UInt32.max)
        case .uint64: Float(UInt64.max)
        case .int8: Float(Int8.max)
        case .int16: Float(Int16.max)
        case .int32: Float(Int32.max)
        case .int64: Float(Int64.max)
        case .float16, .float32, .float64: nil
        }
    }
}

extension PixelType {
    /// Converts `count` samples, the bytes of each `swapped` or as this machine has them, from places `stride` samples apart.
    func convert(
        _ source: UnsafeRawPointer, stride: Int, swapped: Bool = false, into destination: UnsafeMutablePointer<Float>, count: Int
    ) {
        @inline(__always) func each<Bits: FixedWidthInteger>(_ type: Bits.Type, _ value: (Bits) -> Float) {
            let step = stride * MemoryLayout<Bits>.size
            if swapped {
                for i in 0..<count { destination[i] = value(source.loadUnaligned(fromByteOffset: i * step, as: type).byteSwapped) }
            } else {
                for i in 0..<count { destination[i] = value(source.loadUnaligned(fromByteOffset: i * step, as: type)) }
            }
        }
        switch self {
        case .boolean: each(UInt8.self) { $0 == 0 ? 0 : 1 }
        case .uint8: each(UInt8.self) { Float($0) }
        case .uint16: each(UInt16.self) { Float($0) }
        case .uint32: each(UInt32.self) { Float($0) }
        case .uint64: each(UInt64.self) { Float($0) }
        case .int8: each(Int8.self) { Float($0) }
        case .int16: each(Int16.self) { Float($0) }
        case .int32: each(Int32.self) { Float($0) }
        case .int64: each(Int64.self) { Float($0) }
        case .float16: each(UInt16.self) { Float(Float16(bitPattern: $0)) }
        case .float32: each(UInt32.self) { Float(bitPattern: $0) }
        case .float64: each(UInt64.self) { Float(Double(bitPattern: $0)) }
        }
    }
}
