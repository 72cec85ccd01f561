import Kernels

/// Nearest-neighbour upsampling by 2 followed by a 2 × 2 convolution ("same": zeros below and to the right) and ReLU: the
/// seed's up-convolution, computed without the upsampled image and with a quarter of the products.
public struct UpsamplingConv2D: ConvolutionLayer {
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
    ///   - initializer: of the weights; the bias starts at zero.
    ///   - name: of the layer in tables and checkpoints.
    public init(
        _ outputChannels: Int, activation: Activation = .linear, usesBias: Bool = true,
        initializer: Initializer = .heNormal(corrected: true), name: String? = nil
    ) {
        precondition(outputChannels > 0, "UpsamplingConv2D: \(outputChannels) filters")
        self.outputChannels = outputChannels
        self.activation = activation
        self.usesBias = usesBias
        self.initializer = initializer
        self.name = name
    }

    /// `Upsampling + Conv2D 2×2`, with the activation.
    public var kind: String { "Upsampling ×2 + Conv2D 2×2" + (activation == .relu ? " + ReLU" : "") }
    /// Twice the input's height and width.
    public func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape {
        NodeShape(channels: outputChannels, height: 2 * inputs[0].height, width: 2 * inputs[0].width)
    }

    /// Weight and bias.
    public func parameters(_ inputs: [NodeShape], _ output: NodeShape) -> [ParameterDescription] {
        weightAndBias(inputs[0].layout, output.layout, kernelHeight: 2, kernelWidth: 2, initializer)
    }

    /// How the kernels compute it.
    public func plan(_ step: Step) -> Convolution {
        Convolution(
            input: step.inputs[0].shape, inputChannels: step.inputShapes[0].channels, outputBlocks: step.output.shape.blocks,
            kernelHeight: 2, kernelWidth: 2, kind: .upsampling,
            algorithm: step.convolution.algorithm(kernelHeight: 2, kernelWidth: 2))
    }

    /// Upsampling, then the naive convolution.
    public func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double> {
        let bias = usesBias ? parameters[1] : [Double](repeating: 0, count: outputChannels)
        let y = Reference.convolution(Reference.upsample(inputs[0]), weights: parameters[0], bias: bias, kernelHeight: 2, kernelWidth: 2)
        return activation == .relu ? Reference.relu(y) : y
    }
}
