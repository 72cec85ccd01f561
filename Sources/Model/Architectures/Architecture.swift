/// A network by name. A new one is a file beside this one and a line in `all`.
public struct Architecture: Sendable {
    /// The name on the command line.
    public let name: String
    /// One line about it.
    public let summary: String
    /// The network as a function from image to logits.
    public let build: @Sendable (Node, ArchitectureOptions) throws(NetworkError) -> Node
    /// Which images it takes.
    public let inputSize: @Sendable (ArchitectureOptions) -> InputSizeRule

    /// An architecture; without a rule of its own it takes multiples of 2^depth and puts out as many pixels.
    public init(
        name: String, summary: String, build: @escaping @Sendable (Node, ArchitectureOptions) throws(NetworkError) -> Node,
        inputSize: @escaping @Sendable (ArchitectureOptions) -> InputSizeRule = { InputSizeRule(multiple: 1 << $0.depth) }
    ) {
        (self.name, self.summary, self.build, self.inputSize) = (name, summary, build, inputSize)
    }

    /// The registry.
    public static let all = [
        Architecture(name: "unet", summary: "the U-Net with a linear 1×1 head, which cannot die (default)", build: unet),
        Architecture(
            name: "unet-keras", summary: "the Keras U-Net's exact network: a 2-channel ReLU before the 1×1 head", build: unetKeras),
        Architecture(
            name: "unet-valid", summary: "the paper's own, without padding: 572×572 pixels in, 388×388 out", build: unetValid,
            inputSize: unetValidInputSize),
        Architecture(name: "unet-residual", summary: "the U-Net of residual blocks", build: residualUNet),
        Architecture(name: "attention-unet", summary: "the U-Net with attention gates in its skip connections", build: attentionUNet),
        Architecture(name: "unet-plus-plus", summary: "UNet++: nested skip connections, no deep supervision", build: unetPlusPlus),
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
    /// - Throws: `NetworkError` when the size does not fit the depth, or the network has another number of outputs than it is asked for.
    public func graph(channels: Int, height: Int, width: Int, options: ArchitectureOptions) throws(NetworkError) -> Node {
        let output = try build(Node(input: NodeShape(channels: channels, height: height, width: width)), options)
        guard output.shape.channels == options.outputChannels else {
            throw NetworkError(
                "\(name) puts out \(output.shape.channels) channel(s) and not \(options.outputChannels), one for each class; its last layer must have options.outputChannels"
            )
        }
        return output
    }
}
