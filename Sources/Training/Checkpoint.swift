import Imaging

/// Everything that a run needs to go on as if it had never stopped, and that a prediction needs.
public struct Checkpoint: Sendable {
    /// One parameter with the optimizer's state, in logical order (weights: output channel, input channel, row, column).
    public struct Parameter: Equatable, Sendable {
        /// `conv1a.weight`
        public var name: String
        /// Output channels, input channels, kernel height, kernel width; or channels.
        public var shape: [Int]
        /// The parameter itself.
        public var values: [Float]
        /// The parameter's moving average, if one is kept: what predictions are made with.
        public var average: [Float]?
        /// What the optimizer remembers of it, by name: `first_moment` and `second_moment` of Adam, `velocity`.
        public var optimizerState: [String: [Float]]

        /// A parameter from its parts; the arrays have as many elements as the shape.
        public init(name: String, shape: [Int], values: [Float], average: [Float]? = nil, optimizerState: [String: [Float]]) {
            precondition(
                ([values, average ?? values] + optimizerState.values).allSatisfy { $0.count == shape.reduce(1, *) },
                "\(name): arrays do not fit \(shape)")
            (self.name, self.shape, self.values) = (name, shape, values)
            (self.average, self.optimizerState) = (average, optimizerState)
        }
    }

    /// What the network was trained on.
    public struct DataDescription: Equatable, Sendable {
        /// Hash of the training images and labels.
        public var fingerprint: String
        /// How pixel values become the network's input.
        public var normalization: Normalization
        /// Channels of the images.
        public var channels: Int

        /// A description from its parts.
        public init(fingerprint: String, normalization: Normalization, channels: Int) {
            (self.fingerprint, self.normalization, self.channels) = (fingerprint, normalization, channels)
        }
    }

    /// The run's configuration.
    public var configuration: TrainingConfiguration
    /// How far the run has come.
    public var progress: TrainingProgress
    /// What it learns from.
    public var data: DataDescription
    /// The latest scores by name: `loss`, `accuracy`, `validation_accuracy`, …
    public var metrics: [String: Double]
    /// The parameters in forward order.
    public var parameters: [Parameter]

    /// A checkpoint from its parts.
    public init(
        configuration: TrainingConfiguration, progress: TrainingProgress, data: DataDescription, metrics: [String: Double],
        parameters: [Parameter]
    ) {
        self.configuration = configuration
        self.progress = progress
        self.data = data
        self.metrics = metrics
        self.parameters = parameters
    }

    /// SHA-256 over names, shapes and bits of all parameters, as hexadecimal digits: equal if and only if the networks are.
    public var parametersHash: String { hash { [$0.values] } }

    /// SHA-256 over the optimizer's state and the moving average.
    public var optimizerHash: String {
        hash { parameter in parameter.optimizerState.sorted { $0.key < $1.key }.map(\.value) + [parameter.average ?? []] }
    }

    private func hash(_ values: (Parameter) -> [[Float]]) -> String {
        var hash = SHA256()
        for parameter in parameters {
            Array("\(parameter.name) \(parameter.shape)\n".utf8).withUnsafeBytes { hash.update($0) }
            for array in values(parameter) { array.withUnsafeBytes { hash.update($0) } }
        }
        return hash.finalize()
    }
}

/// How far a run has come. Nothing here depends on the number of ranks.
public struct TrainingProgress: Codable, Equatable, Sendable {
    /// Updates done.
    public var step = 0
    /// Place in the stream of samples where the next batch begins.
    public var position = 0
    /// The best score so far and the step that reached it; `nil` before the first.
    public var best: Best?
    /// Validations since that score; `nil` before the first.
    public var validationsSinceBest: Int?
    /// Sum over the steps since the last checkpoint of the mean loss: the score where nothing is held out for validation.
    public var lossSum = 0.0
    /// Steps whose update was left out because a loss or gradient was not finite; `nil` as long as there was none, and in checkpoints of
    /// before that was possible.
    public var skipped: Skipped?

    /// Steps without an update.
    public struct Skipped: Codable, Equatable, Sendable {
        /// Since the beginning of the run.
        public var total = 0
        /// Since the last checkpoint.
        public var recent = 0

        /// None.
        public init() {}
    }

    /// Updates that the optimizer has made.
    public var updates: Int { step - (skipped?.total ?? 0) }

    /// Whether a run can have come this far: nothing is negative, and nothing is near to the largest numbers.
    var isPossible: Bool {
        let limit = 1 << 53
        return (0...limit).contains(step) && (0...limit).contains(position) && (0...limit).contains(validationsSinceBest ?? 0)
            && (0...step).contains(skipped?.total ?? 0) && (0...(skipped?.total ?? 0)).contains(skipped?.recent ?? 0)
            && (best.map { (0...limit).contains($0.step) } ?? true)
    }

    /// A score by which networks are compared.
    public struct Best: Codable, Equatable, Sendable {
        /// Higher is better: a score of the validation, or minus a loss.
        public var score: Double
        /// The `ValidationMetric` it is of; `nil` for the training loss.
        public var metric: String?
        /// Updates done when it was reached.
        public var step: Int

        /// A score from its parts.
        public init(score: Double, metric: String? = nil, step: Int) { (self.score, self.metric, self.step) = (score, metric, step) }
    }

    /// The beginning.
    public init() {}
}
