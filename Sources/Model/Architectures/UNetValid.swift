/// The U-Net exactly as Ronneberger, Fischer and Brox (2015) drew it: convolutions without padding, so that every output pixel has seen
/// only real ones, and skip connections cut to the size of what comes up from below. An image of 572 × 572 pixels gives the probabilities
/// of its inner 388 × 388.
public func unetValid(_ image: Node, _ options: ArchitectureOptions) throws(NetworkError) -> Node {
    let rule = unetValidInputSize(options)
    guard rule.fits(image.shape.height) && rule.fits(image.shape.width) else {
        throw NetworkError(
            "unet-valid of depth \(options.depth) takes images with sides of \(rule.smallest), \(rule.smallest + rule.multiple), … pixels, "
                + "not \(image.shape.height) × \(image.shape.width)")
    }
    func block(_ x: Node, _ channels: Int, _ number: Int) throws(NetworkError) -> Node {
        let a = try options.convolution(channels, padding: .valid, name: "conv\(number)a", x)
        return try options.convolution(channels, padding: .valid, name: "conv\(number)b", a)
    }
    func level(_ x: Node, _ number: Int) throws(NetworkError) -> Node {
        let channels = options.baseChannels << (number - 1), up = 2 * options.depth + 2 - number
        var across = try block(x, channels, number)
        if number >= options.depth { across = try options.dropped(across, name: "drop\(number)") }
        if number > options.depth { return across }
        let below = try level(MaxPool2D(name: "pool\(number)")(across), number + 1)
        let enlarged = try options.enlargement(channels, name: "up\(up)", below)
        let cut = try Crop2D(height: enlarged.shape.height, width: enlarged.shape.width, name: "crop\(up)")(across)
        return try block(Concatenate(name: "merge\(up)")(cut, enlarged), channels, up)
    }
    return try Conv2D(options.outputChannels, kernelSize: 1, initializer: .glorotUniform, name: "head")(level(image, 1))
}

/// The sides that leave an even number at every pooling: with b at the bottom, the input has 2^depth b + 4 (2^depth − 1) pixels, and the
/// output 2^depth (b − 4) − 4 (2^depth − 1).
public func unetValidInputSize(_ options: ArchitectureOptions) -> InputSizeRule {
    let multiple = 1 << options.depth
    return InputSizeRule(multiple: multiple, remainder: (4 * multiple - 4) % multiple, margin: 6 * multiple - 4)
}
