import ArgumentParser
import Imaging
import Model
import Training

/// `unet-mpi import`
struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes a checkpoint of another program's weights.",
        discussion: """
            unet-mpi import --input unet_membrane.hdf5 --output membrane.h5
            unet-mpi import --input unet.safetensors --architecture unet --norm batch \\
                --output unet.h5
            unet-mpi predict --checkpoint membrane.h5 --images test-volume.tif \\
                --output prediction.tif

            The format is found from the content: HDF5 of the Keras program (weights or model, of Keras 2 and 3, and .weights.h5), safetensors \
            with PyTorch's names, ONNX. What export has written says itself which network it is; of others the shapes tell the channels, and \
            for Keras the depth. All layers must be there: to begin a training with a part of them use train --initial-weights, which takes \
            these files without an import.
            """)

    @Option(help: ArgumentHelp("File of weights.", valueName: "PATH"), completion: .file()) var input: String
    @Option(help: ArgumentHelp("Checkpoint to write.", valueName: "PATH.h5"), completion: .file()) var output: String
    @Option(
        help: ArgumentHelp(
            "Network that the weights are of. (default: what the file says; unet-keras for files of Keras)",
            valueName: Architecture.all.map(\.name).joined(separator: "|")))
    var architecture: String?
    @Option(help: ArgumentHelp("Poolings of the network. (default: what the file says; else 4)", valueName: "N")) var depth: Int?
    @Option(
        help: ArgumentHelp(
            "How the network's way up enlarges. (default: what the file says; else upsample)", valueName: "upsample|transpose"))
    var decoder: ArchitectureOptions.Decoder?
    @Option(
        help: ArgumentHelp("Normalisation of the network. (default: what the file says; else none)", valueName: "none|group|instance|batch")
    )
    var norm: ArchitectureOptions.Normalization?
    @Option(
        help: ArgumentHelp(
            "Classes in the order of the network's outputs, as in background=0,cell=1,wall=2. (default: what the file says; else one foreground)",
            valueName: "NAME=VALUE,..."))
    var classes: String?
    @Option(
        help: ArgumentHelp(
            """
            What is done to pixel values: a number that they are divided by, or mean 0 and deviation 1 of each slice or volume. \
            (default: what the file says; else 255, as the Keras program does)
            """, valueName: "N|slice|volume"))
    var normalization: String?
    @OptionGroup var messages: MessageOptions

    func validate() throws {
        if let depth, !(1...8).contains(depth) { throw ValidationError("--depth \(depth): an integer from 1 to 8 is allowed") }
        if let normalization, imageNormalization == nil {
            throw ValidationError("--normalization \(normalization): a number above 0, slice or volume is allowed")
        }
        if let classes {
            do { _ = try LabelClasses(text: classes) } catch { throw ValidationError("--classes \(classes): \(error)") }
        }
    }

    private var imageNormalization: Normalization? {
        switch normalization {
        case nil: nil
        case "slice": .slice
        case "volume": .volume
        case let text?: Float(text).flatMap { $0 > 0 && $0.isFinite ? .divide(by: $0) : nil }
        }
    }

    func run() throws {
        LauncherRank.leaveUnlessFirst()
        var job = NetworkImport(input, to: output)
        (job.architecture, job.depth, job.decoder, job.normalization) = (architecture, depth, decoder, norm)
        job.classes = try classes.map { try LabelClasses(text: $0) }
        job.imageNormalization = imageNormalization
        try job.run(logger: messages.logger())
    }
}
