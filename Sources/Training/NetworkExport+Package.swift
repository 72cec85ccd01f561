import Foundation
import Imaging
import Interchange
import Kernels
import Logging
import Model

/// What a package of the BioImage Model Zoo says beside what the run tells; nothing has to be given.
public struct PackageOptions: Sendable {
    /// Title; `nil` is made of architecture and run.
    public var name: String?
    /// What the network is for; `nil` is made of the run.
    public var description: String?
    /// Who has made it; if empty, who runs the program.
    public var authors: [String]
    /// As SPDX calls it.
    public var license: String
    /// A volume whose first page the test is made of; `nil`: the run's first validation slice.
    public var sample: VolumePaths?

    /// Options from their parts.
    public init(
        name: String? = nil, description: String? = nil, authors: [String] = [], license: String = "CC-BY-4.0", sample: VolumePaths? = nil
    ) {
        (self.name, self.description, self.authors, self.license, self.sample) = (name, description, authors, license, sample)
    }
}

extension NetworkExport {
    /// The longest side of the image that a package is tested with, in pixels.
    private static let testSide = 256

    func writePackage(_ network: PortableNetwork, _ checkpoint: Checkpoint, _ path: String, _ logger: Logger) throws {
        let configuration = checkpoint.configuration
        let sample = try sample(checkpoint), rule = network.inputSize
        let (input, normalized) = (sample.tensor, sample.normalized)
        let height = input.shape[2], width = input.shape[3]
        let graph = try Network.graph(configuration, channels: checkpoint.data.channels, height: height, width: width)
        let inference = Network(
            graph, purpose: .inference(batch: 1), device: Device(), convolution: configuration.convolutionMethod)
        try inference.restore(checkpoint, from: path)
        normalized.withUnsafeBufferPointer { inference.setInput(sample: 0, $0.baseAddress!) }
        inference.forward()
        let shape = inference.outputShape
        var probabilities = [Float](repeating: 0, count: shape.channels * shape.height * shape.width)
        probabilities.withUnsafeMutableBufferPointer { inference.probabilities(sample: 0, into: $0.baseAddress!) }
        guard probabilities.allSatisfy(\.isFinite) else {
            throw TrainingError(.notFinite, "\(path): the network's output for \(sample.place) is not a finite number")
        }
        // Half of what neighbouring tiles of a prediction share, where the test leaves room for it.
        let halo = rule.margin > 0 ? 0 : min(4 << configuration.depth, (min(height, width) - rule.multiple) / 2)
        let name = validName(package.name ?? "\(configuration.architecture) \(runName(path))")
        let content = BioImagePackage(
            name: name,
            description: package.description
                ?? "A U-Net that tells \(configuration.classes.map { $0.names.joined(separator: ", ") } ?? "foreground and background") apart, trained with unet-mpi",
            authors: package.authors.isEmpty ? [userName] : package.authors, license: package.license,
            training: [
                "Images: \(fileNames(configuration.images)), labels: \(fileNames(configuration.labels)); loss \(configuration.loss), optimizer \(configuration.optimizer), "
                    + "learning rate \(configuration.learningRate), batches of \(configuration.batchSize), crops of \(configuration.crop), seed \(configuration.seed)."
            ],
            scores: scores(checkpoint), input: input,
            output: .init(type: .float32, shape: [1, shape.channels, shape.height, shape.width], values: probabilities), halo: halo,
            cover: try cover(input, probabilities, shape))
        try content.write(network, to: output)
        logger.notice("test image: \(height)×\(width) pixels of \(sample.place)")
    }

    /// A part of an image, as it is and as the network wants it.
    private struct Sample {
        let tensor: BioImagePackage.TestTensor
        let normalized: [Float]
        let place: String
    }

