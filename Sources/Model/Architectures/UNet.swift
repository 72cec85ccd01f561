/// The U-Net of Ronneberger, Fischer and Brox (2015) as the well-known Keras program builds it: padded convolutions, so
/// that the output has the input's size, and upsampling with a 2 × 2 convolution on the way up. The head is one linear
/// 1 × 1 convolution.
public func unet(_ image: Node, _ options: ArchitectureOptions) throws(NetworkError) -> Node {
    let features = try unetFeatures(image, options, initializer: .heNormal(corrected: true))
    return try Conv2D(options.outputChannels, kernelSize: 1, initializer: .glorotUniform, name: "head")(features)
}

/// The Keras program's exact network, 31,031,685 parameters at 64 base channels: a 3 × 3 convolution to two channels
/// with ReLU comes before the 1 × 1 head. If both channels die the output is constant for ever.
public func unetKeras(_ image: Node, _ options: ArchitectureOptions) throws(NetworkError) -> Node {
    guard options.outputChannels == 1 else {
        throw NetworkError("unet-keras is one exact network, with one output; take unet for several classes")
    }
    guard options.decoder == .upsample && options.normalization == .none else {
        throw NetworkError("unet-keras is one exact network: it upsamples and has no normalisation; take unet for --decoder and --norm")
    }
    let features = try unetFeatures(image, options, initializer: .heNormal(corrected: false))
    let last = 2 * options.depth + 1
    let two = try Conv2D(2, kernelSize: 3, activation: .relu, initializer: .heNormal(corrected: false), name: "conv\(last)c")(features)
    return try Conv2D(1, kernelSize: 1, initializer: .glorotUniform, name: "conv\(last + 1)")(two)
}

/// Everything before the head: levels are numbered 1 … depth + 1 on the way down and on from there on the way up.
private func unetFeatures(_ image: Node, _ options: ArchitectureOptions, initializer: Initializer) throws(NetworkError) -> Node {
    func block(_ x: Node, _ channels: Int, _ number: Int) throws(NetworkError) -> Node {
        let a = try options.convolution(channels, initializer: initializer, name: "conv\(number)a", x)
        return try options.convolution(channels, initializer: initializer, name: "conv\(number)b", a)
    }
    func level(_ x: Node, _ number: Int) throws(NetworkError) -> Node {
        let channels = options.baseChannels << (number - 1), up = 2 * options.depth + 2 - number
        var across = try block(x, channels, number)
        if number >= options.depth { across = try options.dropped(across, name: "drop\(number)") }
        if number > options.depth { return across }
        let below = try level(MaxPool2D(name: "pool\(number)")(across), number + 1)
        let enlarged = try options.enlargement(channels, initializer: initializer, name: "up\(up)", below)
        return try block(Concatenate(name: "merge\(up)")(across, enlarged), channels, up)
    }
    return try level(image, 1)
}
