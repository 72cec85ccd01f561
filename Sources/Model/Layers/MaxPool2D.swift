import Kernels

/// 2 × 2 maximum pooling with stride 2. An odd last row or column is dropped.
public struct MaxPool2D: Layer {
    /// The architecture's name for it.
    public let name: String?

    /// - Parameter name: of the layer in tables.
    public init(name: String? = nil) { self.name = name }

    /// `MaxPool2D 2×2`.
    public var kind: String { "MaxPool2D 2×2" }
    /// To find the maxima again.
    public var needsOutputInBackward: Bool { true }
    /// As its input.
    public func isRectified(inputs: [Bool]) -> Bool { inputs[0] }

    /// Half the input's height and width, rounded down.
    public func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape {
        let shape = inputs[0]
        guard shape.height >= 2 && shape.width >= 2 else {
            throw NetworkError("an image of \(shape.height) × \(shape.width) cannot be pooled: use larger images or a smaller depth")
        }
        return NodeShape(layout: shape.layout, height: shape.height / 2, width: shape.width / 2)
    }

    /// The maximum of each window.
    public func forward(_ step: Step, _ pass: Pass) { MaxPooling.forward(on: pass.device, input: step.inputs[0], output: step.output) }

    /// The gradient goes to each window's maximum.
    public func inputGradient(_ step: Step, _ pass: Pass) {
        guard let target = step.inputGradients[0] else { return }
        MaxPooling.backward(
            on: pass.device, input: step.inputs[0], output: step.output, outputGradient: step.outputGradient!, inputGradient: target.tensor,
            accumulate: target.accumulate, mask: target.mask != nil)
    }

    /// The naive version.
    public func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double> {
        Reference.maxPooling(inputs[0])
    }
}
