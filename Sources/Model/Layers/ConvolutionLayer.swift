import Kernels

/// What the layers have in common whose arithmetic is one planned convolution: its passes.
public protocol ConvolutionLayer: Layer {
    /// Applied after the bias.
    var activation: Activation { get }
    /// Whether a bias is added. A layer that is normalised afterwards needs none.
    var usesBias: Bool { get }
    /// How the kernels compute it.
    func plan(_ step: Step) -> Convolution
}

extension ConvolutionLayer {
    /// After a ReLU.
    public func isRectified(inputs: [Bool]) -> Bool { activation == .relu }

    /// The parameters: the weight, and the bias if there is one.
    func weightAndBias(
        _ input: ChannelLayout, _ output: ChannelLayout, kernelHeight: Int, kernelWidth: Int, _ initializer: Initializer
    ) -> [ParameterDescription] {
        [.weight(input, output, kernelHeight: kernelHeight, kernelWidth: kernelWidth, initializer)] + (usesBias ? [.bias(output)] : [])
    }

    /// What the kernels need.
    public func scratchCount(_ step: Step, on device: Device) -> Int { plan(step).scratchCount(on: device) }

    /// output = activation(input ∗ weight + bias).
    public func forward(_ step: Step, _ pass: Pass) {
        plan(step).forward(
            on: pass.device, input: step.inputs[0], weights: step.parameters!,
            bias: usesBias ? UnsafePointer(step.parameters! + step.parameterOffsets[1]) : nil,
            output: step.output, relu: activation == .relu, scratch: step.scratch!)
    }

    /// The adjoint convolution. The activation's derivative is already in `outputGradient`.
    public func inputGradient(_ step: Step, _ pass: Pass) {
        guard let target = step.inputGradients[0] else { return }
        plan(step).inputGradient(
            on: pass.device, outputGradient: step.outputGradient!, weights: step.parameters!, inputGradient: target.tensor,
            accumulate: target.accumulate, mask: target.mask, scratch: step.scratch!)
    }

    /// Weight gradient, then bias gradient if there is a bias.
    public func parameterGradient(_ step: Step, _ pass: Pass, sample: Int, into gradient: UnsafeMutablePointer<Float>) {
        plan(step).weightGradient(
            on: pass.device, input: step.inputs[0], outputGradient: step.outputGradient!, sample: sample, weightGradient: gradient,
            biasGradient: usesBias ? gradient + step.parameterOffsets[1] : nil, scratch: step.scratch!)
    }
}
