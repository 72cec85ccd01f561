import Kernels

/// What follows a convolution.
public enum Activation: String, Sendable {
    /// The identity.
    case linear
    /// max(x, 0).
    case relu
}

/// A convolution with stride 1, "same" padding and bias: cross-correlation, the smaller half of the zeros above and to the left.
public struct Conv2D: ConvolutionLayer {
    let outputChannels, kernelHeight, kernelWidth: Int
    /// Applied after the bias.
    public let activation: Activation
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
    /// The input's size with `outputChannels` channels.
    public func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape {
        NodeShape(channels: outputChannels, height: inputs[0].height, width: inputs[0].width)
    }

    /// Weight and bias.
    public func parameters(_ inputs: [NodeShape], _ output: NodeShape) -> [ParameterDescription] {
        [.weight(inputs[0].layout, output.layout, kernelHeight: kernelHeight, kernelWidth: kernelWidth, initializer), .bias(output.layout)]
    }

    /// How the kernels compute it.
    public func plan(_ step: Step) -> Convolution {
        Convolution(
            input: step.inputs[0].shape, inputChannels: step.inputShapes[0].channels, outputBlocks: step.output.shape.blocks,
            kernelHeight: kernelHeight, kernelWidth: kernelWidth,
            algorithm: step.convolution.algorithm(kernelHeight: kernelHeight, kernelWidth: kernelWidth))
    }

    /// The naive convolution.
    public func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double> {
        let y = Reference.convolution(
            inputs[0], weights: parameters[0], bias: parameters[1], kernelHeight: kernelHeight, kernelWidth: kernelWidth)
        return activation == .relu ? Reference.relu(y) : y
    }
}
