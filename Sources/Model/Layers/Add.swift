import Kernels

/// The sum of two nodes of one shape, as at the end of a residual block, and an activation. The sum takes the place of the first node in
/// memory where nobody else needs it, and so does its gradient.
public struct Add: Layer {
    /// Applied to the sum.
    public let activation: Activation
    /// The architecture's name for it.
    public let name: String?

    /// - Parameters:
    ///   - activation: applied to the sum.
    ///   - name: of the layer in tables.
    public init(activation: Activation = .linear, name: String? = nil) { (self.activation, self.name) = (activation, name) }

    /// Applies the layer to two nodes of equal shape.
    ///
    /// - Throws: `NetworkError` when their shapes differ.
    public func callAsFunction(_ first: Node, _ second: Node) throws(NetworkError) -> Node { try Node(self, [first, second]) }

    /// `Add`, with the activation.
    public var kind: String { "Add" + (activation == .relu ? " + ReLU" : "") }
    /// After a ReLU, or if both are.
    public func isRectified(inputs: [Bool]) -> Bool { activation == .relu || inputs.allSatisfy { $0 } }
    /// Backward needs neither of the summands.
    public func worksInPlace(training: Bool) -> Bool { true }

    /// That of both.
    public func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape {
        guard inputs.count == 2, inputs[0] == inputs[1] else {
            throw NetworkError("nodes of \(inputs.map(\.description).joined(separator: " and ")) cannot be added")
        }
        return inputs[0]
    }

    /// The sum.
    public func forward(_ step: Step, _ pass: Pass) {
        Connections.sum(on: pass.device, step.inputs[0], step.inputs[1], to: step.output, relu: activation == .relu)
    }

    /// Both get the sum's.
    public func inputGradient(_ step: Step, _ pass: Pass) {
        for case let target? in step.inputGradients where !target.inPlace {
            Elementwise.copy(
                on: pass.device, step.outputGradient!, to: target.tensor, accumulate: target.accumulate, mask: target.mask)
        }
    }

    /// The naive version.
    public func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double> {
        var y = inputs[0]
        for i in y.values.indices { y.values[i] += inputs[1].values[i] }
        return activation == .relu ? Reference.relu(y) : y
    }
}
