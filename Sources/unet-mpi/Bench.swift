import ArgumentParser
import Benchmarks
import DataParallel
import Foundation
import Training

/// `unet-mpi bench`
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measures this machine or cluster: kernels, training steps, predictions, messages, scaling.",
        discussion: """
            unet-mpi bench step --base-channels 64 --crop 256 --threads 1
            mpirun -np 4 unet-mpi bench step --profile
            unet-mpi bench predict --crop 512 --json
            unet-mpi bench kernels --layers 64x64@256,128x64@256
            mpirun -np 4 unet-mpi bench allreduce
            mpirun -np 2 unet-mpi bench scaling --crop 512

            Each verifies its results before it times anything, networks and kernels against double precision, and ends with status 70 when \
            they are wrong. \
            Nothing is read or written: images are random. Figures go to standard output, with --json as one object; messages go to \
            standard error. Times are wall-clock times, medians over --repeats; with several ranks those of the slowest.

            GFLOP/s count the direct form of the convolutions: 2 operations for each kernel element, pair of channels and output pixel, \
            the same for forward, input gradient and weight gradient, whatever the algorithm really does. So they can be compared \
            with other programs, and can exceed the FMA peak, which is measured at start (billions of operations of fused \
            multiply-adds a second, on one thread).

            The options of the network are those of train. Stop other work on the machine, and give each rank its cores \
            (mpirun --bind-to core --map-by socket:pe=N). UNET_ISA=avx2 or baseline measures another instruction set.
            """,
        subcommands: [BenchKernels.self, BenchStep.self, BenchPredict.self, BenchAllReduce.self, BenchScaling.self])
}

/// The options of `train` that say what a network and its step are; the list of names is this one. Names, help and meaning stand in
/// `TrainingOption.all`; a test compares the two.
struct NetworkArguments: ParsableArguments {
    @Option(help: .benchmark("architecture")) var architecture: String?
    @Option(help: .benchmark("base-channels")) var baseChannels: String?
    @Option(help: .benchmark("depth")) var depth: String?
    @Option(help: .benchmark("decoder")) var decoder: String?
    @Option(help: .benchmark("norm")) var norm: String?
    @Option(help: .benchmark("dropout")) var dropout: String?
    @Option(help: .benchmark("crop", "256, for predict 512")) var crop: String?
    @Option(help: .benchmark("batch-size", "the number of ranks")) var batchSize: String?
    @Option(help: .benchmark("convolution")) var convolution: String?
    @Option(help: .benchmark("memory")) var memory: String?
    @Option(help: .benchmark("accumulate")) var accumulate: String?
    @Option(help: .benchmark("reduction")) var reduction: String?
    @Option(help: .benchmark("bucket-mib")) var bucketMib: String?
    @Option(help: .benchmark("threads")) var threads: String?
    @Option(help: .benchmark("seed")) var seed: String?

    /// The options that were given, as (name, value).
    var given: [(name: String, value: String)] { givenOptions(of: self) }
}

/// How often to measure, and how to say it.
struct MeasurementArguments: ParsableArguments {
    @Option(help: ArgumentHelp("Timed repetitions; the median is what counts.", valueName: "N")) var repeats = 5
    @Option(help: ArgumentHelp("Repetitions before them that are not timed.", valueName: "N")) var warmUp = 1
    @Flag(help: "One JSON object instead of text.") var json = false

    func validate() throws {
        if !(1...1_000_000).contains(repeats) { throw ValidationError("--repeats \(repeats): an integer from 1 to 1000000 is allowed") }
        if !(0...1_000_000).contains(warmUp) { throw ValidationError("--warm-up \(warmUp): an integer from 0 to 1000000 is allowed") }
    }

    var repetitions: Repetitions { Repetitions(timed: repeats, warmUp: warmUp) }

    /// Writes a report to standard output.
    func show(_ report: any BenchmarkReport) { print(json ? report.json.description : report.text) }
}

extension ArgumentHelp {
    /// The help of a training option with its default in a benchmark: `fallback`, where it is no fixed value.
    static func benchmark(_ name: String, _ fallback: String? = nil) -> ArgumentHelp {
        let option = TrainingOption.all.first { $0.name == name }!
        let text = fallback.map { "\(option.explanation) (default: \($0))" } ?? option.help(defaults: BenchmarkSettings.defaults())
        return ArgumentHelp(stringLiteral: text).with(valueName: option.placeholder)
    }
}
