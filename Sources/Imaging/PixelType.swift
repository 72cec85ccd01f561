/// How one sample of a pixel is stored.
public enum PixelType: String, Codable, Sendable {
    case uint8, uint16, uint32, uint64, int8, int16, int32, int64, float16, float32, float64

    /// Bytes a sample.
    public var size: Int {
        switch self {
        case .uint8, .int8: 1
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

    /// Whether samples are integers that may be negative.
    public var isSigned: Bool {
        switch self {
        case .int8, .int16, .int32, .int64: true
        default: false
        }
    }

    /// The largest value that an integer type holds; nil for floating-point types.
    public var maximum: Float? {
        isFloat ? nil : Float((UInt64.max >> (64 - 8 * UInt64(size))) >> (isSigned ? 1 : 0))
    }
}
