import DataParallel
import Imaging
import Kernels
import Model
import Training

/// What the benchmarks of whole networks are given: the network options of `train`, and how often to measure.
public struct BenchmarkSettings: Sendable {
    /// Network, size, seed and threads, as a training would have them.
    var configuration: TrainingConfiguration
    /// The global batch; `nil` for one sample a rank.
    private let batchSize: Int?
    /// How often to measure.
    let repetitions: Repetitions

    /// What holds unless an option says otherwise.
    public static func defaults(crop: Int = 256) -> TrainingConfiguration {
        var configuration = TrainingConfiguration()
        configuration.architecture = "unet-keras"
        configuration.crop = .square(crop)
        return configuration
    }

    /// Settings from the options that were given, as (name, value).
    ///
    /// Throws `TrainingError` (`usage`) that names the option.
    public init(options: [(name: String, value: String)], crop: Int = 256, repetitions: Repetitions = Repetitions()) throws {
        configuration = try TrainingConfiguration(defaults: Self.defaults(crop: crop), options: options)
        batchSize = options.contains { $0.name == "batch-size" } ? configuration.batchSize : nil
        self.repetitions = repetitions
    }

    /// Rows and columns of a sample.
    var size: (height: Int, width: Int) { configuration.crop.size(height: 0, width: 0) }

    /// The configuration of a job of `ranks` ranks.
    func configuration(ranks: Int) -> TrainingConfiguration {
        var result = configuration
        result.batchSize = batchSize ?? ranks
        return result
    }
}

/// A benchmark's result, for people and for programs.
public protocol BenchmarkReport {
    /// Lines and tables.
    var text: String { get }
    /// One object.
    var json: JSONValue { get }
}

/// What was measured on.
struct BenchmarkMachine {
    /// What each rank computes with.
    let plan: ComputePlan
    /// GFLOP/s of fused multiply-adds on one thread of rank 0, while the others measure too.
    let peak: Double
    let ranks: Int

    /// A collective.
    init(_ communicator: Communicator, threads: Int?) throws {
        plan = try ComputePlan(communicator: communicator, threads: threads)
        ranks = communicator.count
        try communicator.barrier()
        peak = plan.device.measurePeak()
    }

    /// Threads of rank 0.
    var threads: Int { plan.device.threads.count }
    /// GFLOP/s that all threads of all ranks could reach.
    var jointPeak: Double { peak * Double(plan.threads.reduce(0, +)) }

    var fields: [(String, JSONValue)] {
        [
            ("fma_peak_gflops", .number(peak)), ("instruction_set", .text("\(plan.device.instructionSet)")), ("threads", .integer(threads)),
            ("ranks", .integer(ranks)),
        ]
    }
    var text: String {
        let rankText = ranks == 1 ? "" : "\(ranks) ranks, "
        return "\(rankText)\(threads) thread\(threads == 1 ? "" : "s")\(ranks == 1 ? "" : " each"), \(plan.device.instructionSet), "
            + "FMA peak \(fixed(peak, 1)) GFLOP/s a thread (measured)"
    }
}
