import CounterRandom
import Kernels

/// A parameter as a layer declares it.
public struct ParameterDescription: Sendable {
    /// `weight` or `bias`.
    public let role: String
    /// [outputs, inputs, kernel rows, kernel columns] or [channels].
    public let shape: [Int]
    /// Floats in storage, padding included; a multiple of 16.
    public let storedCount: Int
    /// Initial values.
    public let initializer: Initializer
    /// The stored index of each value in logical order (row-major `shape`).
    let storedIndices: [Int32]

    /// The weights of a convolution between two layouts, stored in the kernels' blocked order.
    public static func weight(
        _ input: ChannelLayout, _ output: ChannelLayout, kernelHeight: Int, kernelWidth: Int, _ initializer: Initializer
    ) -> ParameterDescription {
        let taps = kernelHeight * kernelWidth
        var indices = [Int32](repeating: 0, count: input.channels * output.channels * taps)
        input.forEachWeight(to: output, taps: taps) { indices[$0] = Int32($1) }
        return ParameterDescription(
            role: "weight", shape: [output.channels, input.channels, kernelHeight, kernelWidth],
            storedCount: input.blocks * output.blocks * taps * 256, initializer: initializer, storedIndices: indices)
    }

    /// One value for each channel, initially zero.
    public static func bias(_ output: ChannelLayout) -> ParameterDescription {
        ParameterDescription(
            role: "bias", shape: [output.channels], storedCount: output.blocks * 16, initializer: .zeros,
            storedIndices: output.lanes.map { Int32($0) })
    }
}

/// A named parameter of a network.
public struct Parameter: Sendable {
    /// `layer.weight` or `layer.bias`.
    public let name: String
    /// [outputs, inputs, kernel rows, kernel columns] or [channels]: PyTorch's order.
    public let shape: [Int]
    /// Where it lies in the parameter arena (and its gradient in the gradient arena), padding included.
    public let range: Range<Int>
    /// Initial values.
    public let initializer: Initializer
    let storedIndices: [Int32]

    /// Number of values, padding not counted.
    public var count: Int { storedIndices.count }

    /// The values in logical order (row-major `shape`), from an arena laid out like the parameters.
    public func values(in arena: UnsafePointer<Float>) -> [Float] {
        storedIndices.map { arena[range.lowerBound + Int($0)] }
    }

    /// Stores values given in logical order. Padding is left alone.
    public func setValues(_ values: [Float], in arena: UnsafeMutablePointer<Float>) {
        precondition(values.count == count, "\(name): \(values.count) values for shape \(shape)")
        for (value, index) in zip(values, storedIndices) { arena[range.lowerBound + Int(index)] = value }
    }
}

/// How a parameter starts.
public enum Initializer: Sendable, Equatable {
    /// All zero.
    case zeros
    /// Truncated normal of He et al. (2015), σ = √(2 / fan-in), values beyond ±2σ drawn again. Cutting the tails makes the
    /// real deviation 0.8796 σ; `corrected` enlarges σ so that it is √(2 / fan-in) after the cut, as Keras does from 2.2
    /// on. Keras before that, and so the original program, did not.
    case heNormal(corrected: Bool)
    /// Uniform in ±√(6 / (fan-in + fan-out)): Glorot and Bengio (2010).
    case glorotUniform

    /// The deviation of a standard normal cut at ±2.
    static let truncatedDeviation: Float = 0.879_625_661_034_239_78

    /// The initial values of a parameter of `shape`, a pure function of seed and ordinal.
    func values(shape: [Int], seed: UInt64, ordinal: Int) -> [Float] {
        let count = shape.reduce(1, *)
        var random = RandomStream(seed: seed, purpose: .initialization, ordinal: ordinal)
        let receptiveField = shape.dropFirst(2).reduce(1, *)
        let fanIn = Float((shape.count > 1 ? shape[1] : 1) * receptiveField), fanOut = Float(shape[0] * receptiveField)
        switch self {
        case .zeros:
            return Array(repeating: 0, count: count)
        case .heNormal(let corrected):
            let deviation = (2 / fanIn).squareRoot() / (corrected ? Initializer.truncatedDeviation : 1)
            return (0..<count).map { _ in
                var value = random.nextNormal()
                while abs(value) > 2 { value = random.nextNormal() }
                return value * deviation
            }
        case .glorotUniform:
            let limit = (6 / (fanIn + fanOut)).squareRoot()
            return (0..<count).map { _ in random.nextUniform(in: -limit...limit) }
        }
    }
}
