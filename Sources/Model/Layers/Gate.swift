import Kernels

/// A node multiplied, pixel by pixel and in all channels alike, by the sigmoid of another of one channel: y = x · σ(q).
public struct Gate: Layer {
    /// The architecture's name for it.
    public let name: String?

    /// - Parameter name: of the layer in tables.
    public init(name: String? = nil) { self.name = name }

    /// Applies the layer to what is gated and to the gate's logits.
    ///
    /// - Throws: `NetworkError` when their sizes differ or the gate has more than one channel.
    public func callAsFunction(_ input: Node, by gate: Node) throws(NetworkError) -> Node { try Node(self, [input, gate]) }

    /// `Gate`.
    public var kind: String { "Gate" }
    /// As what is gated: a sigmoid is positive.
    public func isRectified(inputs: [Bool]) -> Bool { inputs[0] }

    /// That of what is gated.
    public func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape {
        guard inputs.count == 2, inputs[1].channels == 1, inputs[0].height == inputs[1].height, inputs[0].width == inputs[1].width else {
            throw NetworkError("nodes of \(inputs.map(\.description).joined(separator: ", ")): a gate has one channel and the other's size")
        }
        return inputs[0]
    }

    /// The product.
    public func forward(_ step: Step, _ pass: Pass) {
        Connections.gate(on: pass.device, step.inputs[0], by: step.inputs[1], to: step.output)
    }

    /// Of both factors. The sigmoid is computed again.
    public func inputGradient(_ step: Step, _ pass: Pass) {
        func place(_ target: InputGradient?) -> Connections.GateGradient? {
            target.map { .init($0.tensor, accumulate: $0.accumulate, mask: $0.mask != nil) }
        }
        Connections.gateGradient(
            on: pass.device, step.inputs[0], by: step.inputs[1], outputGradient: step.outputGradient!,
            ofInput: place(step.inputGradients[0]), ofGate: place(step.inputGradients[1]))
    }

    /// The naive version.
    public func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double> {
        Reference.gate(inputs[0], by: inputs[1])
    }
}
