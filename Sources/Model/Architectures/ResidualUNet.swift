/// A U-Net of residual blocks (He et al., 2016; in a U-Net: Zhang, Liu and Wang, 2018): what the two convolutions of a block make is
/// added to the block's input, which a 1 × 1 convolution brings to the block's number of channels, before the last ReLU.
public func residualUNet(_ image: Node, _ options: ArchitectureOptions) throws(NetworkError) -> Node {
    func block(_ x: Node, _ channels: Int, _ number: Int) throws(NetworkError) -> Node {
        let a = try options.convolution(channels, name: "conv\(number)a", x)
        let b = try options.convolution(channels, activation: .linear, name: "conv\(number)b", a)
        let shortcut = try options.convolution(channels, kernelSize: 1, activation: .linear, name: "shortcut\(number)", x)
        return try Add(activation: .relu, name: "sum\(number)")(b, shortcut)
    }
    func level(_ x: Node, _ number: Int) throws(NetworkError) -> Node {
        let channels = options.baseChannels << (number - 1), up = 2 * options.depth + 2 - number
        var across = try block(x, channels, number)
        if number >= options.depth { across = try options.dropped(across, name: "drop\(number)") }
        if number > options.depth { return across }
        let below = try level(MaxPool2D(name: "pool\(number)")(across), number + 1)
        let enlarged = try options.enlargement(channels, name: "up\(up)", below)
        return try block(Concatenate(name: "merge\(up)")(across, enlarged), channels, up)
    }
    return try Conv2D(options.outputChannels, kernelSize: 1, initializer: .glorotUniform, name: "head")(level(image, 1))
}
