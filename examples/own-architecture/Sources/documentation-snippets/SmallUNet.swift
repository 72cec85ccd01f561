import Kernels
import Model

/// Two convolutions, each followed by a normalisation and a ReLU.
func block(_ x: Node, _ channels: Int, name: String) throws(NetworkError) -> Node {
    var y = x
    for part in ["a", "b"] {
        y = try Conv2D(channels, kernelSize: 3, usesBias: false, name: "conv\(name)\(part)")(y)
        y = try GroupNorm(groups: 8, activation: .relu, name: "norm\(name)\(part)")(y)
    }
    return y
}

/// A U-Net of `depth` levels, by recursion: what lies below a level is a U-Net of one level less.
func smallUNet(_ x: Node, channels: Int = 16, depth: Int = 2, name: String = "") throws(NetworkError) -> Node {
    let across = try block(x, channels, name: "\(name)down")
    if depth == 0 { return across }
    let below = try smallUNet(MaxPool2D()(across), channels: 2 * channels, depth: depth - 1, name: "\(name)below_")
    let up = try TransposedConv2D(channels, name: "\(name)up")(below)
    return try block(Concatenate()(across, up), channels, name: "\(name)join")
}

/// The network: features, and a head that makes a logit of them.
func smallNetwork(_ image: Node) throws(NetworkError) -> Node {
    try Conv2D(1, kernelSize: 1, initializer: .glorotUniform, name: "head")(smallUNet(image))
}
