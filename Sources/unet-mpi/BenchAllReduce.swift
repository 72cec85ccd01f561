import ArgumentParser
import Benchmarks
import DataParallel

/// `unet-mpi bench allreduce`
struct BenchAllReduce: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "allreduce",
        abstract: "Times the three sums of gradients over the ranks, beside MPI_Allreduce.",
        discussion: """
            mpirun -np 4 unet-mpi bench allreduce
            mpirun --hostfile hosts -np 4 --map-by ppr:1:node unet-mpi bench allreduce \\
                --sizes 64KiB,16MiB --json

            The three ways of train --reduction, and MPI_Allreduce beside them, work on the same buffers in turns, after their results were \
            checked: the reproducible sum to the bit, which is the same at any number of ranks; fast, MPI's own nonblocking sum, to its \
            rounding; fast-bf16, which sends half the bytes, to 2/256 of the sum of the magnitudes. The bus bandwidth is 2 (n - 1) / n \
            times the size over the time: what each rank at least sends and receives in single precision.
            """)

    @Option(
        help: ArgumentHelp(
            "Sizes of the buffers, separated by commas: bytes, or with KiB, MiB, GiB. (default: 1KiB to 128MiB in steps of 8)",
            valueName: "LIST"))
    var sizes: String?
    @OptionGroup var measurement: MeasurementArguments

    func run() throws {
        let sizes = try sizes.map { try AllReduceBenchmark.sizes($0) } ?? AllReduceBenchmark.standardSizes
        guard Launcher.isPresent else {
            throw ValidationError(
                "bench allreduce measures messages between ranks; start it under mpirun: mpirun -np 2 unet-mpi bench allreduce")
        }
        runOnAllRanks { communicator in
            let report = try AllReduceBenchmark.run(sizes: sizes, repetitions: measurement.repetitions, communicator: communicator)
            if communicator.rank == 0 { measurement.show(report) }
            return 0
        }
    }
}
