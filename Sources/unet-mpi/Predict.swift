import ArgumentParser
import Training

/// `unet-mpi predict`
struct Predict: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a network's probabilities, or masks, for every page of a volume.",
        discussion: """
            mpirun -np 4 unet-mpi predict --checkpoint runs/isbi/checkpoints/best.h5 --images test-volume.tif --output prediction.tif

            The output has the width, height and pages of the input: float32 probabilities of the foreground, or with --threshold a mask of \
            0 and 255. Its format follows the extension: .tif, .h5 or .npy.
            """)

    @Option(help: ArgumentHelp("Checkpoint of a training.", valueName: "PATH")) var checkpoint: String
    @Option(help: ArgumentHelp("Volume of images.", valueName: "PATH")) var images: String
    @Option(help: ArgumentHelp("Volume to write: .tif, .h5 or .npy.", valueName: "PATH")) var output: String
    @Option(
        help: ArgumentHelp("Write 255 where the probability is above this (0 to 1), 0 elsewhere, instead of probabilities.", valueName: "X")
    )
    var threshold: Float?
    @OptionGroup var threads: ThreadOptions
    @OptionGroup var messages: MessageOptions

    func validate() throws {
        if let threshold, !(0...1).contains(threshold) {
            throw ValidationError("--threshold \(threshold): a number from 0 to 1 is allowed")
        }
    }

    func run() {
        runOnAllRanks { communicator in
            let logger = messages.logger(rank: communicator.rank)
            try Prediction(checkpoint: checkpoint, images: images, output: output, threshold: threshold, threads: threads.count)
                .run(communicator: communicator, logger: logger)
            return 0
        }
    }
}
