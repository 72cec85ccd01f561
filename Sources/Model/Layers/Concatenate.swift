import Kernels

/// The channels of several nodes, one after the other. The planner lets the parts be written into the concatenation's
/// own memory, so that usually nothing is copied, forward or backward.
public struct Concatenate: Layer {
    /// The architecture's name for it.
    public let name: String?

    /// - Parameter name: of the layer in tables.
    public init(name: String? = nil) { self.name = name }

    /// Applies the layer to several nodes of equal height and width.
    ///
    /// - Throws: `NetworkError` when their sizes differ.
    public func callAsFunction(_ inputs: Node...) throws(NetworkError) -> Node { try Node(self, inputs) }

    /// Applies the layer to several nodes of equal height and width.
    ///
    /// - Throws: `NetworkError` when their sizes differ.
    public func callAsFunction(_ inputs: [Node]) throws(NetworkError) -> Node { try Node(self, inputs) }

    /// `Concatenate`.
    public var kind: String { "Concatenate" }
    /// If all parts are.
    public func isRectified(inputs: [Bool]) -> Bool { inputs.allSatisfy { $0 } }

    /// The sum of the channels.
    public func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape {
        for other in inputs.dropFirst() where other.height != inputs[0].height || other.width != inputs[0].width {
            throw NetworkError(
                "images of \(inputs[0].height) × \(inputs[0].width) and \(other.height) × \(other.width) pixels meet at a concatenation: "
                    + "the input's height and width must be multiples of 2^depth")
        }
        return NodeShape(layout: ChannelLayout(parts: inputs.flatMap(\.layout.parts)), height: inputs[0].height, width: inputs[0].width)
    }

    private func part(_ tensor: Tensor, _ index: Int, _ step: Step) -> Tensor {
        var first = 0
        for i in 0..<index { first += step.inputs[i].shape.blocks }
        return tensor.blocks(from: first, count: step.inputs[index].shape.blocks)
    }

    /// Copies the parts that do not lie in place.
    public func forward(_ step: Step, _ pass: Pass) {
        for i in step.inputs.indices {
            let target = part(step.output, i, step)
            if target.pointer != step.inputs[i].pointer { Elementwise.copy(on: pass.device, step.inputs[i], to: target) }
        }
    }

    /// Copies the gradients of the parts that do not lie in place. A part whose ReLU the consumers could not apply, because
    /// another part has none, is masked here.
    public func inputGradient(_ step: Step, _ pass: Pass) {
        for (i, target) in step.inputGradients.enumerated() {
            guard let target, !target.inPlace || target.mask != nil else { continue }
            Elementwise.copy(
                on: pass.device, part(step.outputGradient!, i, step), to: target.tensor, accumulate: !target.inPlace && target.accumulate,
                mask: target.mask)
        }
    }

    /// The naive version.
    public func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double> {
        inputs.dropFirst().reduce(inputs[0]) { Reference.concatenate($0, $1) }
    }
}
