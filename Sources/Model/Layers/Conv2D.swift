import Kernels

/// What follows a convolution.
public enum Activation: String, Sendable {
    /// The identity.
    case linear
    /// max(x, 0).
    case relu
}

/// A convolution with stride 1, "same" padding and bias: cross-correlation, the smaller half of the zeros above and to the left.
public struct Conv2D: Layer {
    let outputChannels, kernelHeight, kernelWidth: Int
    let activation: Activation
    let initializer: Initializer
    /// The architecture's name for it.
    public let name: String?

    /// - Parameters:
    ///   - outputChannels: filters.
    ///   - kernelSize: rows and columns of the kernel.
    ///   - activation: applied after the bias.
    ///   - initializer: of the weights; the bias starts at zero.
    ///   - name: of the layer in tables and checkpoints.
    public init(
        _ outputChannels: Int, kernelSize: Int, activation: Activation = .linear, initializer: Initializer = .heNormal(corrected: true),
        name: String? = nil
    ) {
        precondition(outputChannels > 0 && kernelSize > 0, "Conv2D: \(outputChannels) filters of size \(kernelSize)")
        self.outputChannels = outputChannels
        kernelHeight = kernelSize
        kernelWidth = kernelSize
        self.activation = activation
        self.initializer = initializer
        self.name = name
    }

    /// `Conv2D k×k`, with the activation.
    public var kind: String { "Conv2D \(kernelHeight)×\(kernelWidth)" + (activation == .relu ? " + ReLU" : "") }
    /// After a ReLU.
    public func isRectified(inputs: [Bool]) -> Bool { activation == .relu }

    /// The input's size with `outputChannels` channels.
    public func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape {
        NodeShape(channels: outputChannels, height: inputs[0].height, width: inputs[0].width)
    }

    /// Weight and bias.
    public func parameters(_ inputs: [NodeShape], _ output: NodeShape) -> [ParameterDescription] {
        [.weight(inputs[0].layout, output.layout, kernelHeight: kernelHeight, kernelWidth: kernelWidth, initializer), .bias(output.layout)]
    }

    private func plan(_ step: Step) -> Convolution {
        Convolution(
            input: step.inputs[0].shape, inputChannels: step.inputShapes[0].channels, outputBlocks: step.output.shape.blocks,
            kernelHeight: kernelHeight, kernelWidth: kernelWidth)
    }

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

    /// The naive convolution.
    public func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double> {
        let y = Reference.convolution(
            inputs[0], weights: parameters[0], bias: parameters[1], kernelHeight: kernelHeight, kernelWidth: kernelWidth)
        return activation == .relu ? Reference.relu(y) : y
    }
}
