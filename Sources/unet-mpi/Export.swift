import ArgumentParser
import Imaging
import Training

/// `unet-mpi export`
struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a trained network for other programs.",
        discussion: """
            unet-mpi export --run runs/isbi --output unet.onnx
            unet-mpi export --checkpoint runs/isbi/checkpoints/best.h5 \\
                --output unet.safetensors
            unet-mpi export --run runs/isbi --output isbi.zip

            safetensors: the weights under PyTorch's names and in its order; Sources/Interchange/PyTorch/unet.py builds the network from the \
            file. onnx: the whole network, image in, probabilities out, for images of any size that fits. keras: for networks of \
            the architecture unet-keras; NAME.weights.h5 is Keras 3's file of weights, any other .h5 or .hdf5 is a model that Keras 2 and 3 \
            load. bioimageio: a package of the BioImage Model Zoo with the weights for ONNX and PyTorch, for unet-keras also for Keras, and with an \
            image and what the network makes of it, which the zoo's programs test them by. Networks that were trained with --weight-averaging are written as they predict, with the average.
            """)

    @Option(help: ArgumentHelp("Checkpoint of a training.", valueName: "PATH"), completion: .file()) var checkpoint: String?
    @Option(
        name: .customLong("run"),
        help: ArgumentHelp("Run folder: its best checkpoint, or the newest if nothing was validated.", valueName: "PATH"),
        completion: .file())
    var runFolder: String?
    @Option(
        help: ArgumentHelp(
            "What to write. (default: what the extension of --output says)",
            valueName: NetworkExport.Format.allCases.map(\.rawValue).joined(separator: "|")))
    var format: NetworkExport.Format?
    @Option(
        help: ArgumentHelp("File to write: .safetensors, .onnx, .h5 or .hdf5 (Keras), .zip (bioimageio).", valueName: "PATH"),
        completion: .file())
    var output: String
    @OptionGroup(title: "Options of bioimageio") var package: PackageArguments
    @OptionGroup var messages: MessageOptions

    func validate() throws {
        if (checkpoint == nil) == (runFolder == nil) { throw ValidationError("give either --checkpoint or --run") }
    }

    func run() throws {
        LauncherRank.leaveUnlessFirst()
        try NetworkExport(
            checkpoint.map { .checkpoint($0) } ?? .run(runFolder!), to: output, format: format, package: package.options
        ).run(logger: messages.logger())
    }
}

/// What a package of the BioImage Model Zoo says beside what the run tells. Nothing of it has to be given.
struct PackageArguments: ParsableArguments {
    @Option(help: ArgumentHelp("Title of the package. (default: of architecture and run)", valueName: "TEXT")) var name: String?
    @Option(help: ArgumentHelp("What the network is for, in a sentence or two. (default: made of the run)", valueName: "TEXT"))
    var description: String?
    @Option(help: ArgumentHelp("Who has made it; may be given several times. (default: your name on this machine)", valueName: "NAME"))
    var author: [String] = []
    @Option(help: ArgumentHelp("Licence of the package, as SPDX calls it.", valueName: "ID")) var license = "CC-BY-4.0"
    @Option(
        help: ArgumentHelp(
            "Volume whose first page the test of the package is made of. (default: the first validation slice of the run, or its first slice)",
            valueName: "PATH"), completion: .file())
    var sample: String?

    var options: PackageOptions {
        PackageOptions(name: name, description: description, authors: author, license: license, sample: sample.map { VolumePaths([$0]) })
    }
}

extension NetworkExport.Format: ExpressibleByArgument {}
