import DataParallel
import Foundation
import Imaging
import Kernels
import Model

/// Everything that decides what a training run is. `TrainingOption.all` gives each property its name on the command line and in
/// YAML, its default, its range and its help.
public struct TrainingConfiguration: Codable, Equatable, Sendable {
    /// Where training goes on from.
    public enum Resume: Codable, Equatable, Sendable {
        /// The newest valid checkpoint of the run folder, or the beginning.
        case automatic
        /// The beginning; a run folder that already holds checkpoints is refused.
        case never
        /// This checkpoint, unless the run folder holds its own.
        case checkpoint(String)
    }

    /// Volumes of images.
    public var images: VolumePaths = ""
    /// Volumes of labels, one for each of images, a page for each of theirs.
    public var labels: VolumePaths = ""
    /// The classes that the labels tell apart; `nil` for foreground and background.
    public var classes: LabelClasses?
    /// How pixel values become the network's input: `type-range`, `slice` or `volume`.
    public var imageNormalization = "type-range"
    /// The largest page that a file may claim to have, its pixels times its channels.
    public var maximumImagePixels = ImageLimit.standard
    /// Memory for decoded slices of a rank, in MiB.
    public var cacheMebibytes = 256
    /// How many of the last slices are held out for validation.
    public var validation = 0
    /// Volume of images to validate on instead, with its labels.
    public var validationImages: VolumePaths?
    /// Labels of `validationImages`.
    public var validationLabels: VolumePaths?
    /// The part of the slices to validate on instead, in a cross-validation.
    public var fold: Fold?
    /// Run folder.
    public var output = ""
    /// Passes over the training slices; `nil` when `steps` is given.
    public var epochs: Int? = 100
    /// Updates in all; `nil` when `epochs` is given.
    public var steps: Int?
    /// Samples in an update, over all ranks.
    public var batchSize = 8
    /// What part of a slice a sample shows.
    public var crop = Crop.square(256)
    /// Samples drawn from each slice in an epoch.
    public var cropsPerSlice = 1
    /// How samples are varied.
    public var augment = AugmentationConfiguration.standard
    /// Name of the network.
    public var architecture = "unet"
    /// Channels of the network's first level.
    public var baseChannels = 64
    /// Poolings from the first level to the deepest.
    public var depth = 4
    /// Probability of dropping an element after the two deepest levels of the encoder.
    public var dropout = 0.5
    /// How the way up enlarges an image: an `ArchitectureOptions.Decoder`.
    public var decoder = ArchitectureOptions.Decoder.upsample.rawValue
    /// What lies between a convolution and its ReLU: an `ArchitectureOptions.Normalization`.
    public var normalization = ArchitectureOptions.Normalization.none.rawValue
    /// Weights to begin with; `nil` for random ones.
    public var initialWeights: InitialWeights?
    /// Layers that are not taken from them.
    public var skippedWeights: [String] = []
    /// Name of the optimizer.
    public var optimizer = "adam"
    /// Decay of Adam's first moment.
    public var beta1 = 0.9
    /// Decay of Adam's second moment.
    public var beta2 = 0.999
    /// What Adam adds to its denominator; `nil` is the usual one of the convention.
    public var epsilon: Double?
    /// Where Adam adds it: an `AdamEpsilon`.
    public var epsilonConvention = AdamEpsilon.pytorch.rawValue
    /// Momentum of `sgd`.
    public var momentum = 0.99
    /// Whether it is Nesterov's.
    public var isNesterov = false
    /// Pull of the parameters towards zero; `nil` is the optimizer's usual one.
    public var weightDecay: Double?
    /// Norm to which a larger gradient is scaled down.
    public var clipNorm: Double?
    /// Decay of the moving average of the parameters; 0 for none.
    public var weightAveraging = 0.0
    /// Step size of the optimizer.
    public var learningRate = 5e-4
    /// How it changes with the step.
    public var learningRateSchedule = "constant"
    /// Steps in which it rises from zero.
    public var warmupSteps = 0
    /// The step at which `cosine` and `polynomial` end; `nil` is the last one.
    public var decaySteps: Int?
    /// The rate that they end at.
    public var finalLearningRate = 0.0
    /// Exponent of `polynomial`.
    public var decayPower = 0.9
    /// Steps between two falls of `step`.
    public var decayEvery = 1000
    /// What each fall multiplies the rate by.
    public var decayFactor = 0.1
    /// How the rate follows the batch: a `LearningRateScaling`.
    public var learningRateScaling = LearningRateScaling.none.rawValue
    /// The batch that `learningRate` was chosen for.
    public var referenceBatchSize = 8
    /// Name of the loss.
    public var loss = "bce"
    /// γ of the focal loss.
    public var focalGamma = 2.0
    /// α of the focal loss: weight of the foreground, that of the background being 1 − α; `nil` weighs both by 1.
    public var focalAlpha: Double?
    /// w₀ of the border weights; 0 for none.
    public var borderWeight = 0.0
    /// σ of the border weights, in pixels.
    public var borderSigma = 5.0
    /// Seed of every random decision.
    public var seed: UInt64 = 0
    /// Steps from checkpoint to checkpoint.
    public var checkpointEvery = 100
    /// Steps from validation to validation.
    public var validateEvery = 100
    /// Steps from one scoring of the validation's segments to the next; 0 for never.
    public var segmentationScoresEvery = 0
    /// The score of the validation that says which checkpoint is the best.
    public var bestMetric = ValidationMetric.accuracy.name
    /// Validations without a better score after which the run ends; 0 for never.
    public var earlyStopping = 0
    /// Checkpoints kept, beside the best one.
    public var keep = 3
    /// Whether `previews/`, `progress.png` and `report.html` are written.
    public var writesReport = true
    /// Whether TensorBoard's event files are written.
    public var writesTensorBoard = true
    /// When the run must have saved and ended.
    public var timeLimit = TimeLimit.automatic
    /// How long a rank may make no progress.
    public var stallTimeout = TimeSpan(seconds: 60)
    /// What happens when a loss or gradient is not finite: a `NonFinitePolicy`.
    public var onNonFinite = NonFinitePolicy.stop.rawValue
    /// Steps from one whose gradients are computed twice, on different ranks, to the next; 0: never.
    public var verifyEvery = 0
    /// What happens when the network collapses: a `CollapsePolicy`.
    public var onCollapse = CollapsePolicy.stop.rawValue
    /// How convolutions are computed: a `ConvolutionMethod`.
    public var convolution = ConvolutionMethod.automatic.rawValue
    /// What is kept in memory: a `MemoryMode`.
    public var memory = MemoryMode.fast.rawValue
    /// Parts that a rank's share of the batch is worked in, one after the other.
    public var accumulate = 1
    /// How gradients are summed over the ranks: a `ReductionMethod`.
    public var reduction = ReductionMethod.reproducible.rawValue
    /// Threads of each rank; `nil` is worked out from the affinity mask.
    public var threads: Int?
    /// Gradients, in MiB, that leave together while backward still runs, at least.
    public var bucketMebibytes = 1
    /// Where to go on from.
    public var resume = Resume.automatic
    /// Whether a run goes on though its data or configuration changed.
    public var acceptChanges = false

