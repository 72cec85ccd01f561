/// UNet++ of Zhou et al. (2018): nested skip connections. Node (i, j) of level i stands j steps to the right of the encoder; it sees all
/// nodes of its level to its left, and the enlarged node (i + 1, j − 1). The output is that of the last node of the first level: without
/// the deep supervision of the paper, whose further heads have losses of their own.
public func unetPlusPlus(_ image: Node, _ options: ArchitectureOptions) throws(NetworkError) -> Node {
    func block(_ x: Node, _ level: Int, _ column: Int) throws(NetworkError) -> Node {
        let channels = options.baseChannels << level, name = "conv\(level)_\(column)"
        return try options.convolution(channels, name: "\(name)b", options.convolution(channels, name: "\(name)a", x))
    }
    /// The nodes of each level, from left to right.
    var nodes: [[Node]] = []
    for level in 0...options.depth {
        var x = image
        if let above = nodes.last { x = try MaxPool2D(name: "pool\(level - 1)")(above[0]) }
        x = try block(x, level, 0)
        nodes.append([level + 1 >= options.depth ? try options.dropped(x, name: "drop\(level)") : x])
        // What the new node completes, upwards along the diagonal.
        for column in stride(from: 1, through: level, by: 1) {
            let target = level - column
            let enlarged = try options.enlargement(
                options.baseChannels << target, name: "up\(target)_\(column)", nodes[target + 1][column - 1])
            let merged = try Concatenate(name: "merge\(target)_\(column)")(nodes[target] + [enlarged])
            nodes[target].append(try block(merged, target, column))
        }
    }
    return try Conv2D(options.outputChannels, kernelSize: 1, initializer: .glorotUniform, name: "head")(nodes[0][options.depth])
}
