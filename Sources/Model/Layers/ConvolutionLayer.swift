import Kernels

/// What the layers have in common whose arithmetic is one planned convolution with bias: its passes.
public protocol ConvolutionLayer: Layer {
    /// Applied after the bias.
    var activation: Activation { get }
    /// How the kernels compute it.
    func plan(_ step: Step) -> Convolution
}

extension ConvolutionLayer {
    /// After a ReLU.
    public func isRectified(inputs: [Bool]) -> Bool { activation == .relu }

    /// What the kernels need.
    public func scratchCount(_ step: Step, on device: Device) -> Int { plan(step).scratchCount(on: device) }

    /// output = activation(input ∗ weight + bias).
    public func forward(_ step: Step, _ pass: Pass) {
        plan(step).forward(
            on: pass.device, input: step.inputs[0], weights: step.parameters!, bias: step.parameters! + step.parameterOffsets[1],
            output: step.output, relu: activation == .relu, scratch: step.scratch!)
    }

    /// The adjoint convolution. The activation's derivative is already in `outputGradient`.
    public func inputGradient(_ step: Step, _ pass: Pass) {
        guard let target = step.inputGradients[0] else { return }
        plan(step).inputGradient(
            on: pass.device, outputGradient: step.outputGradient!, weights: step.parameters!, inputGradient: target.tensor,
            accumulate: target.accumulate, mask: target.mask, scratch: step.scratch!)
    }

    /// Weight gradient, then bias gradient.
    public func parameterGradient(_ step: Step, _ pass: Pass, sample: Int, into gradient: UnsafeMutablePointer<Float>) {
        plan(step).weightGradient(
            on: pass.device, input: step.inputs[0], outputGradient: step.outputGradient!, sample: sample, weightGradient: gradient,
            biasGradient: gradient + step.parameterOffsets[1], scratch: step.scratch!)
    }
}