    /// The defaults.
    public init() {}

    /// A configuration from a YAML file and options that win over it, `--name value` as (name, value).
    ///
    /// Errors are `TrainingError`s of kind `usage` (unknown option, out of range, contradiction) that name the option, and the
    /// line of the file where it stands; a file that is not YAML is `invalid`, one that cannot be read `missing` or `inputOutput`.
    public init(file: String?, options: [(name: String, value: String)]) throws {
        self.init()
        if let file {
            try apply(yaml: Self.text(of: file), from: file)
        }
        try apply(options)
        resolveLoss()
        try validate()
    }

    /// The part of a configuration that describes a network and its step, for those who have no data: `defaults` with options that win over
    /// them. Errors are as above; a crop of whole slices is refused.
    package init(defaults: TrainingConfiguration, options: [(name: String, value: String)]) throws {
        self = defaults
        try apply(options)
        resolveLoss()
        if crop == .full {
            throw TrainingError(.usage, "--crop full: there is no slice to take the size from; give a side or height x width")
        }
        try validateNetwork()
        try validateOptimization()
        try validateLoss()
    }

    /// Sets options from the command line; one that is given several times is a list.
    mutating func apply(_ options: [(name: String, value: String)]) throws {
        for name in options.map(\.name).uniqued {
            try TrainingOption.named(name).apply(options.filter { $0.name == name }.map(\.value), to: &self)
        }
    }

