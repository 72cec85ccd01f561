import Model

/// Convolutions that a user lists, as text: `64x128@256`, `64x64@192x256`, `3x64@512/k5`, `1024x512@32/up`.
public struct ConvolutionLayerList: Sendable {
    /// Each as it was written, and as a network of one layer.
    package let layers: [(name: String, output: Node)]

    /// How a convolution is written, for help and messages.
    public static let notation = """
        INPUTxOUTPUT@SIZE: channels of the input and the output, and the output's size in pixels, a side or HEIGHTxWIDTH. The kernel is 3x3 \
        unless /kN follows (NxN), /up (a 2x2 kernel on the input enlarged by 2, as on the way up of a U-Net) or /transposed (2x2, stride 2).
        """

    /// The layers that `text` names, separated by commas.
    ///
    /// Throws `BenchmarkError` (`usage`) that names the first that cannot be read.
    public init(_ text: String) throws {
        layers = try text.split(separator: ",", omittingEmptySubsequences: false).map { (String($0), try Self.layer(String($0))) }
    }

    private static func layer(_ text: String) throws -> Node {
        func refuse(_ why: String) -> BenchmarkError { BenchmarkError(.usage, "--layers \(text): \(why). \(notation)") }
        let halves = text.split(separator: "@", omittingEmptySubsequences: false).map(String.init)
        guard halves.count == 2 else { throw refuse("expected channels, @ and a size") }
        let tail = halves[1].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard let channels = numbers(halves[0], in: 1...8192), channels.count == 2 else {
            throw refuse("expected two numbers of channels from 1 to 8192")
        }
        guard let sides = numbers(tail[0], in: 1...16384), sides.count <= 2 else { throw refuse("expected a size from 1 to 16384") }
        var height = sides[0], width = sides[sides.count - 1]
        var layer: any ConvolutionLayer = Conv2D(channels[1], kernelSize: 3)
        if tail.count > 2 { throw refuse("at most one of /kN, /up and /transposed can follow") }
        if let suffix = tail.dropFirst().first {
            if suffix == "up" || suffix == "transposed" {
                guard height % 2 == 0 && width % 2 == 0 else { throw refuse("the output of /\(suffix) has an even height and width") }
                (height, width) = (height / 2, width / 2)
                layer = suffix == "up" ? UpsamplingConv2D(channels[1]) : TransposedConv2D(channels[1])
            } else if suffix.first == "k", let size = numbers(String(suffix.dropFirst()), in: 1...31)?.first {
                layer = Conv2D(channels[1], kernelSize: size)
            } else {
                throw refuse("/\(suffix) is none of /up, /transposed and /kN with N from 1 to 31")
            }
        }
        return try layer(Node(input: NodeShape(channels: channels[0], height: height, width: width)))
    }

    private static func numbers(_ text: String, in range: ClosedRange<Int>) -> [Int]? {
        let numbers = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        return numbers.allSatisfy(range.contains) ? numbers : nil
    }
}
