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
            membranes (label 0). With --classes 3 labels are 0 on membranes, 1 in cells and 2 in their mitochondria: train with \
            --classes membrane=0,cell=1,mitochondrion=2.
            """)

    @Option(help: ArgumentHelp("Folder to write to; created if need be.", valueName: "FOLDER"), completion: .directory) var output: String
    @Option(help: ArgumentHelp("Pages of the training volume.", valueName: "N")) var trainingPages = 20
    @Option(help: ArgumentHelp("Pages of the test volume.", valueName: "N")) var testPages = 10
    @Option(help: ArgumentHelp("Rows of a page, in pixels.", valueName: "N")) var height = 256
    @Option(help: ArgumentHelp("Pixels of a row.", valueName: "N")) var width = 256
    @Option(help: ArgumentHelp("Classes that the labels tell apart.", valueName: "2|3")) var classes = 2
    @Option(help: ArgumentHelp("Seed of the tissue: the same seed and sizes give the same volumes.", valueName: "N")) var seed: UInt64 = 0
    @OptionGroup var messages: MessageOptions

    func validate() throws {
        let sizes = [("training-pages", trainingPages), ("test-pages", testPages), ("height", height), ("width", width)]
        for (name, value) in sizes where !(1...16384).contains(value) {
            throw ValidationError("--\(name) \(value): an integer from 1 to 16384 is allowed")
        }
        if ![2, 3].contains(classes) { throw ValidationError("--classes \(classes): 2 or 3 is allowed") }
    }

    func run() throws {
        LauncherRank.leaveUnlessFirst()
        try SyntheticSample.write(
            to: output, trainingPages: trainingPages, testPages: testPages, height: height, width: width, classes: classes, seed: seed)
        messages.logger().notice("wrote train-volume.tif, train-labels.tif, test-volume.tif and test-labels.tif into \(output)")
    }
}
