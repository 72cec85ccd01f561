import ArgumentParser
import Training

/// `unet-mpi train`
struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Trains a network.",
        discussion: """
            mpirun -np 8 unet-mpi train --images train-volume.tif \\
                --labels train-labels.tif --validation 4 --output runs/isbi
            mpirun -np 8 unet-mpi train --config train.yaml --steps 2000 --dry-run

            The same configuration, seed and batch size give the same network, bit for bit, on any number of ranks and threads. Killed, or \
            stopped by SIGUSR1 or SIGTERM, the same command goes on from the last checkpoint of the run folder; unet-mpi stop ends it for good. \
            unet-mpi check looks at the data first, unet-mpi init writes a file for --config.
            """)

    @Option(
        help: ArgumentHelp("Options from a YAML file, each under its long name; those on the command line win.", valueName: "FILE.yaml"),
        completion: .file())
    var config: String?

    @Flag(
        help:
            "Only show the plan, on standard output: layers, parameters, memory of a rank, batch, steps, and the time that it would take, from a few steps worked for that; nothing is written."
    )
    var dryRun = false

    @OptionGroup(title: "Training") var training: TrainingArguments
    @OptionGroup var messages: MessageOptions

    func run() throws {
        StopRequest.install()
        let configuration = try TrainingConfiguration(file: config, options: training.given)
        if LauncherRank.current == 0 && configuration.timeLimit == .automatic { BatchSystem.ask() }
        runOnAllRanks(limits: .init(end: configuration.stallTimeout.seconds)) { communicator in
            let logger = messages.logger(rank: communicator.rank)
            let trainer = try Trainer(configuration, communicator: communicator, logger: logger, writesNothing: dryRun)
            if dryRun {
                let plan = try trainer.dryRun()
                if communicator.rank == 0 { print(plan) }
                return 0
            }
            trainer.announce()
            return try trainer.run() == .stopped ? 75 : 0
        }
    }
}

/// The options of `TrainingOption.all`. Their names, help and meaning stand there; a test compares the two.
struct TrainingArguments: ParsableArguments {
    @Option(help: .training("images"), completion: .training("images")) var images: [String] = []
    @Option(help: .training("labels"), completion: .training("labels")) var labels: [String] = []
    @Option(help: .training("classes"), completion: .training("classes")) var classes: String?
    @Option(help: .training("normalization"), completion: .training("normalization")) var normalization: String?
    @Option(help: .training("validation"), completion: .training("validation")) var validation: String?
    @Option(help: .training("validation-images"), completion: .training("validation-images")) var validationImages: [String] = []
    @Option(help: .training("validation-labels"), completion: .training("validation-labels")) var validationLabels: [String] = []
    @Option(help: .training("fold"), completion: .training("fold")) var fold: String?
    @Option(help: .training("max-image-pixels"), completion: .training("max-image-pixels")) var maxImagePixels: String?
    @Option(help: .training("output"), completion: .training("output")) var output: String?
    @Option(help: .training("epochs"), completion: .training("epochs")) var epochs: String?
    @Option(help: .training("steps"), completion: .training("steps")) var steps: String?
    @Option(help: .training("batch-size"), completion: .training("batch-size")) var batchSize: String?
    @Option(help: .training("crop"), completion: .training("crop")) var crop: String?
    @Option(help: .training("crops-per-slice"), completion: .training("crops-per-slice")) var cropsPerSlice: String?
    @Option(help: .training("augment"), completion: .training("augment")) var augment: String?
    @Option(help: .training("architecture"), completion: .training("architecture")) var architecture: String?
    @Option(help: .training("base-channels"), completion: .training("base-channels")) var baseChannels: String?
    @Option(help: .training("depth"), completion: .training("depth")) var depth: String?
    @Option(help: .training("decoder"), completion: .training("decoder")) var decoder: String?
    @Option(help: .training("norm"), completion: .training("norm")) var norm: String?
    @Option(help: .training("dropout"), completion: .training("dropout")) var dropout: String?
    @Option(help: .training("initial-weights"), completion: .training("initial-weights")) var initialWeights: String?
    @Option(help: .training("skip-weights"), completion: .training("skip-weights")) var skipWeights: String?
    @Option(help: .training("optimizer"), completion: .training("optimizer")) var optimizer: String?
    @Option(help: .training("beta1"), completion: .training("beta1")) var beta1: String?
    @Option(help: .training("beta2"), completion: .training("beta2")) var beta2: String?
    @Option(help: .training("epsilon"), completion: .training("epsilon")) var epsilon: String?
    @Option(help: .training("epsilon-convention"), completion: .training("epsilon-convention")) var epsilonConvention: String?
    @Option(help: .training("momentum"), completion: .training("momentum")) var momentum: String?
    @Flag(help: .training("nesterov")) var nesterov = false
    @Option(help: .training("weight-decay"), completion: .training("weight-decay")) var weightDecay: String?
    @Option(help: .training("clip-norm"), completion: .training("clip-norm")) var clipNorm: String?
    @Option(help: .training("weight-averaging"), completion: .training("weight-averaging")) var weightAveraging: String?
    @Option(help: .training("learning-rate"), completion: .training("learning-rate")) var learningRate: String?
    @Option(help: .training("learning-rate-schedule"), completion: .training("learning-rate-schedule")) var learningRateSchedule: String?
    @Option(help: .training("warmup-steps"), completion: .training("warmup-steps")) var warmupSteps: String?
    @Option(help: .training("decay-steps"), completion: .training("decay-steps")) var decaySteps: String?
    @Option(help: .training("final-learning-rate"), completion: .training("final-learning-rate")) var finalLearningRate: String?
    @Option(help: .training("decay-power"), completion: .training("decay-power")) var decayPower: String?
    @Option(help: .training("decay-every"), completion: .training("decay-every")) var decayEvery: String?
    @Option(help: .training("decay-factor"), completion: .training("decay-factor")) var decayFactor: String?
    @Option(help: .training("learning-rate-scaling"), completion: .training("learning-rate-scaling")) var learningRateScaling: String?
    @Option(help: .training("reference-batch-size"), completion: .training("reference-batch-size")) var referenceBatchSize: String?
    @Option(help: .training("loss"), completion: .training("loss")) var loss: String?
    @Option(help: .training("focal-gamma"), completion: .training("focal-gamma")) var focalGamma: String?
    @Option(help: .training("focal-alpha"), completion: .training("focal-alpha")) var focalAlpha: String?
    @Option(help: .training("border-weight"), completion: .training("border-weight")) var borderWeight: String?
    @Option(help: .training("border-sigma"), completion: .training("border-sigma")) var borderSigma: String?
    @Option(help: .training("seed"), completion: .training("seed")) var seed: String?
    @Option(help: .training("checkpoint-every"), completion: .training("checkpoint-every")) var checkpointEvery: String?
    @Option(help: .training("validate-every"), completion: .training("validate-every")) var validateEvery: String?
    @Option(help: .training("segmentation-scores-every"), completion: .training("segmentation-scores-every")) var segmentationScoresEvery:
        String?
    @Option(help: .training("best-metric"), completion: .training("best-metric")) var bestMetric: String?
    @Option(help: .training("early-stopping"), completion: .training("early-stopping")) var earlyStopping: String?
    @Option(help: .training("keep"), completion: .training("keep")) var keep: String?
    @Option(help: .training("report"), completion: .training("report")) var report: String?
    @Option(help: .training("tensorboard"), completion: .training("tensorboard")) var tensorboard: String?
    @Option(help: .training("time-limit"), completion: .training("time-limit")) var timeLimit: String?
    @Option(help: .training("stall-timeout"), completion: .training("stall-timeout")) var stallTimeout: String?
    @Option(help: .training("verify-every"), completion: .training("verify-every")) var verifyEvery: String?
    @Option(help: .training("on-nonfinite"), completion: .training("on-nonfinite")) var onNonfinite: String?
    @Option(help: .training("on-collapse"), completion: .training("on-collapse")) var onCollapse: String?
    @Option(help: .training("convolution"), completion: .training("convolution")) var convolution: String?
    @Option(help: .training("memory"), completion: .training("memory")) var memory: String?
    @Option(help: .training("accumulate"), completion: .training("accumulate")) var accumulate: String?
    @Option(help: .training("reduction"), completion: .training("reduction")) var reduction: String?
    @Option(help: .training("threads"), completion: .training("threads")) var threads: String?
    @Option(help: .training("cache-mib"), completion: .training("cache-mib")) var cacheMib: String?
    @Option(help: .training("bucket-mib"), completion: .training("bucket-mib")) var bucketMib: String?
    @Option(help: .training("resume"), completion: .training("resume")) var resume: String?
    @Flag(help: .training("accept-changes")) var acceptChanges = false

