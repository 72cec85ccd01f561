import ArgumentParser
import Benchmarks

/// `unet-mpi bench step`
struct BenchStep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step",
        abstract: "Times whole training steps.",
        discussion: """
            unet-mpi bench step --architecture unet-keras --base-channels 64 --crop 256 \\
                --batch-size 1 --threads 1
            mpirun -np 4 unet-mpi bench step --profile --json

            A step is what train does between reading a batch and logging: forward, loss, the checks, backward, the sum over the ranks, \
            the optimizer. Before, the same architecture is compared with double precision on the smallest image it takes. The peak memory \
            is that of the rank that has most, from the building of the network on.
            """)

    @OptionGroup(title: "Network") var network: NetworkArguments
    @OptionGroup var measurement: MeasurementArguments
    @OptionGroup var profile: ProfileArguments
    @OptionGroup var messages: MessageOptions

    func run() throws { try profile.run(.step, network, crop: 256, measurement, messages) }
}

/// Whether a network's benchmark shows where the time goes.
struct ProfileArguments: ParsableArguments {
    @Flag(help: "Also where the time goes, by layer and by kind of work, on rank 0.") var profile = false

    func run(
        _ work: NetworkBenchmark.Work, _ network: NetworkArguments, crop: Int, _ measurement: MeasurementArguments,
        _ messages: MessageOptions
    ) throws {
        let settings = try BenchmarkSettings(options: network.given, crop: crop, repetitions: measurement.repetitions)
        runOnAllRanks { communicator in
            let report = try NetworkBenchmark.run(work, settings, profiled: profile, communicator: communicator)
            if communicator.rank == 0 {
                let logger = messages.logger()
                for warning in report.warnings { logger.warning("\(warning)") }
                measurement.show(report)
            }
            return 0
        }
    }
}
