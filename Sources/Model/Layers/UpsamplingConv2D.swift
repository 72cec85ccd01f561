import Kernels

/// Nearest-neighbour upsampling by 2 followed by a 2 × 2 convolution ("same": zeros below and to the right) and ReLU: the
/// seed's up-convolution, computed without the upsampled image and with a quarter of the products.
public struct UpsamplingConv2D: Layer {
    let outputChannels: Int
    let activation: Activation
    let initializer: Initializer
    /// The architecture's name for it.
    public let name: String?

    /// - Parameters:
    ///   - outputChannels: filters.
    ///   - activation: applied after the bias.
    ///   - initializer: of the weights; the bias starts at zero.
    ///   - name: of the layer in tables and checkpoints.
    public init(
        _ outputChannels: Int, activation: Activation = .linear, initializer: Initializer = .heNormal(corrected: true), name: String? = nil
    ) {
        precondition(outputChannels > 0, "UpsamplingConv2D: \(outputChannels) filters")
        self.outputChannels = outputChannels
        self.activation = activation
        self.initializer = initializer
        self.name = name
    }

    /// `Upsampling + Conv2D 2×2`, with the activation.
    public var kind: String { "Upsampling ×2 + Conv2D 2×2" + (activation == .relu ? " + ReLU" : "") }
    /// After a ReLU.
    public func isRectified(inputs: [Bool]) -> Bool { activation == .relu }

    /// Twice the input's height and width.
    public func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape {
        NodeShape(channels: outputChannels, height: 2 * inputs[0].height, width: 2 * inputs[0].width)
    }

    /// Weight and bias.
    public func parameters(_ inputs: [NodeShape], _ output: NodeShape) -> [ParameterDescription] {
        [.weight(inputs[0].layout, output.layout, kernelHeight: 2, kernelWidth: 2, initializer), .bias(output.layout)]
    }

    private func plan(_ step: Step) -> Convolution {
        Convolution(
            input: step.inputs[0].shape, inputChannels: step.inputShapes[0].channels, outputBlocks: step.output.shape.blocks,
            kernelHeight: 2,
            kernelWidth: 2, upsampling: true)
    }

    /// What the kernels need.
    public func scratchCount(_ step: Step, on device: Device) -> Int { plan(step).scratchCount(on: device) }

    /// output = activation(upsampled input ∗ weight + bias).
    public func forward(_ step: Step, _ pass: Pass) {
        plan(step).forward(
            on: pass.device, input: step.inputs[0], weights: step.parameters!, bias: step.parameters! + step.parameterOffsets[1],
            output: step.output, relu: activation == .relu, scratch: step.scratch!)
    }

    /// The adjoint. The activation's derivative is already in `outputGradient`.
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

    /// Upsampling, then the naive convolution.
    public func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double> {
        let y = Reference.convolution(
            Reference.upsample(inputs[0]), weights: parameters[0], bias: parameters[1], kernelHeight: 2, kernelWidth: 2)
        return activation == .relu ? Reference.relu(y) : y
    }
}
