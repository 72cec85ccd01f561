import CounterRandom
import Kernels

/// A parameter as a layer declares it.
public struct ParameterDescription: Sendable {
    /// `weight`, `bias`, …
    public let role: String
    /// [outputs, inputs, kernel rows, kernel columns] or [channels].
    public let shape: [Int]
    /// Floats in storage, padding included; a multiple of 16.
    public let storedCount: Int
    /// Initial values.
    public let initializer: Initializer
    /// Whether the optimizer changes it: otherwise its gradient is zero, and the layer itself does.
    public let isTrainable: Bool
    let order: StorageOrder

    /// The weights of a convolution between two layouts, stored in the kernels' blocked order.
    public static func weight(
        _ input: ChannelLayout, _ output: ChannelLayout, kernelHeight: Int, kernelWidth: Int, _ initializer: Initializer
    ) -> ParameterDescription {
        ParameterDescription(
            role: "weight", shape: [output.channels, input.channels, kernelHeight, kernelWidth],
            storedCount: input.blocks * output.blocks * kernelHeight * kernelWidth * 256, initializer: initializer, isTrainable: true,
            order: .weight(input, output, taps: kernelHeight * kernelWidth))
    }

    /// One value for each channel, initially zero.
    public static func bias(_ output: ChannelLayout) -> ParameterDescription { channels("bias", output, .zeros) }

    /// One value for each channel.
    public static func channels(
        _ role: String, _ output: ChannelLayout, _ initializer: Initializer, isTrainable: Bool = true
    ) -> ParameterDescription {
        ParameterDescription(
            role: role, shape: [output.channels], storedCount: output.blocks * 16, initializer: initializer, isTrainable: isTrainable,
            order: .bias(output))
    }
}

/// A named parameter of a network.
public struct Parameter: Sendable {
    /// `layer.weight`, `layer.bias`, …
    public let name: String
    /// [outputs, inputs, kernel rows, kernel columns] or [channels]: PyTorch's order.
    public let shape: [Int]
    /// Where it lies in the parameter arena (and its gradient in the gradient arena), padding included.
    public let range: Range<Int>
    /// Initial values.
    public let initializer: Initializer
    /// Whether the optimizer changes it: otherwise its gradient is zero, and the layer itself does.
    public let isTrainable: Bool
    let order: StorageOrder

    /// Number of values, padding not counted.
    public var count: Int { shape.reduce(1, *) }

    /// The values in logical order (row-major `shape`), from an arena laid out like the parameters.
    public func values(in arena: UnsafePointer<Float>) -> [Float] {
        let base = arena + range.lowerBound
        return Array(unsafeUninitializedCapacity: count) { values, initialized in
            order.forEach { logical, stored in values[logical] = base[stored] }
            initialized = count
        }
    }

    /// Stores the initial values of the network's parameter number `ordinal`, on the device's threads. Padding between input channels
    /// is left alone.
    func initialize(on device: Device, seed: UInt64, ordinal: Int, in arena: UnsafeMutablePointer<Float>) {
        switch (initializer, order) {
        case (.heNormal, .weight(let input, let output, let taps)):
            let random = RandomStream(seed: seed, purpose: .initialization, ordinal: ordinal)
            TruncatedNormal.fill(
                on: device, weights: arena + range.lowerBound, input: input, output: output, taps: taps,
                deviation: initializer.scale(of: shape), key: random.key, ordinalWord: random.base.w)
        default:
            let filterCount = count / shape[0]
            order.forEach { logical, stored in
                arena[range.lowerBound + stored] = initializer.value(
                    shape: shape, filter: logical / filterCount, element: logical % filterCount, seed: seed, ordinal: ordinal)
            }
        }
    }

    /// Stores values given in logical order. Padding is left alone.
    public func setValues(_ values: [Float], in arena: UnsafeMutablePointer<Float>) {
        precondition(values.count == count, "\(name): \(values.count) values for shape \(shape)")
        let base = arena + range.lowerBound
        values.withUnsafeBufferPointer { values in
            order.forEach { logical, stored in base[stored] = values[logical] }
        }
    }
}

/// Where a parameter's values lie in its storage.
enum StorageOrder: Sendable {
    /// The kernels' blocked order of a convolution's weights.
    case weight(ChannelLayout, ChannelLayout, taps: Int)
    /// A lane for each channel.
    case bias(ChannelLayout)

    /// Calls `body` with each value's index in logical order and in storage.
    @inline(__always) func forEach(_ body: (_ logical: Int, _ stored: Int) -> Void) {
        switch self {
        case .weight(let input, let output, let taps): input.forEachWeight(to: output, taps: taps, body)
        case .bias(let output): for (channel, lane) in output.lanes.enumerated() { body(channel, lane) }
        }
    }
}

/// How a parameter starts.
public enum Initializer: Sendable, Equatable {
    /// All zero.
    case zeros
    /// All one.
    case ones
    /// Truncated normal of He et al. (2015), σ = √(2 / fan-in), without what lies beyond ±2σ. Cutting the tails makes the
    /// real deviation 0.8796 σ; `corrected` enlarges σ so that it is √(2 / fan-in) after the cut, as Keras does from 2.2
    /// on. Keras before that, and so the original program, did not. A transposed convolution has a `stride`: of its taps only every
    /// `stride`² reaches one output, and the fan-in is smaller by as much.
    case heNormal(corrected: Bool, stride: Int = 1)
    /// Uniform in ±√(6 / (fan-in + fan-out)): Glorot and Bengio (2010).
    case glorotUniform

    /// The deviation of a standard normal cut at ±2.
    static let truncatedDeviation: Float = 0.879_625_661_034_239_78

    /// The initial value of element `element` (in logical order) of filter `filter` (the values that make one output channel) of
    /// a parameter of `shape`: a pure function of seed, ordinal, filter and element. The specification of `Parameter.initialize`.
    package func value(shape: [Int], filter: Int, element: Int, seed: UInt64, ordinal: Int) -> Float {
        let random = RandomStream(seed: seed, purpose: .initialization, ordinal: ordinal, position: UInt64(filter))
        switch self {
        case .zeros:
            return 0
        case .ones:
            return 1
        case .heNormal:
            return TruncatedNormal.value(random.bits(at: element)) * scale(of: shape)
        case .glorotUniform:
            // Uniform in [0, 1), a multiple of 2⁻²⁴, stretched.
            let limit = scale(of: shape)
            return -limit + (limit - -limit) * (Float(random.bits(at: element) >> 8) * 0x1p-24)
        }
    }

    /// What a value of deviation or limit 1 is multiplied by.
    func scale(of shape: [Int]) -> Float {
        let fanIn = Float(shape.dropFirst().reduce(1, *)), fanOut = Float(shape[0] * shape.dropFirst(2).reduce(1, *))
        switch self {
        case .zeros, .ones: return 0
        case .heNormal(let corrected, let stride):
            return (2 * Float(stride * stride) / fanIn).squareRoot() / (corrected ? Initializer.truncatedDeviation : 1)
        case .glorotUniform: return (6 / (fanIn + fanOut)).squareRoot()
        }
    }
}
