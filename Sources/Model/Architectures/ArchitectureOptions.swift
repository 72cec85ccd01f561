/// What the registered architectures can be asked for.
public struct ArchitectureOptions: Codable, Equatable, Sendable {
    /// How the way up enlarges an image.
    public enum Decoder: String, CaseIterable, Codable, Sendable {
        /// Nearest-neighbour upsampling and a 2 × 2 convolution.
        case upsample
        /// A transposed 2 × 2 convolution with stride 2.
        case transpose
    }

    /// What lies between a convolution and its ReLU.
    public enum Normalization: String, CaseIterable, Codable, Sendable {
        /// Nothing.
        case none
        /// Group normalisation: eight groups where there are a multiple of eight channels and at least sixteen, else one.
        case group
        /// Instance normalisation: each channel is its own group.
        case instance
        /// Batch normalisation over the global batch.
        case batch
    }

    /// Channels of the first level; each level below has twice as many.
    public var baseChannels: Int
    /// Number of poolings.
    public var depth: Int
    /// Dropout rate of the two deepest encoder levels, 0 ..< 1.
    public var dropout: Float
    /// How the way up enlarges an image.
    public var decoder: Decoder
    /// What lies between a convolution and its ReLU.
    public var normalization: Normalization
    /// Logits of a pixel: 1, the foreground's, or one for each of several classes.
    public var outputChannels: Int

    /// The seed's values by default.
    public init(
        baseChannels: Int = 64, depth: Int = 4, dropout: Float = 0.5, decoder: Decoder = .upsample, normalization: Normalization = .none,
        outputChannels: Int = 1
    ) {
        self.baseChannels = baseChannels
        self.depth = depth
        self.dropout = dropout
        self.decoder = decoder
        self.normalization = normalization
        self.outputChannels = outputChannels
    }
}

// The pieces that the architectures have in common.
extension ArchitectureOptions {
    /// A convolution, the normalisation that the options ask for, and the activation. A normalised convolution has no bias: the
    /// normalisation takes any constant away and adds a bias of its own.
    func convolution(
        _ channels: Int, kernelSize: Int = 3, activation: Activation = .relu, padding: Padding = .same,
        initializer: Initializer = .heNormal(corrected: true), name: String, _ x: Node
    ) throws(NetworkError) -> Node {
        let isNormalized = normalization != .none
        let y = try Conv2D(
            channels, kernelSize: kernelSize, activation: isNormalized ? .linear : activation, padding: padding, usesBias: !isNormalized,
            initializer: initializer, name: name)(x)
        return try normalized(y, activation, name)
    }

    /// Twice the size and `channels` channels, by the decoder that the options ask for, normalised and rectified.
    func enlargement(
        _ channels: Int, initializer: Initializer = .heNormal(corrected: true), name: String, _ x: Node
    ) throws(NetworkError) -> Node {
        let isNormalized = normalization != .none, activation = isNormalized ? Activation.linear : .relu
        let y: Node =
            switch decoder {
            case .upsample:
                try UpsamplingConv2D(channels, activation: activation, usesBias: !isNormalized, initializer: initializer, name: name)(x)
            case .transpose: try TransposedConv2D(channels, activation: activation, usesBias: !isNormalized, name: name)(x)
            }
        return try normalized(y, .relu, name)
    }

    private func normalized(_ x: Node, _ activation: Activation, _ name: String) throws(NetworkError) -> Node {
        let channels = x.shape.channels, name = "\(name)_norm"
        switch normalization {
        case .none: return x
        case .group: return try GroupNorm(groups: channels >= 16 && channels % 8 == 0 ? 8 : 1, activation: activation, name: name)(x)
        case .instance: return try GroupNorm(groups: nil, activation: activation, name: name)(x)
        case .batch: return try BatchNorm2D(activation: activation, name: name)(x)
        }
    }

    /// Dropout, if there is any.
    func dropped(_ x: Node, name: String) throws(NetworkError) -> Node {
        dropout > 0 ? try Dropout2D(rate: dropout, name: name)(x) : x
    }
}
