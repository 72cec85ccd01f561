import Kernels

/// The middle of an image; of an odd border the smaller half is above and to the left.
public struct Crop2D: Layer {
    package let height, width: Int
    /// The architecture's name for it.
    public let name: String?

    /// - Parameters:
    ///   - height: rows that remain.
    ///   - width: columns that remain.
    ///   - name: of the layer in tables.
    public init(height: Int, width: Int, name: String? = nil) { (self.height, self.width, self.name) = (height, width, name) }

    /// `Crop2D`.
    public var kind: String { "Crop2D" }
    /// As its input.
    public func isRectified(inputs: [Bool]) -> Bool { inputs[0] }

    /// The part's.
    public func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape {
        guard (1...inputs[0].height).contains(height), (1...inputs[0].width).contains(width) else {
            throw NetworkError("\(height) × \(width) pixels cannot be cut out of \(inputs[0].height) × \(inputs[0].width)")
        }
        return NodeShape(layout: inputs[0].layout, height: height, width: width)
    }

    /// Copies the part.
    public func forward(_ step: Step, _ pass: Pass) { Connections.crop(on: pass.device, step.inputs[0], to: step.output) }

    /// The border gets none.
    public func inputGradient(_ step: Step, _ pass: Pass) {
        guard let target = step.inputGradients[0] else { return }
        Connections.cropGradient(
            on: pass.device, step.outputGradient!, to: target.tensor, accumulate: target.accumulate, mask: target.mask)
    }

    /// The naive version.
    public func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double> {
        let x = inputs[0]
        return Reference.crop(x, top: (x.height - height) / 2, left: (x.width - width) / 2, height: height, width: width)
    }
}
