import Foundation

/// What happens when a loss or a gradient is infinite or not a number.
public enum NonFinitePolicy: String, CaseIterable, Sendable {
    /// The run ends with status 77.
    case stop
    /// The step's update is left out; the run goes on with the next samples, unless that happens `mostInARow` times running.
    case skip

    /// Skipped steps in a row after which a run ends all the same: it would not get any further.
    static let mostInARow = 20
}

/// What happens when the network collapses.
public enum CollapsePolicy: String, CaseIterable, Sendable {
    /// The run ends with status 78.
    case stop
    /// It says so and goes on.
    case warn
}

/// Notices that a network answers with the class prior: the same for all pixels, whatever the image.
///
/// Every network begins near that, so one look tells nothing. A step counts when in each of its samples that has several classes all pixels are
/// given the same one, and, for plain cross-entropy, the loss is not below the entropy of the classes' shares in the batch, which is
/// what the best constant answer would get (Gibbs' inequality). A network that has learned anything about pixels is below it, even while no
/// pixel is on the other side of ½ yet. Counted are steps in a row.
///
/// Among them are the hopeless ones: the gradient of the first layer is zero, exactly, in all its elements. Then everything between it and
/// the output is cut off, as behind a layer whose rectifiers are all shut (`unet-keras` has one of two channels just before its end), and
/// no update will ever change that. In a network that is only slow the gradient is small, not zero.
package struct CollapseDetector {
    /// What is to be done.
    package enum Verdict: Equatable {
        case none
        /// No better than a constant for so many steps: to be said.
        case slow(steps: Int)
        /// The same for so long that it will not change.
        case stuck(steps: Int)
        /// A constant, and no gradient reaches the first layer.
        case dead(steps: Int)
    }

    /// Steps in a row for each verdict.
    static let deadSteps = 20, slowSteps = 200, stuckSteps = 1000
    /// How near to the entropy counts as not below it: the rounding of the network's single precision.
    private static let tolerance = 1e-4

    private let comparesEntropy: Bool
    private var steps = 0, deadSteps = 0

    /// - Parameter comparesEntropy: whether the loss is the plain mean of a cross-entropy.
    package init(comparesEntropy: Bool) { self.comparesEntropy = comparesEntropy }

    /// Takes note of a step.
    ///
    /// - Parameters:
    ///   - samples: of the global batch.
    ///   - isFirstGradientZero: of the step's summed gradient; asked for only where it matters.
    package mutating func observe(_ samples: [StepAgreement.SampleOutcome], isFirstGradientZero: () -> Bool) -> Verdict {
        guard let isConstant = isConstant(samples) else { return .none }  // nothing to tell by: neither counts nor ends the row
        guard isConstant else {
            (steps, deadSteps) = (0, 0)
            return .none
        }
        steps += 1
        deadSteps = isFirstGradientZero() ? deadSteps + 1 : 0
        if deadSteps >= Self.deadSteps { return .dead(steps: deadSteps) }
        if comparesEntropy && steps >= Self.stuckSteps { return .stuck(steps: steps) }
        return comparesEntropy && steps == Self.slowSteps ? .slow(steps: steps) : .none
    }

    /// Whether the answers could be one constant; nil when all samples have one class only, so that a constant may be right.
    private func isConstant(_ samples: [StepAgreement.SampleOutcome]) -> Bool? {
        let mixed = samples.filter { $0.classes.count { $0 > 0 } > 1 }
        if mixed.isEmpty { return nil }
        guard mixed.allSatisfy({ $0.classes.contains($0.correct) }) else { return false }
        guard comparesEntropy else { return true }
        let total = Double(samples.map { $0.classes.reduce(0, +) }.reduce(0, +))
        let entropy = -Self.shares(samples).filter { $0 > 0 }.map { $0 * log($0) }.reduce(0, +)
        return samples.map(\.loss).reduce(0, +) / total >= entropy * (1 - Self.tolerance)
    }

    /// The share of each class in the pixels of the batch.
    static func shares(_ samples: [StepAgreement.SampleOutcome]) -> [Double] {
        let counts = samples[0].classes.indices.map { index in samples.map { $0.classes[index] }.reduce(0, +) }
        return counts.map { Double($0) / Double(max(1, counts.reduce(0, +))) }
    }
}
