import Kernels

/// The size of one sample of a node's value.
public struct NodeShape: Equatable, Sendable, CustomStringConvertible {
    /// Which lanes hold channels.
    public var layout: ChannelLayout
    /// Rows.
    public var height: Int
    /// Columns.
    public var width: Int

    /// A shape of `channels` × `height` × `width`.
    public init(channels: Int, height: Int, width: Int) {
        self.init(layout: ChannelLayout(channels), height: height, width: width)
    }

    /// A shape with an explicit channel layout, such as a concatenation's.
    public init(layout: ChannelLayout, height: Int, width: Int) {
        self.layout = layout
        self.height = height
        self.width = width
    }

    /// Real channels.
    public var channels: Int { layout.channels }
    /// `channels × height × width`.
    public var description: String { "\(channels) × \(height) × \(width)" }

    /// The tensor shape of `batch` samples.
    func tensorShape(batch: Int) -> Shape { Shape(batch: batch, blocks: layout.blocks, height: height, width: width) }
}

/// A symbolic value: what a layer makes of its inputs. An architecture is a function from node to node.
///
///     let x = Conv2D(64, kernelSize: 3, activation: .relu)(input)
public final class Node: Sendable {
    /// The layer whose output this is.
    public let layer: any Layer
    /// What the layer is applied to.
    public let inputs: [Node]
    /// Size of one sample.
    public let shape: NodeShape

    /// The network's input: images of `channels` × `height` × `width`.
    public init(input shape: NodeShape) {
        layer = Input()
        inputs = []
        self.shape = shape
    }

    /// What `layer` makes of `inputs`. For layers of several inputs, which offer a `callAsFunction` of their own that ends here; a layer of
    /// one input is applied by calling it.
    ///
    /// - Throws: `NetworkError` when the inputs' sizes do not fit the layer.
    public init(_ layer: any Layer, _ inputs: [Node]) throws(NetworkError) {
        self.layer = layer
        self.inputs = inputs
        shape = try layer.outputShape(inputs.map(\.shape))
    }
}

/// An architecture cannot be built for the requested size.
public struct NetworkError: Error, Sendable, CustomStringConvertible {
    /// One line: what does not fit, and what to change.
    public let description: String

    /// An error with this text.
    public init(_ description: String) { self.description = description }
}
