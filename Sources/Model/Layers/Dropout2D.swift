import CounterRandom
import Kernels

/// Inverted dropout: while training, each element is zeroed with probability `rate` and the rest is divided by 1 − rate.
/// The mask is a function of (seed, layer, position in the stream, element) and is computed again when it is needed.
public struct Dropout2D: Layer {
    package let rate: Float
    /// The architecture's name for it.
    public let name: String?

    /// - Parameters:
    ///   - rate: share of the elements that become zero, 0 ..< 1.
    ///   - name: of the layer in tables.
    public init(rate: Float, name: String? = nil) {
        precondition(rate >= 0 && rate < 1, "Dropout: rate \(rate)")
        self.rate = rate
        self.name = name
    }

    /// `Dropout p`.
    public var kind: String { "Dropout \(rate)" }
    /// As its input.
    public func isRectified(inputs: [Bool]) -> Bool { inputs[0] }
    /// Nothing is dropped at inference.
    public var isIdentityAtInference: Bool { true }
    /// The input's.
    public func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape { inputs[0] }

    private func mask(_ step: Step, _ pass: Pass) -> Dropout {
        let stream = RandomStream(seed: pass.seed, purpose: .dropout, ordinal: step.ordinal, position: pass.firstPosition)
        return Dropout(rate: rate, key: stream.key, ordinalWord: stream.base.w, firstPosition: pass.firstPosition)
    }

    /// Drops, or copies when not training (a network planned for inference has nothing to copy).
    public func forward(_ step: Step, _ pass: Pass) {
        if pass.training {
            mask(step, pass).apply(on: pass.device, step.inputs[0], to: step.output)
        } else if step.output.pointer != step.inputs[0].pointer {
            Elementwise.copy(on: pass.device, step.inputs[0], to: step.output)
        }
    }

    /// The same map.
    public func inputGradient(_ step: Step, _ pass: Pass) {
        guard let target = step.inputGradients[0] else { return }
        if pass.training {
            mask(step, pass).apply(
                on: pass.device, step.outputGradient!, to: target.tensor, accumulate: target.accumulate, mask: target.mask)
        } else {
            Elementwise.copy(on: pass.device, step.outputGradient!, to: target.tensor, accumulate: target.accumulate, mask: target.mask)
        }
    }

    /// The identity.
    public func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double> { inputs[0] }
}
