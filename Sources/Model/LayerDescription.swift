import Kernels

/// A layer of a planned network, for those who list or measure them.
public struct LayerDescription: Sendable {
    /// Its unique name.
    public let name: String
    /// What it computes.
    public let layer: any Layer
    /// Sizes of one sample's inputs; none for the image.
    public let inputs: [NodeShape]
    /// Size of one sample's output.
    public let output: NodeShape
    /// How its convolution is computed, if it is one.
    public let convolution: Convolution?
    /// Whether a training computes the gradient of its first input.
    public let needsInputGradient: Bool
    /// Whether its first input is rectified, so that the input's gradient is masked.
    public let isInputRectified: Bool

    /// Multiply-adds that the direct form of its convolution takes for one sample, with the channels that are not padding; the same for each
    /// of the three passes. 0 where there is no convolution.
    public var directMultiplyAdds: Int {
        guard let convolution else { return 0 }
        return convolution.tapsPerOutput * inputs[0].channels * output.channels * output.height * output.width
    }
}

extension Network {
    /// All layers in the order of the forward pass.
    public var layers: [LayerDescription] {
        graph.nodes.indices.map { i in
            let node = graph.nodes[i], source = graph.inputs[i].first
            return LayerDescription(
                name: graph.names[i], layer: node.layer, inputs: node.inputs.map(\.shape), output: node.shape,
                convolution: (node.layer as? any ConvolutionLayer)?.plan(steps[i]),
                needsInputGradient: source.map { graph.needsGradient[$0] } ?? false,
                isInputRectified: source.map { graph.isRectified[$0] } ?? false)
        }
    }

    /// Multiply-adds that the direct form of all convolutions takes in one forward pass of one sample.
    public var directMultiplyAdds: Int { layers.map(\.directMultiplyAdds).reduce(0, +) }

    /// Starts to measure the passes by layer. Without a profile a pass reads no clock.
    public func startProfile() -> NetworkProfile {
        let profile = NetworkProfile(layers: graph.nodes.count)
        self.profile = profile
        return profile
    }
}
