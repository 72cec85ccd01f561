import DataParallel
import Foundation
import Imaging
import Kernels
import Logging

/// The prediction of a whole volume: pages are dealt out to the ranks, and rank 0 writes them in order. It never holds more than one
/// page of the others.
public struct Prediction {
    private let checkpoint, images, output: String
    private let threshold: Float?
    private let threads: Int?

    /// A prediction of `images` into `output`; with a threshold, masks of 0 and 255 instead of probabilities.
    public init(checkpoint: String, images: String, output: String, threshold: Float?, threads: Int?) {
        (self.checkpoint, self.images, self.output) = (checkpoint, images, output)
        (self.threshold, self.threads) = (threshold, threads)
    }

    /// What every rank needs to know of the checkpoint beside the parameters.
    private struct Header: Codable {
        var configuration: TrainingConfiguration
        var normalization: Normalization
        var channels: Int
        var step: Int
    }

    /// A collective. Throws on all ranks alike what one of them met (`RankError`), or `MPIError`; no output is left then.
    public func run(communicator: Communicator, logger: Logger) throws {
        let plan = try ComputePlan(communicator: communicator, threads: threads)
        let isRoot = communicator.rank == 0
        let loaded = try communicator.agree("reading the checkpoint") { isRoot ? try Checkpoint(path: checkpoint) : nil }
        let header = try broadcastHeader(loaded, communicator)
        let (data, inference) = try communicator.agree("opening the images") {
            let data = try SliceDataset(images: images, labels: nil, normalization: header.normalization)
            guard data.channels == header.channels else {
                throw TrainingError(
                    .invalid, "\(images) has \(data.channels) channels, but \(checkpoint) was trained on images with \(header.channels)")
            }
            let inference = try SliceInference(
                header.configuration, channels: data.channels, height: data.height, width: data.width, device: plan.device)
            if let loaded { try inference.network.restore(loaded, from: checkpoint) }
            return (data, inference)
        }
        try communicator.broadcast(inference.network.parameterValues, from: 0)
        let writer = try communicator.agree("beginning the output") { isRoot ? try makeWriter(data) : nil }
        if isRoot {
            for line in plan.table { logger.notice("\(line)") }
            for warning in plan.warnings { logger.warning("\(warning)") }
            logger.notice(
                "\(checkpoint), step \(header.step); \(data.count) pages of \(data.width)×\(data.height), \(inference.memoryBytes >> 20) MiB a rank"
            )
        }

        var report = ProgressReport("page", from: 0, to: data.count, isSilent: !isRoot || logger.logLevel > .notice)
        for first in stride(from: 0, to: data.count, by: communicator.count) {
            let pages = first..<min(first + communicator.count, data.count)
            let own = first + communicator.rank
            try communicator.agree("predicting pages \(pages.lowerBound) to \(pages.upperBound - 1)") {
                guard pages.contains(own) else { return }
                try data.readImage(own, into: inference.image)
                inference.run()
            }
            if isRoot {
                for page in pages {
                    if page != own { try communicator.receive(inference.probabilities, from: page - first) }
                    try append(inference.probabilities, to: writer!)
                    report.update(page + 1, "")
                }
            } else if pages.contains(own) {
                try communicator.send(UnsafeBufferPointer(inference.probabilities), to: 0)
            }
        }
        try writer?.close()
        if isRoot { logger.notice("wrote \(output)") }
    }

    private func broadcastHeader(_ checkpoint: Checkpoint?, _ communicator: Communicator) throws -> Header {
        let header = checkpoint.map {
            Header(
                configuration: $0.configuration, normalization: $0.data.normalization, channels: $0.data.channels, step: $0.progress.step)
        }
        let bytes = try communicator.broadcast(header.map { Array(try JSONEncoder().encode($0)) } ?? [], from: 0)
        return try JSONDecoder().decode(Header.self, from: Data(bytes))
    }

    private func makeWriter(_ data: SliceDataset) throws -> any VolumeWriter {
        let metadata = try VolumeReader(images).metadata
        let shape = VolumeShape(pages: data.count, height: data.height, width: data.width)
        return try makeVolumeWriter(
            path: output, shape: shape, pixelType: threshold == nil ? .float32 : .uint8, metadata: metadata,
            displayRange: threshold == nil ? 0...1 : 0...255)
    }

    private func append(_ page: UnsafeMutableBufferPointer<Float>, to writer: any VolumeWriter) throws {
        if let threshold { for i in page.indices { page[i] = page[i] > threshold ? 255 : 0 } }
        try writer.append(UnsafeBufferPointer(page))
    }
}
