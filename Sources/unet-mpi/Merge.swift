import ArgumentParser
import Training

/// `unet-mpi merge`
struct Merge: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Joins the slices of a folder into one volume.",
        discussion: """
            unet-mpi merge slices --output train-volume.tif

            takes the .tif, .tiff, .png and .npy files in natural order: 2.tif before 10.tif. Type and pixel size \
            are those of the slices.
            """)

    @Argument(help: "Folder of slices.", completion: .directory) var folder: String
    @Option(help: ArgumentHelp("Volume to write: .tif, .ome.tif, .h5 or .npy.", valueName: "PATH"), completion: .file()) var output: String
    @Flag(help: "Describe a TIFF by OME-XML, as one called .ome.tif always is, instead of ImageJ's text.") var ome = false
    @OptionGroup var limit: ImageLimitOptions
    @OptionGroup var messages: MessageOptions

    func run() throws {
        LauncherRank.leaveUnlessFirst()
        let count = try SliceFiles.merge(folder, into: output, isOME: ome)
        messages.logger().notice("wrote \(output), \(count) pages")
    }
}