    /// The middle of the first validation slice of the run, or of what was asked for.
    private func sample(_ checkpoint: Checkpoint) throws -> Sample {
        let configuration = checkpoint.configuration
        let images = package.sample ?? configuration.validationImages ?? configuration.images
        guard !images.isEmpty else {
            throw TrainingError(.usage, "the checkpoint was imported and names no images: give an image to test the package with, --sample")
        }
        let volume: VolumeReader
        do {
            volume = try VolumeReader(images)
        } catch let error as ImagingError where package.sample == nil {
            throw TrainingError(
                .missing,
                "\(error); the package needs an image to be tested with: run the command where the training ran, or give one with --sample")
        }
        guard volume.shape.channels == checkpoint.data.channels else {
            throw TrainingError(
                .invalid, "\(images) has \(volume.shape.channels) channels, the network was trained on \(checkpoint.data.channels)")
        }
        var page = 0
        if package.sample == nil && configuration.validationImages == nil {
            let count = volume.shape.pages
            page = configuration.fold?.validation(of: count).lowerBound ?? (count - max(configuration.validation, 0)) % count
        }
        let rule = try configuration.inputSize, place = volume.place(ofPage: page)
        guard let height = rule.atMost(min(max(Self.testSide, rule.smallest), volume.shape.height)),
            let width = rule.atMost(min(max(Self.testSide, rule.smallest), volume.shape.width))
        else {
            throw TrainingError(
                .invalid,
                "\(images): \(volume.shape.width)×\(volume.shape.height) pixels are too few for the network, whose smallest image has \(rule.smallest) on a side; give another with --sample"
            )
        }
        var samples = [Float](repeating: 0, count: volume.shape.channels * volume.shape.height * volume.shape.width)
        try samples.withUnsafeMutableBufferPointer { try volume.readPage(page, into: $0) }
        let top = (volume.shape.height - height) / 2, left = (volume.shape.width - width) / 2
        var values: [Float] = []
        for channel in 0..<volume.shape.channels {
            for y in top..<top + height {
                let start = (channel * volume.shape.height + y) * volume.shape.width + left
                values += samples[start..<start + width]
            }
        }
        // Of the type that the network computes in: the zoo's readers bring the normalised values back to the type of the test image.
        return Sample(
            tensor: .init(type: .float32, shape: [1, volume.shape.channels, height, width], values: values),
            normalized: normalized(values, channels: volume.shape.channels, checkpoint.data.normalization),
            place: "\(place.path), page \(place.page)")
    }

    /// A test image is a volume of its own.
    private func normalized(_ values: [Float], channels: Int, _ normalization: Normalization) -> [Float] {
        if case .divide(let divisor) = normalization { return values.map { $0 / divisor } }
        let plane = values.count / channels
        return (0..<channels).flatMap { channel -> [Float] in
            let part = values[channel * plane..<(channel + 1) * plane].map(Double.init)
            let mean = part.reduce(0, +) / Double(plane)
            let deviation = (part.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(plane)).squareRoot()
            return part.map { Float(deviation > 0 ? ($0 - mean) / deviation : 0) }
        }
    }

    /// The image, its grey values stretched, beside the probability of the foreground, or of the last class.
    private func cover(_ input: BioImagePackage.TestTensor, _ probabilities: [Float], _ shape: NodeShape) throws -> [UInt8] {
        let height = input.shape[2], width = input.shape[3], side = max(height, width)
        let image = input.values.prefix(height * width), low = image.min()!, span = max(image.max()! - low, .leastNormalMagnitude)
        var canvas = Canvas(width: 2 * side, height: side)
        canvas.draw(grey: image.map { ($0 - low) / span }, width: width, x: (side - width) / 2, y: (side - height) / 2)
        canvas.draw(
            grey: Array(probabilities.suffix(shape.height * shape.width)), width: shape.width, x: side + (side - shape.width) / 2,
            y: (side - shape.height) / 2)
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("cover-\(UUID().uuidString).png").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try canvas.write(to: path)
        return try SystemFiles().readAll(path)
    }

    private func scores(_ checkpoint: Checkpoint) -> [String] {
        let metrics = checkpoint.metrics.filter { $0.key.hasPrefix("validation") }.sorted { $0.key < $1.key }
        return metrics.isEmpty
            ? ["Nothing was held out for validation in training."]
            : metrics.map { "- \($0.key.replacingOccurrences(of: "_", with: " ")): \(fixed($0.value, 4))" }
    }

    /// The run's folder, or the checkpoint's name.
    private func runName(_ path: String) -> String {
        let parts = path.split(separator: "/").map(String.init)
        if parts.count >= 3, parts[parts.count - 2] == "checkpoints" { return parts[parts.count - 3] }
        return ((path as NSString).lastPathComponent as NSString).deletingPathExtension
    }

    private func fileNames(_ volumes: VolumePaths) -> String {
        volumes.isEmpty ? "unknown" : volumes.paths.map { ($0 as NSString).lastPathComponent }.joined(separator: ", ")
    }

    /// Letters, digits, blanks and a few signs, at least five and at most 128, as the format wants them.
    private func validName(_ text: String) -> String {
        let name = String(text.map { $0.isASCII && ($0.isLetter || $0.isNumber || "_+- ()".contains($0)) ? $0 : "-" }.prefix(128))
        return name.count < 5 ? "unet-mpi \(name)" : name
    }

    /// The name that the system has for who runs the program.
    private var userName: String {
        let name = NSFullUserName().isEmpty ? NSUserName() : NSFullUserName()
        return name.isEmpty ? "unknown" : name.replacingOccurrences(of: "/", with: "-")
    }
}
