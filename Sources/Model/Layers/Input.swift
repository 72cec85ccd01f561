import Kernels

/// The place where images enter. It computes nothing.
struct Input: Layer {
    var kind: String { "Input" }
    func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape { preconditionFailure("an input's shape is given") }
    func forward(_ step: Step, _ pass: Pass) {}
    func inputGradient(_ step: Step, _ pass: Pass) {}
    func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double> { inputs[0] }
}
