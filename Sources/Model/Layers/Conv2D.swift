import Kernels

/// What follows a convolution.
public enum Activation: String, Sendable {
    /// The identity.
    case linear
    /// max(x, 0).
    case relu
}

/// What surrounds the input of a convolution.
public enum Padding: String, Sendable {
    /// Zeros, so that the output is as large as the input; the smaller half of them above and to the left.
    case same
    /// Nothing: the output is smaller than the input by the kernel's size less one.
    case valid
}

/// A convolution with stride 1: cross-correlation.
public struct Conv2D: ConvolutionLayer {
    package let outputChannels, kernelHeight, kernelWidth: Int
    /// Applied after the bias.
    public let activation: Activation
    package let padding: Padding
    /// Whether a bias is added.
    public let usesBias: Bool
    let initializer: Initializer
    /// The architecture's name for it.
    public let name: String?

    /// - Parameters:
    ///   - outputChannels: filters.
    ///   - kernelSize: rows and columns of the kernel.
    ///   - activation: applied after the bias.
    ///   - padding: what surrounds the input.
    ///   - usesBias: whether a bias is added.
    ///   - initializer: of the weights; the bias starts at zero.
    ///   - name: of the layer in tables and checkpoints.
    public init(
        _ outputChannels: Int, kernelSize: Int, activation: Activation = .linear, padding: Padding = .same, usesBias: Bool = true,
        initializer: Initializer = .heNormal(corrected: true), name: String? = nil
    ) {
        precondition(outputChannels > 0 && kernelSize > 0, "Conv2D: \(outputChannels) filters of size \(kernelSize)")
        self.outputChannels = outputChannels
        kernelHeight = kernelSize
        kernelWidth = kernelSize
        self.activation = activation
        self.padding = padding
        self.usesBias = usesBias
        self.initializer = initializer
        self.name = name
    }

    /// `Conv2D k×k`, with what is special and the activation.
    public var kind: String {
        "Conv2D \(kernelHeight)×\(kernelWidth)" + (padding == .valid ? " unpadded" : "") + (activation == .relu ? " + ReLU" : "")
    }
    /// The input's size, less the kernel's border without padding, with `outputChannels` channels.
    public func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape {
        let border = padding == .valid ? (kernelHeight - 1, kernelWidth - 1) : (0, 0)
        guard inputs[0].height > border.0 && inputs[0].width > border.1 else {
            throw NetworkError(
                "an image of \(inputs[0].height) × \(inputs[0].width) is too small for an unpadded convolution of \(kernelHeight) × "
                    + "\(kernelWidth): use larger images or a smaller depth")
        }
        return NodeShape(channels: outputChannels, height: inputs[0].height - border.0, width: inputs[0].width - border.1)
    }

    /// Weight and bias.
    public func parameters(_ inputs: [NodeShape], _ output: NodeShape) -> [ParameterDescription] {
        weightAndBias(inputs[0].layout, output.layout, kernelHeight: kernelHeight, kernelWidth: kernelWidth, initializer)
    }

    /// How the kernels compute it.
    public func plan(_ step: Step) -> Convolution {
        Convolution(
            input: step.inputs[0].shape, inputChannels: step.inputShapes[0].channels, outputBlocks: step.output.shape.blocks,
            kernelHeight: kernelHeight, kernelWidth: kernelWidth, kind: padding == .valid ? .valid : .same,
            algorithm: step.convolution.algorithm(kernelHeight: kernelHeight, kernelWidth: kernelWidth))
    }

    /// The naive convolution.
    public func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double> {
        let bias = usesBias ? parameters[1] : [Double](repeating: 0, count: outputChannels)
        var y = Reference.convolution(inputs[0], weights: parameters[0], bias: bias, kernelHeight: kernelHeight, kernelWidth: kernelWidth)
        if padding == .valid {
            y = Reference.crop(
                y, top: (kernelHeight - 1) / 2, left: (kernelWidth - 1) / 2, height: y.height - kernelHeight + 1,
                width: y.width - kernelWidth + 1)
        }
        return activation == .relu ? Reference.relu(y) : y
    }
}
