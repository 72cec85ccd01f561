import CSIMD

/// Which root Adam's ε is added to.
public enum AdamEpsilon: String, CaseIterable, Sendable {
    /// PyTorch, and the paper's algorithm 1: the corrected root, √(v / (1 − β₂ᵗ)) + ε.
    case pytorch
    /// Keras and TensorFlow, the paper's "ε̂": the raw root, √v + ε, the correction being in the step size.
    case keras
}

/// How weights are pulled towards zero.
public enum WeightDecay: Equatable, Sendable {
    /// λ w is added to the gradient.
    case coupled(Double)
    /// w is multiplied by 1 − η λ beside the step: AdamW (Loshchilov and Hutter, 2019) as in PyTorch and Keras.
    case decoupled(Double)

    /// Not at all.
    public static let none = WeightDecay.coupled(0)
}

extension Elementwise {
    /// One Adam update of `count` parameters (a multiple of 16), in PyTorch's form:
    /// m = β₁m + (1 − β₁)g, v = β₂v + (1 − β₂)g², w −= (η / (1 − β₁ᵗ)) m / (√v / √(1 − β₂ᵗ) + ε);
    /// in Keras's, w −= (η √(1 − β₂ᵗ) / (1 − β₁ᵗ)) m / (√v + ε).
    ///
    /// - Parameters:
    ///   - gradientScale: g is the gradient times this.
    ///   - step: t, counted from 1.
    ///   - check: made for `count` floats; what it held is lost.
    /// - Returns: the checksum of the new parameters, as `check` would compute it.
    public static func adam(
        on device: Device, parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
        firstMoment: UnsafeMutablePointer<Float>,
        secondMoment: UnsafeMutablePointer<Float>, count: Int, learningRate: Double, beta1: Double, beta2: Double, epsilon: Double,
        epsilonConvention: AdamEpsilon = .pytorch, weightDecay: WeightDecay = .none, gradientScale: Float = 1, step: Int, check: BufferCheck
    ) -> UInt64 {
        precondition(check.count == count && step >= 1, "adam: \(count) parameters, a check of \(check.count), step \(step)")
        let correction1 = 1 - ElementaryFunctions.power(beta1, step)
        let correction2 = (1 - ElementaryFunctions.power(beta2, step)).squareRoot()
        var a = csimd_adam()
        a.parameters = parameters
        a.firstMoment = firstMoment
        a.secondMoment = secondMoment
        a.gradients = gradients
        a.checksums = check.results
        a.count = count
        a.piece = piece
        (a.beta1, a.beta2, a.rest1, a.rest2) = (Float(beta1), Float(beta2), Float(1 - beta1), Float(1 - beta2))
        a.epsilon = Float(epsilon)
        switch epsilonConvention {
        case .pytorch: (a.stepSize, a.secondCorrection) = (Float(learningRate / correction1), Float(1 / correction2))
        case .keras: (a.stepSize, a.secondCorrection) = (Float(learningRate * correction2 / correction1), 1)
        }
        switch weightDecay {
        case .coupled(let decay): (a.decay, a.pull) = (Float(decay), 0)
        case .decoupled(let decay): (a.decay, a.pull) = (0, Float(learningRate * decay))
        }
        a.gradientScale = gradientScale
        device.threads.run((count + piece - 1) / piece, a, device.kernels.adam)
        return check.combinedChecksum
    }

    /// One update of `count` parameters (a multiple of 16) by gradient descent with momentum, as in PyTorch:
    /// g += λ w, v = μ v + g, w −= η v, or w −= η (g + μ v) with Nesterov's momentum.
    ///
    /// - Parameters:
    ///   - gradientScale: g is the gradient times this.
    ///   - check: made for `count` floats; what it held is lost.
    /// - Returns: the checksum of the new parameters, as `check` would compute it.
    public static func momentum(
        on device: Device, parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>, velocity: UnsafeMutablePointer<Float>,
        count: Int, learningRate: Double, momentum: Double, isNesterov: Bool, weightDecay: Double = 0, gradientScale: Float = 1,
        check: BufferCheck
    ) -> UInt64 {
        precondition(check.count == count, "momentum: \(count) parameters, a check of \(check.count)")
        let a = csimd_momentum(
            parameters: parameters, velocity: velocity, gradients: gradients, checksums: check.results, count: count, piece: piece,
            learningRate: Float(learningRate), momentum: Float(momentum), velocityShare: isNesterov ? Float(momentum) : 1,
            gradientShare: isNesterov ? 1 : 0, decay: Float(weightDecay), gradientScale: gradientScale)
        device.threads.run((count + piece - 1) / piece, a, device.kernels.momentum)
        return check.combinedChecksum
    }

    /// average += rate (values − average) over `count` floats, a multiple of 16.
    public static func average(
        on device: Device, _ values: UnsafePointer<Float>, into average: UnsafeMutablePointer<Float>, count: Int, rate: Float
    ) {
        precondition(count % 16 == 0, "average: \(count) floats are no multiple of 16")
        let a = csimd_average(values: values, average: average, count: count, piece: piece, rate: rate)
        device.threads.run((count + piece - 1) / piece, a, device.kernels.average)
    }
}
