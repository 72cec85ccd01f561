import Kernels

/// What normalising layers have in common: y = (x − mean) / √(variance + ε) · weight + bias for each channel, and an activation.
///
/// Mean and variance are those of a set of the layer's values; which one is what tells the layers apart. What a layer keeps from forward to
/// backward is a mean and an inverse deviation for each lane of each sample, and the two sums that the gradients are made of.
public protocol NormalizationLayer: Layer {
    /// Applied afterwards.
    var activation: Activation { get }
    /// Added to the variance.
    var epsilon: Double { get }
}

/// The memory that a normalising layer keeps from forward to backward, in double precision.
struct NormalizationState {
    /// Mean and inverse deviation, `[batch][lanes][2]`.
    let statistics: UnsafeMutablePointer<Double>
    /// Σ g and Σ g (x − mean), `[batch][lanes][2]`.
    let gradientSums: UnsafeMutablePointer<Double>
    /// What a layer wants more, `[lanes][2]`.
    let other: UnsafeMutablePointer<Double>
    private let lanes: Int

    static func count(_ shape: Shape) -> Int { (2 * shape.batch + 1) * shape.blocks * 16 * 4 }

    init(_ step: Step) {
        lanes = step.output.shape.blocks * 16
        statistics = UnsafeMutableRawPointer(step.kept!).assumingMemoryBound(to: Double.self)
        gradientSums = statistics + step.output.shape.batch * lanes * 2
        other = gradientSums + step.output.shape.batch * lanes * 2
    }

    func index(_ sample: Int, _ lane: Int) -> Int { (sample * lanes + lane) * 2 }
}

extension NormalizationLayer {
    /// After a ReLU.
    public func isRectified(inputs: [Bool]) -> Bool { activation == .relu }
    /// Backward needs the input.
    public func worksInPlace(training: Bool) -> Bool { !training }
    /// The input's.
    public func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape { inputs[0] }
    /// Coefficients and pieces of sums.
    public func scratchCount(_ step: Step, on device: Device) -> Int { ChannelNormalization.scratchCount(step.output.shape) }
    /// Statistics, and sums for the gradients.
    public func keptCount(_ output: Shape) -> Int { NormalizationState.count(output) }

    /// The channels' lanes.
    func lanes(_ step: Step) -> [Int] { step.inputShapes[0].layout.lanes }

    /// Makes the padding lanes' coefficients zero, so that they stay zero.
    func clearCoefficients(_ step: Step) {
        step.scratch!.update(repeating: 0, count: step.output.shape.batch * step.output.shape.blocks * 64)
    }

    /// Computes the output from the statistics that have been kept.
    func applyStatistics(_ step: Step, _ pass: Pass) {
        let state = NormalizationState(step), shape = step.output.shape
        let weight = step.parameters!, bias = weight + step.parameterOffsets[1]
        clearCoefficients(step)
        for sample in 0..<shape.batch {
            for lane in step.inputShapes[0].layout.lanes {
                let i = state.index(sample, lane), mean = state.statistics[i], scale = Double(weight[lane]) * state.statistics[i + 1]
                // What is lost when the mean is rounded is made good in the shift.
                let rounded = Float(mean)
                ChannelNormalization.set(
                    .init(mean: rounded, Float(scale), Float(Double(bias[lane]) + (Double(rounded) - mean) * scale)), sample: sample,
                    lane: lane, of: shape, in: step.scratch!)
            }
        }
        ChannelNormalization.apply(on: pass.device, step.inputs[0], to: step.output, relu: activation == .relu, scratch: step.scratch!)
    }

    /// Keeps Σ g and Σ g (x − mean) of one sample, and makes the gradients of weight and bias of them.
    func keepGradientSums(_ step: Step, _ pass: Pass, sample: Int, into gradient: UnsafeMutablePointer<Float>) {
        let state = NormalizationState(step), input = step.inputs[0].sample(sample)
        let bias = gradient + step.parameterOffsets[1], first = state.index(sample, 0)
        clearCoefficients(step)
        for lane in step.inputShapes[0].layout.lanes {
            ChannelNormalization.set(
                .init(mean: Float(state.statistics[first + 2 * lane]), 0, 0), sample: 0, lane: lane, of: input.shape, in: step.scratch!)
        }
        ChannelNormalization.gradientMoments(
            on: pass.device, input, step.outputGradient!.sample(sample), into: state.gradientSums + first, scratch: step.scratch!)
        gradient.update(repeating: 0, count: step.output.shape.blocks * 16)
        bias.update(repeating: 0, count: step.output.shape.blocks * 16)
        for lane in step.inputShapes[0].layout.lanes {
            let i = first + 2 * lane, mean = state.statistics[i], sum = state.gradientSums[i]
            state.gradientSums[i + 1] += (Double(Float(mean)) - mean) * sum
            gradient[lane] = Float(state.gradientSums[i + 1] * state.statistics[i + 1])
            bias[lane] = Float(sum)
        }
    }

    /// Sets the coefficients of one lane's input gradient: `ofMean` and `ofDeviation` are the means, over the set that is normalised, of
    /// weight · g and of weight · g · (x − mean).
    func setGradient(_ step: Step, sample: Int, lane: Int, ofMean: Double, ofDeviation: Double) {
        let state = NormalizationState(step), i = state.index(sample, lane)
        let mean = state.statistics[i], inverse = state.statistics[i + 1], rounded = Float(mean)
        let ofInput = -inverse * inverse * inverse * ofDeviation
        ChannelNormalization.set(
            .init(
                mean: rounded, Float(Double(step.parameters![lane]) * inverse), Float(ofInput),
                Float(-inverse * ofMean + ofInput * (Double(rounded) - mean))),
            sample: sample, lane: lane, of: step.output.shape, in: step.scratch!)
    }

    /// Computes the input gradient from the coefficients that have been set.
    func applyGradient(_ step: Step, _ pass: Pass, to target: InputGradient) {
        ChannelNormalization.applyGradient(
            on: pass.device, step.inputs[0], step.outputGradient!, to: target.tensor, accumulate: target.accumulate, mask: target.mask,
            scratch: step.scratch!)
    }
}
