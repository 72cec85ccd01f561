import ArgumentParser
import Benchmarks

/// `unet-mpi bench predict`
struct BenchPredict: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Times predictions: forward passes alone.",
        discussion: """
            unet-mpi bench predict --base-channels 64 --crop 512 --threads 1
            mpirun -np 4 unet-mpi bench predict --profile --json

            Every rank predicts its part of the batch at once. The keys of --json are those of bench step; a step is a forward pass.
            """)

    @OptionGroup(title: "Network") var network: NetworkArguments
    @OptionGroup var measurement: MeasurementArguments
    @OptionGroup var profile: ProfileArguments
    @OptionGroup var messages: MessageOptions

    func run() throws { try profile.run(.predict, network, crop: 512, measurement, messages) }
}
