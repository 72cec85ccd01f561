import Foundation
import Imaging
import Interchange
import Kernels
import Model
import TestSupport
import Testing

/// A folder that is removed with its last reference.
final class TemporaryFolder {
    let path: String

    init() {
        path = NSTemporaryDirectory() + "interchange-\(UUID().uuidString)"
        try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    static func / (folder: TemporaryFolder, name: String) -> String { "\(folder.path)/\(name)" }
}

/// A network with weights that make every layer count: all parameters random, running statistics and all.
struct NetworkCase: CustomTestStringConvertible, Sendable {
    var architecture: String
    var decoder = ArchitectureOptions.Decoder.upsample
    var normalization = ArchitectureOptions.Normalization.none
    var channels = 1
    var classes = ["foreground"]

    var testDescription: String { "\(architecture)-\(decoder.rawValue)-\(normalization.rawValue)-\(channels)-\(classes.count)" }

    /// Every architecture, decoder and normalisation, images of several channels, and several classes.
    static let all: [NetworkCase] = {
        var cases = [NetworkCase(architecture: "unet-keras"), NetworkCase(architecture: "unet-keras", channels: 3)]
        for architecture in Architecture.all.map(\.name) where architecture != "unet-keras" {
            cases.append(NetworkCase(architecture: architecture))
            cases.append(NetworkCase(architecture: architecture, decoder: .transpose, normalization: .batch, channels: 2))
        }
        for normalization in ArchitectureOptions.Normalization.allCases {
            cases.append(NetworkCase(architecture: "unet", normalization: normalization, classes: ["background", "cell", "wall"]))
        }
        cases.append(NetworkCase(architecture: "unet-residual", normalization: .group))
        return cases
    }()

    /// 8 channels: at the levels below they make eight groups.
    var options: ArchitectureOptions {
        ArchitectureOptions(
            baseChannels: 8, depth: 2, decoder: decoder, normalization: normalization, outputChannels: classes.count)
    }
    var inputSize: InputSizeRule { get throws { try Architecture.named(architecture).inputSize(options) } }

    func graph(height: Int, width: Int) throws -> Node {
        try Architecture.named(architecture).graph(channels: channels, height: height, width: width, options: options)
    }

    /// Planned for two images.
    func network(height: Int, width: Int, sharing shared: Network? = nil, isRandom: Bool = true) throws -> Network {
        let network = Network(
            try graph(height: height, width: width), purpose: .inference(batch: 2), device: Device(), sharing: shared)
        guard shared == nil else { return network }
        network.initializeParameters(seed: 7)
        var random = TestRandom(seed: 1)
        for parameter in network.parameters where isRandom {
            let values = parameter.values(in: network.parameterMemory.pointer)
            let isPositive = parameter.name.hasSuffix("running_variance") || parameter.name.hasSuffix("_norm.weight")
            parameter.setValues(
                values.map { isPositive ? 1 + random.next() / 2 : $0 + random.next() / 10 }, in: network.parameterMemory.pointer)
        }
        return network
    }

    func portable(_ network: Network) throws -> PortableNetwork {
        let rule = try inputSize
        return try PortableNetwork(
            network, graph: Graph(try graph(height: rule.smallest, width: rule.smallest)),
            description: .init(
                program: "unet-mpi test", architecture: architecture, options: options, channels: channels, normalization: .divide(by: 255),
                classes: classes, step: 3), inputSize: rule)
    }
}

/// Numbers from −1 to 1 that look random.
struct TestRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> Float {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
    }
}

/// Writes a NumPy array of float32.
func writeNPY(_ values: [Float], shape: [Int], to path: String) throws {
    try Data(NPYHeader.bytes(.float32, shape: shape) + values.withUnsafeBytes { Array($0) }).write(to: URL(fileURLWithPath: path))
}

/// The program, which must end with `status`.
@discardableResult
func runProgram(_ arguments: [String], ranks: Int? = nil, status: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation) throws
    -> ProgramRun
{
    let run = try ProgramRun.run("unet-mpi", arguments, ranks: ranks, timeout: 240)
    #expect(run.status == status, "\(run)", sourceLocation: sourceLocation)
    return run
}

/// A script in `readers` that checks files, in the name of the programs that read them. Its output.
@discardableResult
func runReader(
    _ script: String, _ arguments: [String], in environment: String = Readers.usual, sourceLocation: SourceLocation = #_sourceLocation
) throws -> String {
    let run = try Readers.run(
        "readers/\(script)", arguments, in: environment, variables: ["KERAS_BACKEND": environment == Readers.usual ? "jax" : "torch"],
        timeout: 600)
    #expect(run.status == 0, "\(run)", sourceLocation: sourceLocation)
    return run.output
}

/// A volume of bright cells and dark walls with labels, and options to train a tiny network on it.
struct SmallTraining {
    let folder = TemporaryFolder()
    var images: String { folder / "images.tif" }
    var labels: String { folder / "labels.tif" }

    private let height, width: Int

    init(height: Int = 40, width: Int = 48) throws {
        (self.height, self.width) = (height, width)
        try write(images) { isWall($0, $1, $2) ? 60 : 170 + Float(($0 * 7919 + $1 * 104_729 + $2 * 1_299_709) % 61) - 30 }
        try write(labels) { isWall($0, $1, $2) ? 0 : 255 }
    }

    private func isWall(_ page: Int, _ y: Int, _ x: Int) -> Bool { (y + 3 * page) % 13 < 3 || (x + y / 4 + 5 * page) % 17 < 3 }

    private func write(_ path: String, _ value: (Int, Int, Int) -> Float) throws {
        let shape = VolumeShape(pages: 4, height: height, width: width)
        let writer = try makeVolumeWriter(path: path, shape: shape, pixelType: .uint8)
        for page in 0..<shape.pages {
            let samples = (0..<shape.height).flatMap { y in (0..<shape.width).map { x in value(page, y, x) } }
            try samples.withUnsafeBufferPointer { try writer.append($0) }
        }
        try writer.close()
    }

    /// Trains, and gives the best checkpoint.
    @discardableResult
    func train(_ output: String, steps: Int = 6, status: Int32 = 0, ranks: Int? = nil, _ more: String...) throws -> ProgramRun {
        try runProgram(
            [
                "train", "--images", images, "--labels", labels, "--output", folder / output, "--steps", "\(steps)", "--batch-size", "2",
                "--crop", "32", "--base-channels", "4", "--depth", "2", "--validation", "1", "--learning-rate", "0.001", "--threads", "1",
            ] + more, ranks: ranks, status: status)
    }

    func checkpoint(_ output: String) -> String { folder / "\(output)/checkpoints/best.h5" }

    /// The probabilities of all pages.
    func predict(_ checkpoint: String, _ name: String) throws -> [Float] {
        try runProgram(["predict", "--checkpoint", checkpoint, "--images", images, "--output", folder / name, "--threads", "1"])
        return try readVolume(folder / name)
    }
}

/// All pages of a volume, one after the other.
func readVolume(_ path: String) throws -> [Float] {
    let volume = try VolumeReader(path), count = volume.shape.channels * volume.shape.height * volume.shape.width
    var values: [Float] = []
    for page in 0..<volume.shape.pages {
        var samples = [Float](repeating: 0, count: count)
        try samples.withUnsafeMutableBufferPointer { try volume.readPage(page, into: $0) }
        values += samples
    }
    return values
}

/// The largest difference of two arrays.
func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
    a.count == b.count ? zip(a, b).map { abs($0 - $1) }.max() ?? 0 : .infinity
}
