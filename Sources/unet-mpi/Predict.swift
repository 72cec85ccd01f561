import ArgumentParser
import Imaging
import Training

/// `unet-mpi predict`
struct Predict: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a network's probabilities, or masks, for every page of a volume.",
        discussion: """
            mpirun -np 4 unet-mpi predict --checkpoint runs/isbi/checkpoints/best.h5 \\
                --images test-volume.tif --output prediction.tif
            unet-mpi predict --checkpoint runs/isbi/checkpoints/best.h5 \\
                --images test-volume.tif --type objects --output cells.ome.tif

            The output has the width, height and pages of the input: float32 probabilities of the foreground, or with --threshold a mask of \
            0 and 255, or with --type objects the number of the object that a pixel belongs to; of a network trained with --classes a channel of probabilities for each class, or with --type labels the label value \
            of the most probable class. Its format follows the extension: .tif, .ome.tif, .h5 or .npy; pixel size and unit \
            are those of the input. Pages of any size are taken, and volumes larger than memory: \
            large pages are cut into tiles, which are shared among the ranks. Neither ranks nor threads change a bit of the result.
            """)

    @Option(
        help: ArgumentHelp("Checkpoint of a training; given several times, the mean of all of them is written.", valueName: "PATH"),
        completion: .file())
    var checkpoint: [String]
    @Option(
        help: ArgumentHelp(
            "Volume of images, or folder of slices; given several times, their pages follow each other in the output.", valueName: "PATH"),
        completion: .file())
    var images: [String]
    @Option(help: ArgumentHelp("Volume to write: .tif, .ome.tif, .h5 or .npy.", valueName: "PATH"), completion: .file()) var output: String
    @Option(
        help: ArgumentHelp(
            """
            Pieces in which the network looks at a page, in pixels, multiples of 2^depth; auto: whole pages of up to \
            \(TileSize.smallImage >> 20) megapixel, tiles of \(TileSize.side) of larger ones; none: whole pages always.
            """,
            valueName: "N|HxW|auto|none"))
    var tile = TileSize.automatic
    @Option(
        help: ArgumentHelp(
            "Pixels that neighbouring tiles share at least. 16 x 2^depth makes the result that of whole pages. (default: 8 x 2^depth)",
            valueName: "N"))
    var overlap: Int?
    @Option(
        help: ArgumentHelp(
            "Average over this many orientations of each tile: 4 are the flips, 8 the flips and quarter turns. Takes as many times as long.",
            valueName: "1|4|8"))
    var augmentations = 1
    @Option(
        help: ArgumentHelp(
            "How probabilities are stored: integers are from 0 to 255 or 65535; labels: the values of the most probable --classes instead; objects: 32-bit numbers of the foreground's connected parts in each page.",
            valueName: PredictionType.allCases.map(\.rawValue).joined(separator: "|")))
    var type = PredictionType.float32
    @Option(
        help: ArgumentHelp(
            "Write 255 where the probability is above this (0 to 1), 0 elsewhere, instead of probabilities; with --type objects where the foreground begins (default there: 0.5).",
            valueName: "X")
    )
    var threshold: Float?
    @Flag(help: "Describe a TIFF by OME-XML, as one called .ome.tif always is, instead of ImageJ's text.") var ome = false
    @OptionGroup var limit: ImageLimitOptions
    @OptionGroup var threads: ThreadOptions
    @OptionGroup var messages: MessageOptions

    func validate() throws {
        if let threshold, !(0...1).contains(threshold) {
            throw ValidationError("--threshold \(threshold): a number from 0 to 1 is allowed")
        }
        if let overlap, !(0...1 << 24).contains(overlap) { throw ValidationError("--overlap \(overlap): a number of pixels is allowed") }
        if ![1, 4, 8].contains(augmentations) { throw ValidationError("--augmentations \(augmentations): 1, 4 or 8 is allowed") }
        do { try options.validate() } catch { throw ValidationError("\(error)") }
    }

    private var options: PredictionOptions {
        var options = PredictionOptions(checkpoints: checkpoint, images: VolumePaths(images), output: output)
        (options.tile, options.overlap, options.augmentations) = (tile, overlap, augmentations)
        (options.type, options.threshold, options.threads, options.isOME) = (type, threshold, threads.count, ome)
        return options
    }

    func run() {
        StopRequest.install()
        runOnAllRanks { communicator in
            try Prediction(options).run(communicator: communicator, logger: messages.logger(rank: communicator.rank))
            return 0
        }
    }
}

extension TileSize: ExpressibleByArgument {}
extension PredictionType: ExpressibleByArgument {}
