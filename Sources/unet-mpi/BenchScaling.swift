import ArgumentParser
import Benchmarks

/// `unet-mpi bench scaling`
struct BenchScaling: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scaling",
        abstract: "Predicts the efficiency of 2 to 1024 ranks from measured steps and messages.",
        discussion: """
            unet-mpi bench scaling --base-channels 64 --crop 512 --threads 1
            mpirun --hostfile hosts -np 4 --map-by ppr:1:node unet-mpi bench scaling --json
            unet-mpi bench scaling --latency-us 2 --bandwidth-gbits 200

            Measures how long a rank computes, and when backward finishes which gradients. Under mpirun it also measures the sum of gradients \
            between the ranks, fits latency and bandwidth to it, and compares a step of this very job with what the model says of it. Started \
            alone it has no network: it takes the latency that you give, or assumes 50 microseconds. The batch of each rank stays the same \
            whatever their number (--batch-size is that of this job, over all ranks).

            docs/scaling.md explains the model and what it leaves out.
            """)

    @Option(
        help: ArgumentHelp(
            "Latency of an empty message between two hosts, in microseconds. (default: what is measured; 50 where there is one rank)",
            valueName: "X"))
    var latencyUs: Double?
    @Option(help: ArgumentHelp("Also predict for links of this bandwidth in each direction, in Gbit/s.", valueName: "X"))
    var bandwidthGbits: Double?
    @OptionGroup(title: "Network") var network: NetworkArguments
    @OptionGroup var measurement: MeasurementArguments

    func validate() throws {
        if let latencyUs, !(0...1e6).contains(latencyUs) { throw ValidationError("--latency-us \(latencyUs): 0 to 1000000 is allowed") }
        if let bandwidthGbits, !(1e-3...1e6).contains(bandwidthGbits) {
            throw ValidationError("--bandwidth-gbits \(bandwidthGbits): 0.001 to 1000000 is allowed")
        }
    }

    func run() throws {
        let settings = try BenchmarkSettings(options: network.given, repetitions: measurement.repetitions)
        let wish = ScalingBenchmark.NetworkWish(latencyMicroseconds: latencyUs, bandwidthGigabits: bandwidthGbits)
        runOnAllRanks { communicator in
            let report = try ScalingBenchmark.run(settings, wish, communicator: communicator)
            if communicator.rank == 0 { measurement.show(report) }
            return 0
        }
    }
}
