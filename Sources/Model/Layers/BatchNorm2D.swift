import Kernels

/// Batch normalisation (Ioffe and Szegedy, 2015), synchronised: while training, the values of each channel of the whole global batch are
/// brought to mean 0 and variance 1, then scaled and shifted by a learnt weight and bias. The statistics are summed along the batch's tree,
/// so that they have the same bits at any number of ranks; for that the ranks meet once in forward and once in backward.
///
/// Inference uses running means of the batches' means and (unbiased) variances, as PyTorch does. They are parameters without a gradient.
public struct BatchNorm2D: NormalizationLayer {
    /// Applied afterwards.
    public let activation: Activation
    /// Added to the variance.
    public let epsilon: Double
    /// Weight of the newest batch in the running means.
    public let momentum: Double
    /// The architecture's name for it.
    public let name: String?

    /// - Parameters:
    ///   - activation: applied afterwards.
    ///   - epsilon: added to the variance.
    ///   - momentum: weight of the newest batch in the running means, 0 ... 1.
    ///   - name: of the layer in tables and checkpoints.
    public init(activation: Activation = .linear, epsilon: Double = 1e-5, momentum: Double = 0.1, name: String? = nil) {
        precondition(momentum >= 0 && momentum <= 1, "BatchNorm2D: momentum \(momentum)")
        (self.activation, self.epsilon, self.momentum, self.name) = (activation, epsilon, momentum, name)
    }

    /// `BatchNorm2D`, with the activation.
    public var kind: String { "BatchNorm2D" + (activation == .relu ? " + ReLU" : "") }
    /// It does.
    public var dependsOnBatch: Bool { true }

    /// Weight and bias, and the running mean and variance.
    public func parameters(_ inputs: [NodeShape], _ output: NodeShape) -> [ParameterDescription] {
        [
            .channels("weight", output.layout, .ones), .bias(output.layout),
            .channels("running_mean", output.layout, .zeros, isTrainable: false),
            .channels("running_variance", output.layout, .ones, isTrainable: false),
        ]
    }

    /// With the global batch's statistics while training, else with the running ones.
    public func forward(_ step: Step, _ pass: Pass) {
        let state = NormalizationState(step), shape = step.output.shape, lanes = step.inputShapes[0].layout.lanes
        if pass.training {
            ChannelNormalization.moments(on: pass.device, step.inputs[0], into: state.statistics, scratch: step.scratch!)
            pass.batchSum!.sum(state.statistics, count: shape.blocks * 32)
            let count = Double(pass.batchSum!.batch * shape.pixels)
            for lane in lanes {
                let mean = state.statistics[2 * lane] / count
                let variance = max(0, state.statistics[2 * lane + 1] / count - mean * mean)
                state.other[2 * lane] = mean
                state.other[2 * lane + 1] = count > 1 ? variance * (count / (count - 1)) : variance
                for sample in 0..<shape.batch { keep(mean, variance, state, sample, lane) }
            }
        } else {
            let mean = step.parameters! + step.parameterOffsets[2], variance = step.parameters! + step.parameterOffsets[3]
            for sample in 0..<shape.batch {
                for lane in lanes { keep(Double(mean[lane]), Double(variance[lane]), state, sample, lane) }
            }
        }
        applyStatistics(step, pass)
    }

    private func keep(_ mean: Double, _ variance: Double, _ state: NormalizationState, _ sample: Int, _ lane: Int) {
        let i = state.index(sample, lane)
        state.statistics[i] = mean
        state.statistics[i + 1] = 1 / (variance + epsilon).squareRoot()
    }

    /// Of weight and bias; keeps the sums for `inputGradient`. The running statistics have none.
    public func parameterGradient(_ step: Step, _ pass: Pass, sample: Int, into gradient: UnsafeMutablePointer<Float>) {
        keepGradientSums(step, pass, sample: sample, into: gradient)
    }

    /// While training the gradient flows through the values and through the batch's mean and variance.
    public func inputGradient(_ step: Step, _ pass: Pass) {
        guard let target = step.inputGradients[0] else { return }
        let state = NormalizationState(step), shape = step.output.shape, lanes = step.inputShapes[0].layout.lanes
        var scale = 0.0
        if pass.training {
            pass.batchSum!.sum(state.gradientSums, count: shape.blocks * 32)
            scale = 1 / Double(pass.batchSum!.batch * shape.pixels)
        }
        clearCoefficients(step)
        for lane in lanes {
            let weight = Double(step.parameters![lane]) * scale
            let ofMean = weight * state.gradientSums[2 * lane], ofDeviation = weight * state.gradientSums[2 * lane + 1]
            for sample in 0..<shape.batch { setGradient(step, sample: sample, lane: lane, ofMean: ofMean, ofDeviation: ofDeviation) }
        }
        applyGradient(step, pass, to: target)
    }

    /// Moves the running statistics towards those of the batch that was trained on last.
    public func updateState(_ step: Step) {
        let state = NormalizationState(step)
        let mean = step.parameters! + step.parameterOffsets[2], variance = step.parameters! + step.parameterOffsets[3]
        for lane in step.inputShapes[0].layout.lanes {
            mean[lane] = Float((1 - momentum) * Double(mean[lane]) + momentum * state.other[2 * lane])
            variance[lane] = Float((1 - momentum) * Double(variance[lane]) + momentum * state.other[2 * lane + 1])
        }
    }

    /// The naive version, with the running statistics.
    public func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double> {
        var y = inputs[0]
        let pixels = y.height * y.width
        for c in 0..<y.channels {
            let scale = parameters[0][c] / (parameters[3][c] + epsilon).squareRoot()
            for i in (c * pixels)..<((c + 1) * pixels) { y.values[i] = (y.values[i] - parameters[2][c]) * scale + parameters[1][c] }
        }
        return activation == .relu ? Reference.relu(y) : y
    }
}
