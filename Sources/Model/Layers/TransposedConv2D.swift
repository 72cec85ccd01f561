import Kernels

/// Transposed 2 × 2 convolution with stride 2: y(2i + a, 2j + b) = Σ w(a, b) x(i, j) + bias, the up-convolution of Ronneberger, Fischer
/// and Brox (2015). Its weights are [outputs, inputs, 2, 2] as those of all convolutions here; PyTorch's have the inputs first.
public struct TransposedConv2D: ConvolutionLayer {
    let outputChannels: Int
    /// Applied after the bias.
    public let activation: Activation
    /// Whether a bias is added.
    public let usesBias: Bool
    let initializer: Initializer
    /// The architecture's name for it.
    public let name: String?

    /// - Parameters:
    ///   - outputChannels: filters.
    ///   - activation: applied after the bias.
    ///   - usesBias: whether a bias is added.
    ///   - initializer: of the weights; the bias starts at zero. One tap alone reaches each output: give He's initialisation its stride.
    ///   - name: of the layer in tables and checkpoints.
    public init(
        _ outputChannels: Int, activation: Activation = .linear, usesBias: Bool = true,
        initializer: Initializer = .heNormal(corrected: true, stride: 2), name: String? = nil
    ) {
        precondition(outputChannels > 0, "TransposedConv2D: \(outputChannels) filters")
        self.outputChannels = outputChannels
        self.activation = activation
        self.usesBias = usesBias
        self.initializer = initializer
        self.name = name
    }

    /// `Transposed Conv2D 2×2`, with the activation.
    public var kind: String { "Transposed Conv2D 2×2" + (activation == .relu ? " + ReLU" : "") }
    /// Twice the input's height and width.
    public func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape {
        NodeShape(channels: outputChannels, height: 2 * inputs[0].height, width: 2 * inputs[0].width)
    }

    /// Weight and bias.
    public func parameters(_ inputs: [NodeShape], _ output: NodeShape) -> [ParameterDescription] {
        weightAndBias(inputs[0].layout, output.layout, kernelHeight: 2, kernelWidth: 2, initializer)
    }

    /// How the kernels compute it: always by products without a transform, so that `ConvolutionMethod.direct` changes nothing.
    public func plan(_ step: Step) -> Convolution {
        Convolution(
            input: step.inputs[0].shape, inputChannels: step.inputShapes[0].channels, outputBlocks: step.output.shape.blocks,
            kernelHeight: 2, kernelWidth: 2, kind: .transposed)
    }

    /// The naive transposed convolution.
    public func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double> {
        let bias = usesBias ? parameters[1] : [Double](repeating: 0, count: outputChannels)
        let y = Reference.transposedConvolution(inputs[0], weights: parameters[0], bias: bias)
        return activation == .relu ? Reference.relu(y) : y
    }
}
