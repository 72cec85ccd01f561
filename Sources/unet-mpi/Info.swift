import ArgumentParser
import Foundation
import Imaging
import Kernels
import Model
import Training

/// `unet-mpi info`
struct Info: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tells what is in a volume or a checkpoint, or what a network is made of.",
        discussion: """
            unet-mpi info train-volume.tif
            unet-mpi info runs/isbi/checkpoints/best.h5 --json
            unet-mpi info --architecture unet-keras --base-channels 64 --crop 256

            Two checkpoints hold the same network if and only if their parameters_sha256 are equal.
            """)

    @Argument(help: "Volume or checkpoint.", completion: .file()) var path: String?
    @Flag(help: "One JSON object instead of text.") var json = false
    @OptionGroup var limit: ImageLimitOptions
    @Option(help: ArgumentHelp("Print the layers of this network instead.", valueName: Architecture.all.map(\.name).joined(separator: "|")))
    var architecture: String?
    @Option(help: ArgumentHelp("Channels of the network's first level; each level below has twice as many.", valueName: "N"))
    var baseChannels = 64
    @Option(help: ArgumentHelp("Poolings from the first level to the deepest.", valueName: "N")) var depth = 4
    @Option(
        help: ArgumentHelp(
            "How the way up enlarges: nearest-neighbour upsampling and a 2x2 convolution, or a transposed 2x2 convolution.",
            valueName: "upsample|transpose"))
    var decoder = ArchitectureOptions.Decoder.upsample
    @Option(help: ArgumentHelp("What lies between a convolution and its ReLU.", valueName: "none|group|instance|batch"))
    var norm = ArchitectureOptions.Normalization.none
    @Option(help: ArgumentHelp("Channels of the images.", valueName: "N")) var channels = 1
    @Option(help: ArgumentHelp("Size of the images in pixels: a side, or height x width.", valueName: "N|HxW")) var crop = "256"

    func validate() throws {
        if (path == nil) == (architecture == nil) { throw ValidationError("give either a file or --architecture") }
        if json && architecture != nil { throw ValidationError("--json is for files") }
        guard let crop = Crop(crop), crop != .full else {
            throw ValidationError("--crop \(crop): a side as in 256, or height x width as in 192x256 is allowed")
        }
        for (name, value, range) in [("base-channels", baseChannels, 1...1024), ("depth", depth, 1...8), ("channels", channels, 1...1024)]
        where !range.contains(value) {
            throw ValidationError("--\(name) \(value): an integer from \(range.lowerBound) to \(range.upperBound) is allowed")
        }
    }

    func run() throws {
        LauncherRank.leaveUnlessFirst()
        if let architecture {
            let (height, width) = Crop(crop)!.size(height: 0, width: 0)
            let graph = try Architecture.named(architecture).graph(
                channels: channels, height: height, width: width,
                options: ArchitectureOptions(baseChannels: baseChannels, depth: depth, decoder: decoder, normalization: norm))
            print(Network(graph, purpose: .inference(batch: 1), device: Device()).table)
        } else if let path {
            let fields = try Checkpoint.isCheckpoint(path: path) ? describe(Checkpoint(path: path)) : describe(VolumeReader(path))
            if json {
                print("{" + fields.map { "\"\($0.name)\": \($0.value.json)" }.joined(separator: ", ") + "}")
            } else {
                let width = fields.map(\.name.count).max()! + 2
                for field in fields {
                    let lines = field.value.text.split(separator: "\n", omittingEmptySubsequences: false)
                    print(
                        field.name.replacingOccurrences(of: "_", with: " ").padding(toLength: width, withPad: " ", startingAt: 0)
                            + (lines.first ?? ""))
                    for line in lines.dropFirst() { print(String(repeating: " ", count: width) + line) }
                }
            }
        }
    }

    private enum Value {
        case text(String)
        case number(String)
        case texts([String])

        var text: String {
            switch self {
            case .text(let text), .number(let text): text
            case .texts(let texts): texts.joined(separator: "\n")
            }
        }

        var json: String {
            switch self {
            case .number(let text): text
            case .text(let text): Self.quoted(text)
            case .texts(let texts): "[" + texts.map(Self.quoted).joined(separator: ", ") + "]"
            }
        }

        private static func quoted(_ text: String) -> String {
            String(decoding: (try? JSONEncoder().encode(text)) ?? Data(), as: UTF8.self)
        }
    }

    private typealias Field = (name: String, value: Value)

    private func describe(_ volume: VolumeReader) -> [Field] {
        var fields: [Field] = [
            ("kind", .text("volume")), ("pages", .number("\(volume.shape.pages)")), ("height", .number("\(volume.shape.height)")),
            ("width", .number("\(volume.shape.width)")), ("channels", .number("\(volume.shape.channels)")),
            ("type", .text(volume.pixelType.rawValue)),
        ]
        let metadata = volume.metadata
        for (name, value) in [
            ("pixel_width", metadata.pixelWidth), ("pixel_height", metadata.pixelHeight), ("z_spacing", metadata.zSpacing),
        ] {
            if let value { fields.append((name, .number("\(value)"))) }
        }
        if let unit = metadata.unit { fields.append(("unit", .text(unit.printableLine))) }
        return fields
    }

    private func describe(_ checkpoint: Checkpoint) -> [Field] {
        var fields: [Field] = [
            ("kind", .text("checkpoint")), ("step", .number("\(checkpoint.progress.step)")),
            ("position", .number("\(checkpoint.progress.position)")),
            ("architecture", .text(checkpoint.configuration.architecture)),
            ("parameters", .number("\(checkpoint.parameters.map(\.values.count).reduce(0, +))")),
            ("parameters_sha256", .text(checkpoint.parametersHash)), ("optimizer_sha256", .text(checkpoint.optimizerHash)),
            ("data_fingerprint", .text(checkpoint.data.fingerprint)),
            ("configuration_fingerprint", .text(checkpoint.configuration.fingerprint)),
        ]
        if let classes = checkpoint.configuration.classes {
            fields.append(("classes", .texts(classes.classes.map { "\($0.name)=\($0.value)" })))
            if let ignored = classes.ignored { fields.append(("ignored_label", .number("\(ignored)"))) }
        }
        if let best = checkpoint.progress.best {
            fields += [("best_score", .number("\(best.score)")), ("best_step", .number("\(best.step)"))]
        }
        fields += checkpoint.metrics.sorted { $0.key < $1.key }.map { ($0.key, .number("\($0.value)")) }
        fields.append(("layers", .texts(checkpoint.parameters.map { "\($0.name) \($0.shape)" })))
        if !json { fields.append(("configuration", .text(checkpoint.configuration.yaml))) }
        return fields
    }
}

extension ArchitectureOptions.Decoder: ExpressibleByArgument {}
extension ArchitectureOptions.Normalization: ExpressibleByArgument {}
