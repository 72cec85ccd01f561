import ArgumentParser
import Training

/// `unet-mpi augment`
struct Augment: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes augmented image/label pairs, to look at or to train others with.",
        discussion: """
            unet-mpi augment --images train-volume.tif --labels train-labels.tif \\
                --augment strong --output augmented

            writes images.tif, labels.tif and contact-sheet.png into the folder. Pair k is the k-th sample of a training with the same seed, \
            crop and augmentation; --config reads the file of a training, where a mapping under augment sets each range and probability \
            (docs/augmentation.md). With --originals the contact sheet has each sample before that above it:

            unet-mpi augment --images train-volume.tif --labels train-labels.tif \\
                --count 3 --originals --output pairs
            """)

    @Option(
        help: ArgumentHelp("Options from a YAML file of train; those on the command line win.", valueName: "FILE.yaml"), completion: .file()
    )
    var config: String?
    @Option(help: .training("images"), completion: .training("images")) var images: [String] = []
    @Option(help: .training("labels"), completion: .training("labels")) var labels: [String] = []
    @Option(help: ArgumentHelp("Folder to write to; created if need be.", valueName: "FOLDER"), completion: .directory) var output: String
    @Option(help: ArgumentHelp("Pairs to write. (default: one for each slice)", valueName: "N")) var count: Int?
    @Option(help: .training("classes"), completion: .training("classes")) var classes: String?
    @Option(help: .training("augment"), completion: .training("augment")) var augment: String?
    @Option(help: ArgumentHelp("Part of a slice that a pair shows: full, a side, or height x width.", valueName: "full|N|HxW"))
    var crop = "full"
    @Option(help: .training("seed"), completion: .training("seed")) var seed: String?
    @Option(help: .training("max-image-pixels"), completion: .training("max-image-pixels")) var maxImagePixels: String?
    @Flag(help: "On the contact sheet, show each sample as it was above what it became, both in the same grey range.")
    var originals = false
    @OptionGroup var messages: MessageOptions

    func validate() throws {
        if let count, !(1...1_000_000).contains(count) {
            throw ValidationError("--count \(count): an integer from 1 to 1000000 is allowed")
        }
    }

    func run() throws {
        LauncherRank.leaveUnlessFirst()
        let volumes = images.map { ("images", $0) } + labels.map { ("labels", $0) }
        let given = [("classes", classes), ("augment", augment), ("seed", seed), ("max-image-pixels", maxImagePixels)]
            .compactMap { name, value in value.map { (name, $0) } }
        let configuration = try TrainingConfiguration(
            file: config, options: volumes + given + [("output", output), ("crop", crop)])
        let summary = try AugmentedPairs(configuration).write(count: count, showsOriginals: originals)
        let time = "\((summary.secondsEach * 1e4).rounded() / 10) ms"
        messages.logger().notice(
            "wrote \(summary.count) pairs and contact-sheet.png into \(output); making one took \(time) of a core")
    }
}
