import ArgumentParser
import Imaging
import Training

/// `unet-mpi sample`
struct Sample: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a small synthetic electron-microscopy volume with labels, to try everything without a download.",
        discussion: """
            unet-mpi sample --output data

            writes train-volume.tif, train-labels.tif, test-volume.tif and test-labels.tif into the folder: cells (label 255) divided by dark \
            membranes (label 0).
            """)

    @Option(help: ArgumentHelp("Folder to write to; created if need be.", valueName: "FOLDER")) var output: String
    @OptionGroup var messages: MessageOptions

    func run() throws {
        LauncherRank.leaveUnlessFirst()
        try SyntheticSample.write(to: output)
        messages.logger().notice("wrote train-volume.tif, train-labels.tif, test-volume.tif and test-labels.tif into \(output)")
    }
}
