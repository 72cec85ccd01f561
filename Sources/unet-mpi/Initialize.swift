import ArgumentParser
import Training

/// `unet-mpi init`
struct Initialize: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Writes a configuration to begin with: every option of train with its explanation.",
        discussion: """
            unet-mpi init --images train-volume.tif --labels train-labels.tif \\
                --output train.yaml
            unet-mpi train --config train.yaml --steps 2000

            The file holds what train does by default, each option with its explanation, what is allowed, and its default in a comment. Change \
            what is to be different and delete the rest, or leave it. An existing file is not overwritten.
            """)

    @Option(help: ArgumentHelp("File to write.", valueName: "FILE.yaml"), completion: .file()) var output = "train.yaml"
    @Option(
        help: ArgumentHelp("Volume of images to put into the file; may be given several times.", valueName: "PATH"), completion: .file())
    var images: [String] = []
    @Option(help: ArgumentHelp("Labels of --images, as many as of these.", valueName: "PATH"), completion: .file()) var labels: [String] =
        []
    @OptionGroup var messages: MessageOptions

    func validate() throws {
        if images.count != labels.count { throw ValidationError("each --images needs its --labels") }
    }

    func run() throws {
        LauncherRank.leaveUnlessFirst()
        try ConfigurationTemplate(images: images, labels: labels).write(to: output)
        messages.logger().notice("wrote \(output); next: unet-mpi train --config \(output)")
    }
}
