import Kernels

/// Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019).
public final class Adam: Optimizer {
    /// Step size η.
    public var learningRate: Double
    /// Decay of the first moment.
    public let beta1: Double
    /// Decay of the second moment.
    public let beta2: Double
    /// Added to the denominator.
    public let epsilon: Double
    /// Which root ε is added to.
    public let epsilonConvention: AdamEpsilon
    /// λ.
    public let weightDecay: WeightDecay
    /// Updates made so far.
    public var step = 0
    private let moments: Arena
    private let count: Int
    private let check: BufferCheck

    /// An optimizer for `count` floats, its moments zero.
    public init(
        count: Int, learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
        epsilonConvention: AdamEpsilon = .pytorch, weightDecay: WeightDecay = .none
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.epsilonConvention = epsilonConvention
        self.weightDecay = weightDecay
        self.count = count
        moments = Arena(count: 2 * count)
        check = BufferCheck(count: count)
    }

    /// `first_moment` m and `second_moment` v.
    public var state: [OptimizerState] {
        [
            OptimizerState(name: "first_moment", values: UnsafeMutableBufferPointer(start: moments.pointer, count: count)),
            OptimizerState(name: "second_moment", values: UnsafeMutableBufferPointer(start: moments.pointer + count, count: count)),
        ]
    }

    /// One step of `Elementwise.adam`.
    public func update(
        on device: Device, parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>, gradientScale: Float
    ) -> UInt64 {
        step += 1
        return Elementwise.adam(
            on: device, parameters: parameters, gradients: gradients, firstMoment: moments.pointer, secondMoment: moments.pointer + count,
            count: count, learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon, epsilonConvention: epsilonConvention,
            weightDecay: weightDecay, gradientScale: gradientScale, step: step, check: check)
    }
}
