import ArgumentParser
import Training

/// `unet-mpi split`
struct Split: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a volume as one TIFF file a slice.",
        discussion: """
            unet-mpi split train-volume.tif --output slices

            writes slices/0.tif, slices/1.tif and so on, with the volume's type and pixel size.
            """)

    @Argument(help: "Volume: multi-page TIFF, NPY, or HDF5 as FILE.h5:/DATASET.", completion: .file()) var volume: String
    @Option(help: ArgumentHelp("Folder to write to; created if need be.", valueName: "FOLDER"), completion: .directory) var output: String
    @OptionGroup var limit: ImageLimitOptions
    @OptionGroup var messages: MessageOptions

    func run() throws {
        LauncherRank.leaveUnlessFirst()
        let count = try SliceFiles.split(volume, into: output)
        messages.logger().notice("wrote \(count) slices into \(output)")
    }
}
