import Kernels

/// Stochastic gradient descent with momentum (the U-Net paper's: 0.99) as in PyTorch: v = μ v + g, w −= η v; with Nesterov's variant
/// w −= η (g + μ v), as Sutskever et al. (2013) put it.
public final class StochasticGradientDescent: Optimizer {
    /// Step size η.
    public var learningRate: Double
    /// What is kept of the velocity, μ.
    public let momentum: Double
    /// Whether the step looks ahead along the velocity.
    public let isNesterov: Bool
    /// λ, added to the gradient as λ w.
    public let weightDecay: Double
    /// Updates made so far.
    public var step = 0
    private let velocity: Arena
    private let check: BufferCheck

    /// An optimizer for `count` floats, at rest.
    public init(count: Int, learningRate: Double, momentum: Double = 0.99, isNesterov: Bool = false, weightDecay: Double = 0) {
        self.learningRate = learningRate
        self.momentum = momentum
        self.isNesterov = isNesterov
        self.weightDecay = weightDecay
        velocity = Arena(count: count)
        check = BufferCheck(count: count)
    }

    /// `velocity` v.
    public var state: [OptimizerState] { [OptimizerState(name: "velocity", values: velocity.buffer)] }

    /// One step of `Elementwise.momentum`.
    public func update(
        on device: Device, parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>, gradientScale: Float
    ) -> UInt64 {
        step += 1
        return Elementwise.momentum(
            on: device, parameters: parameters, gradients: gradients, velocity: velocity.pointer, count: velocity.count,
            learningRate: learningRate, momentum: momentum, isNesterov: isNesterov, weightDecay: weightDecay,
            gradientScale: gradientScale, check: check)
    }
}
