import ArgumentParser
import Foundation
import Imaging
import Training

/// `unet-mpi check`
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Looks at images and labels before anything is trained: pairs, sizes, values, and what is odd.",
        discussion: """
            unet-mpi check data
            unet-mpi check slices masks
            unet-mpi check --images train-volume.tif --labels train-labels.tif --json

            Which labels belong to which images is guessed from the names of files and folders (images, labels, masks, train, validation, test and \
            the like; from their content where two names tell nothing), and shown; --images and --labels say it. Shown are also sizes, types, \
            the labels' values with their share of the pixels, the pixel size, and what is odd: slices that differ in size, labels without \
            foreground, images without contrast, images and labels that look swapped, more than two label values without --classes. The last \
            line is a command that trains on these data.

            Every slice is read once. Exit status: 0 when training would work, warnings or not; 65 when it would fail; 66 when there is nothing.
            """)

    @Argument(help: ArgumentHelp("Folders or volumes that hold images and labels.", valueName: "data"), completion: .file())
    var data: [String] = []
    @Option(help: ArgumentHelp("Volume of images, as in train; may be given several times.", valueName: "PATH"), completion: .file())
    var images: [String] = []
    @Option(help: ArgumentHelp("Labels of --images, as many as of these.", valueName: "PATH"), completion: .file()) var labels: [String] =
        []
    @Option(help: .training("classes"), completion: .training("classes")) var classes: String?
    @Flag(help: "One JSON object instead of text.") var json = false
    @OptionGroup var limit: ImageLimitOptions

    func validate() throws {
        if data.isEmpty == images.isEmpty {
            throw ValidationError("give either folders and volumes to look through, or --images and --labels")
        }
        if !data.isEmpty && !labels.isEmpty { throw ValidationError("--labels needs --images, and no other data beside them") }
    }

    func run() throws {
        LauncherRank.leaveUnlessFirst()
        let classes = try classes.flatMap { $0 == "none" ? nil : $0 }.map { try LabelClasses(argument: $0) }
        let pairing = try data.isEmpty ? DataPairing(images: images, labels: labels) : DataPairing(data)
        let report = try DataCheck.report(on: pairing, classes: classes)
        print(json ? report.json : report.text.printableLines)
        Glibc.exit(report.exitStatus)
    }
}
