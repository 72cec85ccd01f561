import ArgumentParser
import Benchmarks

/// `unet-mpi bench kernels`
struct BenchKernels: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels",
        abstract: "Times the kernels one by one: every convolution of a network in its three passes, and the rest.",
        discussion: """
            unet-mpi bench kernels --base-channels 64 --crop 256 --threads 1
            unet-mpi bench kernels --layers 64x64@256,1024x512@32/up,64x1@192x256/k1 --json

            Each convolution is checked at corners, borders and inside against double precision first; the error is that over the \
            largest magnitude of the results. Each distinct shape of the network is measured once. Under mpirun all ranks compute the same \
            at the same time, so that the figures show what they leave to each other.
            """)

    @Option(
        help: ArgumentHelp(
            "Convolutions to measure instead of the network's, separated by commas. \(ConvolutionLayerList.notation)", valueName: "LIST"))
    var layers: String?
    @OptionGroup(title: "Network") var network: NetworkArguments
    @OptionGroup var measurement: MeasurementArguments

    func run() throws {
        let settings = try BenchmarkSettings(options: network.given, repetitions: measurement.repetitions)
        let subject: KernelBenchmark.Subject = try layers.map { .layers(try ConvolutionLayerList($0)) } ?? .network
        runOnAllRanks { communicator in
            let report = try KernelBenchmark.run(settings, subject, communicator: communicator)
            if communicator.rank == 0 { measurement.show(report) }
            return 0
        }
    }
}