    /// A configuration as it was written by `yaml`.
    package init(resolved yaml: String, from path: String) throws {
        self.init()
        try apply(yaml: yaml, from: path)
    }

    /// What no single option can say.
    func validate() throws {
        for (name, isEmpty) in [("images", images.isEmpty), ("labels", labels.isEmpty), ("output", output.isEmpty)] where isEmpty {
            throw TrainingError(.usage, "--\(name) is missing (on the command line or in the --config file)")
        }
        if (validationImages == nil) != (validationLabels == nil) {
            throw TrainingError(.usage, "--validation-images and --validation-labels need each other")
        }
        if validationImages != nil && validation > 0 {
            throw TrainingError(.usage, "--validation holds slices out of --images; it contradicts --validation-images")
        }
        if fold != nil && (validation > 0 || validationImages != nil) {
            throw TrainingError(.usage, "--fold holds slices out of --images; it contradicts --validation and --validation-images")
        }
        if earlyStopping > 0 && validation == 0 && validationImages == nil && fold == nil {
            throw TrainingError(.usage, "--early-stopping needs slices to validate on: --validation, --validation-images or --fold")
        }
        if initialWeights == nil && !skippedWeights.isEmpty {
            throw TrainingError(.usage, "--skip-weights leaves layers of --initial-weights out, which is missing")
        }
        try validateClasses()
        if ValidationMetric(bestMetric)!.needsSegments && segmentationScoresEvery == 0 {
            throw TrainingError(.usage, "--best-metric \(bestMetric) is scored only with --segmentation-scores-every")
        }
        try validateNetwork()
        try validateOptimization()
        try validateAccumulation()
        try validateLoss()
    }

    /// Whether the batch can be worked in parts. What mixes the samples of a batch, as batch norm does, has no place here: a part cannot
    /// know the others' statistics.
    private func validateAccumulation() throws {
        if accumulate > batchSize {
            throw TrainingError(
                .usage, "--accumulate \(accumulate): a batch of \(batchSize) has no more than \(batchSize) parts of a sample each")
        }
    }

    /// SHA-256 over everything that decides the bits of the parameters, as 64 hexadecimal digits. Paths, cadences, the length
    /// of the run, ranks and threads are not part of it; the data has its own fingerprint.
    public var fingerprint: String {
        let text = TrainingOption.all.filter(\.decidesBits).map { "\($0.name)=\($0.text(of: self))\n" }.joined()
        return Array(text.utf8).withUnsafeBytes { SHA256.hash($0) }
    }

    /// The options that decide the bits and that differ from those of `other`, one line each: `batch-size: 8, was 4`.
    public func differences(from other: TrainingConfiguration) -> [String] {
        TrainingOption.all.filter(\.decidesBits).compactMap { option in
            let (now, then) = (option.text(of: self), option.text(of: other))
            return now == then ? nil : "\(option.name): \(now), was \(then)"
        }
    }
}

extension [String] {
    /// Each element once, where it is first.
    fileprivate var uniqued: [String] { reduce(into: []) { if !$0.contains($1) { $0.append($1) } } }
}
