/// What the registered architectures can be asked for.
public struct ArchitectureOptions: Codable, Equatable, Sendable {
    /// Channels of the first level; each level below has twice as many.
    public var baseChannels: Int
    /// Number of poolings.
    public var depth: Int
    /// Dropout rate of the two deepest encoder levels, 0 ..< 1.
    public var dropout: Float

    /// The seed's values by default.
    public init(baseChannels: Int = 64, depth: Int = 4, dropout: Float = 0.5) {
        self.baseChannels = baseChannels
        self.depth = depth
        self.dropout = dropout
    }
}

/// A network by name. A new one is a file beside this one and a line in `all`.
public struct Architecture: Sendable {
    /// The name on the command line.
    public let name: String
    /// One line about it.
    public let summary: String
    /// The network as a function from image to logits.
    public let build: @Sendable (Node, ArchitectureOptions) throws(NetworkError) -> Node

    /// The registry.
    public static let all = [
        Architecture(name: "unet", summary: "the U-Net with a linear 1×1 head, which cannot die (default)") {
            (image, options) throws(NetworkError) in
            try unet(image, options)
        },
        Architecture(name: "unet-keras", summary: "the Keras U-Net's exact network: a 2-channel ReLU before the 1×1 head") {
            (image, options) throws(NetworkError) in
            try unetKeras(image, options)
        },
    ]

    /// The architecture called `name`.
    ///
    /// - Throws: `NetworkError` listing the known names.
    public static func named(_ name: String) throws(NetworkError) -> Architecture {
        guard let match = all.first(where: { $0.name == name }) else {
            throw NetworkError("no architecture is called \(name); there are \(all.map(\.name).joined(separator: ", "))")
        }
        return match
    }

    /// Builds the graph for images of `channels` × `height` × `width`.
    ///
    /// - Throws: `NetworkError` when the size does not fit the depth.
    public func graph(channels: Int, height: Int, width: Int, options: ArchitectureOptions) throws(NetworkError) -> Node {
        try build(Node(input: NodeShape(channels: channels, height: height, width: width)), options)
    }
}
