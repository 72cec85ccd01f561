/// The U-Net with attention gates of Oktay et al. (2018): before a skip connection is merged, each of its pixels is multiplied by a number
/// between 0 and 1, σ(ψ · relu(W x + V g)), made of the skip connection x and of what comes up from below, g, by 1 × 1 convolutions to
/// half as many channels. Here g is enlarged first, so that both have one size; the paper makes x smaller and enlarges the number.
public func attentionUNet(_ image: Node, _ options: ArchitectureOptions) throws(NetworkError) -> Node {
    func block(_ x: Node, _ channels: Int, _ number: Int) throws(NetworkError) -> Node {
        try options.convolution(channels, name: "conv\(number)b", options.convolution(channels, name: "conv\(number)a", x))
    }
    func attended(_ x: Node, by g: Node, _ channels: Int, _ number: Int) throws(NetworkError) -> Node {
        func projection(_ x: Node, _ name: String) throws(NetworkError) -> Node {
            try options.convolution(max(1, channels / 2), kernelSize: 1, activation: .linear, name: "\(name)\(number)", x)
        }
        let both = try Add(activation: .relu, name: "attention\(number)")(projection(g, "gating"), projection(x, "skip"))
        return try Gate(name: "gate\(number)")(x, by: Conv2D(1, kernelSize: 1, initializer: .glorotUniform, name: "psi\(number)")(both))
    }
    func level(_ x: Node, _ number: Int) throws(NetworkError) -> Node {
        let channels = options.baseChannels << (number - 1), up = 2 * options.depth + 2 - number
        var across = try block(x, channels, number)
        if number >= options.depth { across = try options.dropped(across, name: "drop\(number)") }
        if number > options.depth { return across }
        let below = try level(MaxPool2D(name: "pool\(number)")(across), number + 1)
        let enlarged = try options.enlargement(channels, name: "up\(up)", below)
        let skip = try attended(across, by: enlarged, channels, up)
        return try block(Concatenate(name: "merge\(up)")(skip, enlarged), channels, up)
    }
    return try Conv2D(options.outputChannels, kernelSize: 1, initializer: .glorotUniform, name: "head")(level(image, 1))
}
