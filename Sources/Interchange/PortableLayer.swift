import Foundation
import Kernels
import Model

/// One layer as other programs know it, as far as prediction goes.
package struct PortableLayer: Sendable {
    /// Pixels at the edges: zeros that are added, or with a minus sign pixels that are taken away.
    package struct Border: Equatable, Sendable {
        var top = 0, left = 0, bottom = 0, right = 0

        var isZero: Bool { self == Border() }
    }

    /// What it computes.
    package enum Operation: Sendable {
        case input
        /// Stride 1, after the border.
        case convolution(kernel: [Int], Border, hasBias: Bool)
        /// Nearest-neighbour upsampling by 2, then a 2 × 2 convolution after the border.
        case upsampledConvolution(Border, hasBias: Bool)
        /// 2 × 2, stride 2.
        case transposedConvolution(hasBias: Bool)
        /// 2 × 2, stride 2.
        case maxPooling
        case concatenation
        case addition
        /// The first input times the sigmoid of the second.
        case gate
        case border(Border)
        case groupNormalization(groups: Int, epsilon: Double)
        case batchNormalization(epsilon: Double)
        /// The identity, with the rate of training.
        case dropout(rate: Float)
    }

    /// The layer's name in the network.
    package let name: String
    /// What it computes.
    package let operation: Operation
    /// Whether what is computed is rectified.
    package let isRectified: Bool
    /// Names of the layers that it takes its input from.
    package let inputs: [String]
    /// Channels of its first input; of the image its own.
    package let inputChannels: Int
    /// Channels of its output.
    package let channels: Int

    /// Layer `index` of a graph.
    ///
    /// - Throws: `InterchangeError` if only this program knows it.
    init(_ graph: Graph, _ index: Int) throws {
        let node = graph.nodes[index]
        name = graph.names[index]
        inputs = graph.inputs[index].map { graph.names[$0] }
        channels = node.shape.channels
        inputChannels = node.inputs.first?.shape.channels ?? channels
        func padding(_ height: Int, _ width: Int) -> Border {
            Border(top: (height - 1) / 2, left: (width - 1) / 2, bottom: height / 2, right: width / 2)
        }
        var activation = Activation.linear
        switch node.layer {
        case _ where node.inputs.isEmpty: operation = .input
        case let layer as Conv2D:
            activation = layer.activation
            operation = .convolution(
                kernel: [layer.kernelHeight, layer.kernelWidth],
                layer.padding == .same ? padding(layer.kernelHeight, layer.kernelWidth) : Border(), hasBias: layer.usesBias)
        case let layer as UpsamplingConv2D:
            activation = layer.activation
            operation = .upsampledConvolution(padding(2, 2), hasBias: layer.usesBias)
        case let layer as TransposedConv2D:
            activation = layer.activation
            operation = .transposedConvolution(hasBias: layer.usesBias)
        case is MaxPool2D: operation = .maxPooling
        case is Concatenate: operation = .concatenation
        case let layer as Add:
            activation = layer.activation
            operation = .addition
        case is Gate: operation = .gate
        case let layer as Crop2D:
            let whole = node.inputs[0].shape
            let top = (whole.height - layer.height) / 2, left = (whole.width - layer.width) / 2
            operation = .border(
                Border(top: -top, left: -left, bottom: -(whole.height - layer.height - top), right: -(whole.width - layer.width - left)))
        case let layer as GroupNorm:
            activation = layer.activation
            operation = .groupNormalization(groups: layer.groups ?? node.shape.channels, epsilon: layer.epsilon)
        case let layer as BatchNorm2D:
            activation = layer.activation
            operation = .batchNormalization(epsilon: layer.epsilon)
        case let layer as Dropout2D: operation = .dropout(rate: layer.rate)
        default:
            throw InterchangeError(
                .usage,
                "the layer \(graph.names[index]) is a \(node.layer.kind), which no format of other programs has; only its checkpoint holds it"
            )
        }
        isRectified = activation == .relu
    }
}

// The list of layers that unet.py builds the network from.
extension PortableLayer: Encodable {
    private enum Key: String, CodingKey {
        case name, kind, inputs, relu, channels, kernel, padding, bias, groups, epsilon
    }

    /// As keyword arguments of `UNet.module`.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(name, forKey: .name)
        try container.encode(inputs, forKey: .inputs)
        if isRectified { try container.encode(true, forKey: .relu) }
        func encode(_ kind: String, channels: [Int]? = nil, kernel: [Int]? = nil, _ border: Border = Border(), hasBias: Bool = true) throws
        {
            try container.encode(kind, forKey: .kind)
            try container.encodeIfPresent(channels, forKey: .channels)
            try container.encodeIfPresent(kernel, forKey: .kernel)
            // PyTorch's order.
            if !border.isZero { try container.encode([border.left, border.right, border.top, border.bottom], forKey: .padding) }
            if !hasBias { try container.encode(false, forKey: .bias) }
        }
        switch operation {
        case .input: try encode("input")
        case .convolution(let kernel, let border, let hasBias):
            try encode("conv", channels: [inputChannels, channels], kernel: kernel, border, hasBias: hasBias)
        case .upsampledConvolution(let border, let hasBias):
            try encode("upsample_conv", channels: [inputChannels, channels], kernel: [2, 2], border, hasBias: hasBias)
        case .transposedConvolution(let hasBias):
            try encode("transposed_conv", channels: [inputChannels, channels], kernel: [2, 2], hasBias: hasBias)
        case .maxPooling: try encode("max_pool")
        case .concatenation: try encode("concatenate")
        case .addition: try encode("add")
        case .gate: try encode("gate")
        case .border(let border): try encode("pad", border)
        case .groupNormalization(let groups, let epsilon):
            try encode("group_norm", channels: [channels])
            try container.encode(groups, forKey: .groups)
            try container.encode(epsilon, forKey: .epsilon)
        case .batchNormalization(let epsilon):
            try encode("batch_norm", channels: [channels])
            try container.encode(epsilon, forKey: .epsilon)
        case .dropout: try encode("dropout")
        }
    }

    /// The list as JSON.
    static func json(_ layers: [PortableLayer]) throws -> String { try jsonText(layers) }
}

/// A value as JSON of one line, of the same bytes each time.
func jsonText(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}
