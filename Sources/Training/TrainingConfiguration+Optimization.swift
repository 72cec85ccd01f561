import Kernels
import Model

/// The values of the options that choose how is minimised. Not where they are used, because there `Node` is YAML's.
let learningRateScalings = LearningRateScaling.allCases.map(\.rawValue), epsilonConventions = AdamEpsilon.allCases.map(\.rawValue)

// How the loss is minimised: what the options mean, and where they contradict each other.
extension TrainingConfiguration {
    /// Whether the rate falls until a certain step, so that this step decides bits.
    private var hasDecayLength: Bool { ["cosine", "polynomial"].contains(learningRateSchedule) }

    /// The configuration with the length of the decay, which is that of the run unless it is given.
    ///
    /// - Parameter epochLength: samples in an epoch.
    func resolvingDecaySteps(epochLength: Int) throws -> TrainingConfiguration {
        guard hasDecayLength && decaySteps == nil else { return self }
        var resolved = self
        resolved.decaySteps = steps ?? ((epochs ?? 0) * epochLength + batchSize - 1) / batchSize
        try resolved.validateOptimization()
        return resolved
    }

    /// Throws what no single option can say.
    func validateOptimization() throws {
        if decaySteps != nil && !hasDecayLength {
            throw TrainingError(
                .usage, "--decay-steps is for --learning-rate-schedule cosine or polynomial; it contradicts \(learningRateSchedule)")
        }
        if hasDecayLength, let decaySteps, decaySteps <= warmupSteps {
            throw TrainingError(
                .usage,
                "--warmup-steps \(warmupSteps): the decay ends at step \(decaySteps) (--decay-steps, by default the last one); the warm-up must end before"
            )
        }
        if hasDecayLength && finalLearningRate > peakLearningRate {
            throw TrainingError(
                .usage, "--final-learning-rate \(finalLearningRate) is above the learning rate that it ends, \(peakLearningRate)")
        }
        if isNesterov && optimizer != "sgd" {
            throw TrainingError(.usage, "--nesterov is for --optimizer sgd; it contradicts \(optimizer)")
        }
        if isNesterov && momentum == 0 { throw TrainingError(.usage, "--nesterov needs a --momentum above 0") }
    }

    /// The rate after warm-up and scaling.
    private var peakLearningRate: Double {
        learningRate * LearningRateScaling(rawValue: learningRateScaling)!.factor(batch: batchSize, reference: referenceBatchSize)
    }

    /// The rate of each step; the length of the decay is resolved.
    package var learningRates: LearningRateSchedule {
        // An unresolved length is that of a benchmark, which has no end.
        let steps = decaySteps ?? self.steps ?? warmupSteps + 1
        let decay: LearningRateSchedule.Decay =
            switch learningRateSchedule {
            case "step": .step(every: decayEvery, factor: decayFactor)
            case "cosine": .cosine(steps: steps, final: finalLearningRate)
            case "polynomial": .polynomial(steps: steps, power: decayPower, final: finalLearningRate)
            default: .constant
            }
        return LearningRateSchedule(peak: peakLearningRate, warmupSteps: warmupSteps, decay: decay)
    }

    /// The optimizer for `count` parameters, its state zero.
    package func makeOptimizer(count: Int) -> any Optimizer {
        let rate = learningRates.rate(at: 1)
        if optimizer == "sgd" {
            return StochasticGradientDescent(
                count: count, learningRate: rate, momentum: momentum, isNesterov: isNesterov, weightDecay: weightDecay ?? 0)
        }
        let convention = AdamEpsilon(rawValue: epsilonConvention)!
        return Adam(
            count: count, learningRate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon ?? (convention == .keras ? 1e-7 : 1e-8),
            epsilonConvention: convention,
            weightDecay: optimizer == "adamw" ? .decoupled(weightDecay ?? 0.01) : .coupled(weightDecay ?? 0))
    }

    /// Room for the average of `count` parameters, if one is asked for.
    func makeAverage(count: Int) -> WeightAverage? { weightAveraging == 0 ? nil : WeightAverage(count: count, decay: weightAveraging) }
}