    /// The options that were given, as (name, value).
    var given: [(name: String, value: String)] { givenOptions(of: self) }

    func validate() throws {
        if epochs != nil && steps != nil { throw ValidationError("--epochs and --steps contradict each other") }
    }
}

/// The training options among `arguments` that were given, as (name, value).
func givenOptions(of arguments: some ParsableArguments) -> [(name: String, value: String)] {
    // The parser keeps the value of `batchSize`, the option `batch-size`, in a child called `_batchSize`.
    Mirror(reflecting: arguments).children.flatMap { child -> [(name: String, value: String)] in
        let name = (child.label ?? "").dropFirst().map { $0.isUppercase ? "-\($0.lowercased())" : "\($0)" }.joined()
        if let option = child.value as? Option<String?> { return option.wrappedValue.map { [(name, $0)] } ?? [] }
        if let option = child.value as? Option<[String]> { return option.wrappedValue.map { (name, $0) } }
        if let flag = child.value as? Flag<Bool> { return flag.wrappedValue ? [(name, "true")] : [] }
        return []
    }
}

extension CompletionKind {
    /// What a shell offers for the value of a training option: what its placeholder says is allowed.
    static func training(_ name: String) -> CompletionKind {
        let placeholder = TrainingOption.all.first { $0.name == name }!.placeholder
        if placeholder.hasPrefix("PATH") || placeholder.hasPrefix("FILE") || placeholder.hasSuffix("|PATH") { return .file() }
        // Words in capitals stand for others.
        let words = placeholder.split(separator: "|").map(String.init).filter { !$0.contains(where: \.isUppercase) }
        return words.count > 1 ? .list(words) : .default
    }
}

extension ArgumentHelp {
    /// The help of a training option.
    static func training(_ name: String) -> ArgumentHelp {
        let option = TrainingOption.all.first { $0.name == name }!
        return ArgumentHelp(stringLiteral: option.help).with(valueName: option.placeholder)
    }

    func with(valueName: String) -> ArgumentHelp {
        var copy = self
        copy.valueName = valueName.isEmpty ? nil : valueName
        return copy
    }
}
