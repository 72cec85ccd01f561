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
        help: ArgumentHelp("Options from a YAML file, each under its long name; those on the command line win.", valueName: "FILE.yaml"))
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
        runOnAllRanks { communicator in
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
    @Option(help: .training("images")) var images: [String] = []
    @Option(help: .training("labels")) var labels: [String] = []
    @Option(help: .training("classes")) var classes: String?
    @Option(help: .training("normalization")) var normalization: String?
    @Option(help: .training("validation")) var validation: String?
    @Option(help: .training("validation-images")) var validationImages: [String] = []
    @Option(help: .training("validation-labels")) var validationLabels: [String] = []
    @Option(help: .training("fold")) var fold: String?
    @Option(help: .training("output")) var output: String?
    @Option(help: .training("epochs")) var epochs: String?
    @Option(help: .training("steps")) var steps: String?
    @Option(help: .training("batch-size")) var batchSize: String?
    @Option(help: .training("crop")) var crop: String?
    @Option(help: .training("crops-per-slice")) var cropsPerSlice: String?
    @Option(help: .training("augment")) var augment: String?
    @Option(help: .training("architecture")) var architecture: String?
    @Option(help: .training("base-channels")) var baseChannels: String?
    @Option(help: .training("depth")) var depth: String?
    @Option(help: .training("decoder")) var decoder: String?
    @Option(help: .training("norm")) var norm: String?
    @Option(help: .training("dropout")) var dropout: String?
    @Option(help: .training("initial-weights")) var initialWeights: String?
    @Option(help: .training("skip-weights")) var skipWeights: String?
    @Option(help: .training("optimizer")) var optimizer: String?
    @Option(help: .training("beta1")) var beta1: String?
    @Option(help: .training("beta2")) var beta2: String?
    @Option(help: .training("epsilon")) var epsilon: String?
    @Option(help: .training("epsilon-convention")) var epsilonConvention: String?
    @Option(help: .training("momentum")) var momentum: String?
    @Flag(help: .training("nesterov")) var nesterov = false
    @Option(help: .training("weight-decay")) var weightDecay: String?
    @Option(help: .training("clip-norm")) var clipNorm: String?
    @Option(help: .training("weight-averaging")) var weightAveraging: String?
    @Option(help: .training("learning-rate")) var learningRate: String?
    @Option(help: .training("learning-rate-schedule")) var learningRateSchedule: String?
    @Option(help: .training("warmup-steps")) var warmupSteps: String?
    @Option(help: .training("decay-steps")) var decaySteps: String?
    @Option(help: .training("final-learning-rate")) var finalLearningRate: String?
    @Option(help: .training("decay-power")) var decayPower: String?
    @Option(help: .training("decay-every")) var decayEvery: String?
    @Option(help: .training("decay-factor")) var decayFactor: String?
    @Option(help: .training("learning-rate-scaling")) var learningRateScaling: String?
    @Option(help: .training("reference-batch-size")) var referenceBatchSize: String?
    @Option(help: .training("loss")) var loss: String?
    @Option(help: .training("focal-gamma")) var focalGamma: String?
    @Option(help: .training("focal-alpha")) var focalAlpha: String?
    @Option(help: .training("border-weight")) var borderWeight: String?
    @Option(help: .training("border-sigma")) var borderSigma: String?
    @Option(help: .training("seed")) var seed: String?
    @Option(help: .training("checkpoint-every")) var checkpointEvery: String?
    @Option(help: .training("validate-every")) var validateEvery: String?
    @Option(help: .training("segmentation-scores-every")) var segmentationScoresEvery: String?
    @Option(help: .training("best-metric")) var bestMetric: String?
    @Option(help: .training("early-stopping")) var earlyStopping: String?
    @Option(help: .training("keep")) var keep: String?
    @Option(help: .training("report")) var report: String?
    @Option(help: .training("tensorboard")) var tensorboard: String?
    @Option(help: .training("time-limit")) var timeLimit: String?
    @Option(help: .training("stall-timeout")) var stallTimeout: String?
    @Option(help: .training("on-nonfinite")) var onNonfinite: String?
    @Option(help: .training("on-collapse")) var onCollapse: String?
    @Option(help: .training("convolution")) var convolution: String?
    @Option(help: .training("memory")) var memory: String?
    @Option(help: .training("accumulate")) var accumulate: String?
    @Option(help: .training("reduction")) var reduction: String?
    @Option(help: .training("threads")) var threads: String?
    @Option(help: .training("cache-mib")) var cacheMib: String?
    @Option(help: .training("bucket-mib")) var bucketMib: String?
    @Option(help: .training("resume")) var resume: String?
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
