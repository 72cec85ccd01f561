import Kernels

/// The learning rate as a pure function of the step, so that a run that goes on has the rates it would have had.
///
/// The first `warmupSteps` steps rise linearly to the peak, η s / W at step s of W (as Goyal et al., 2017, "Accurate, Large Minibatch
/// SGD", but from zero); what follows is `decay`. Only additions, multiplications, divisions and roots are used: the rates have the same
/// bits on every machine.
public struct LearningRateSchedule: Equatable, Sendable {
    /// What follows the warm-up.
    public enum Decay: Equatable, Sendable {
        /// The peak for ever.
        case constant
        /// η γ^⌊(s − 1) / every⌋: the rate is multiplied by `factor` γ after every `every` steps, those of the warm-up counted.
        case step(every: Int, factor: Double)
        /// η' + (η − η') (1 + cos πx) / 2 with x = (s − 1 − W) / (steps − W), and η' = `final` from then on: Loshchilov and Hutter
        /// (2017), "SGDR", without restarts.
        case cosine(steps: Int, final: Double)
        /// η' + (η − η') (1 − x)^power with the same x, and η' = `final` from then on; a line for power 1.
        case polynomial(steps: Int, power: Double, final: Double)
    }

    /// The highest rate, η.
    public let peak: Double
    /// Steps of the warm-up, W.
    public let warmupSteps: Int
    /// What follows it.
    public let decay: Decay

    /// A schedule; the length of a cosine or polynomial is above that of the warm-up.
    public init(peak: Double, warmupSteps: Int = 0, decay: Decay = .constant) {
        switch decay {
        case .constant: break
        case .step(let every, _): precondition(every > 0, "LearningRateSchedule: steps of \(every)")
        case .cosine(let steps, _), .polynomial(let steps, _, _):
            precondition(steps > warmupSteps, "LearningRateSchedule: a decay of \(steps) steps, \(warmupSteps) of them warm-up")
        }
        self.peak = peak
        self.warmupSteps = warmupSteps
        self.decay = decay
    }

    /// The rate of update `step`, counted from 1.
    public func rate(at step: Int) -> Double {
        precondition(step >= 1, "LearningRateSchedule: step \(step) is not counted from 1")
        if step <= warmupSteps { return peak * Double(step) / Double(warmupSteps) }
        /// Where between the end of the warm-up and the end of the decay the step is, 0 … 1.
        func progress(_ steps: Int) -> Double { min(1, Double(step - 1 - warmupSteps) / Double(steps - warmupSteps)) }
        switch decay {
        case .constant: return peak
        case .step(let every, let factor): return peak * ElementaryFunctions.power(factor, (step - 1) / every)
        case .cosine(let steps, let final):
            return final + (peak - final) * ((1 + ElementaryFunctions.cosine(piTimes: progress(steps))) / 2)
        case .polynomial(let steps, let power, let final):
            return final + (peak - final) * ElementaryFunctions.power(1 - progress(steps), power)
        }
    }
}

/// How the learning rate follows the global batch.
public enum LearningRateScaling: String, CaseIterable, Sendable {
    /// Not at all.
    case none
    /// η B / B₀: the same step for the same number of samples (Krizhevsky, 2014, "One weird trick"; Goyal et al., 2017).
    case linear
    /// η √(B / B₀): the same variance of the step (Krizhevsky, 2014, section 5); what is usual with Adam (You et al., 2020, "LAMB").
    case sqrt

    /// What the rate is multiplied by for batches of `batch` when it was chosen for batches of `reference`.
    public func factor(batch: Int, reference: Int) -> Double {
        let ratio = Double(batch) / Double(reference)
        switch self {
        case .none: return 1
        case .linear: return ratio
        case .sqrt: return ratio.squareRoot()
        }
    }
}
