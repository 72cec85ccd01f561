import Kernels

/// Adam (Kingma and Ba, 2015) over a network's flat parameter buffer, in PyTorch's form: ε is added to the corrected root.
public final class Adam {
    /// Step size η.
    public var learningRate: Double
    /// Decay of the first moment.
    public let beta1: Double
    /// Decay of the second moment.
    public let beta2: Double
    /// Added to the denominator.
    public let epsilon: Double
    /// Updates made so far.
    public var step = 0
    private let moments: Arena
    private let count: Int
    private let check: BufferCheck

    /// An optimizer for `count` floats, its moments zero.
    public init(count: Int, learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.count = count
        moments = Arena(count: 2 * count)
        check = BufferCheck(count: count)
    }

    /// The first moments, laid out like the parameters.
    public var firstMoments: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: moments.pointer, count: count) }
    /// The second moments, laid out like the parameters.
    public var secondMoments: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: moments.pointer + count, count: count) }
    /// Bytes of the moments.
    public var memoryBytes: Int { 8 * count }

    /// Updates the parameters in place.
    ///
    /// - Returns: the checksum of the new parameters, made on the way.
    @discardableResult
    public func update(on device: Device, parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>) -> UInt64 {
        step += 1
        return Elementwise.adam(
            on: device, parameters: parameters, gradients: gradients, firstMoment: moments.pointer, secondMoment: moments.pointer + count,
            count: count, learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon, step: step, check: check)
    }
}
