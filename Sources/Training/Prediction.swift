import DataParallel
import Foundation
import Imaging
import Kernels
import Logging

/// The prediction of a whole volume: the tiles of its pages are dealt out to the ranks, and rank 0 puts them together and writes them in
/// order. Every rank holds one row of tiles of a page, rank 0 one of the result; neither pages nor volumes need to fit into memory.
public struct Prediction {
    private let options: PredictionOptions

    /// A prediction.
    public init(_ options: PredictionOptions) { self.options = options }

    /// What every rank needs to know of a checkpoint beside the parameters.
    private struct Header: Codable {
        var configuration: TrainingConfiguration
        var normalization: Normalization
        var channels: Int
        var step: Int

        init(_ checkpoint: Checkpoint) {
            configuration = checkpoint.configuration
            normalization = checkpoint.data.normalization
            channels = checkpoint.data.channels
            step = checkpoint.progress.step
        }
    }

    /// A collective. Throws on all ranks alike what one of them met (`RankError`), or `MPIError`; no output is left then.
    public func run(communicator: Communicator, logger: Logger) throws {
        let watchdog = communicator.watchdog
        try watchdog.arm(.standard, communicator: communicator)
        watchdog.enter(.startup)
        let plan = try ComputePlan(communicator: communicator, threads: options.threads)
        plan.device.threads.betweenTasks = { watchdog.worked() }
        let isRoot = communicator.rank == 0
        let loaded = try communicator.agree("reading the checkpoint") {
            isRoot ? try options.checkpoints.map { try Checkpoint(path: $0).withoutOptimizer } : []
        }
        let headers = try broadcast(loaded.map(Header.init), communicator)
        let classes = try communicator.agree("comparing the checkpoints") { try self.classes(headers) }
        let (volume, tiles) = try communicator.agree("opening the images") {
            let volume = try VolumeReader(options.images)
            return (
                volume,
                try PredictionTiles(
                    options, headers.map { try trained($0, volume, afterEachPage: watchdog.worked) }, shape: volume.shape,
                    device: plan.device)
            )
        }
        for (index, network) in tiles.inference.networks.enumerated() {
            try communicator.agree("taking over the checkpoint") {
                if isRoot { try network.restore(loaded[index], from: options.checkpoints[index]) }
            }
            try communicator.broadcast(network.parameterValues, from: 0)
        }
        let output = try communicator.agree("beginning the output") {
            isRoot ? try PredictionOutput(options, classes: classes, volume: volume, tiles: tiles) : nil
        }
        if isRoot {
            for line in plan.table { logger.notice("\(line)") }
            for warning in plan.warnings { logger.warning("\(warning)") }
            for (path, header) in zip(options.checkpoints, headers) { logger.notice("\(path), step \(header.step)") }
            if let classes { logger.notice("classes: \(classes)") }
            logger.notice("\(volume.shape), \(tiles), \((tiles.inference.memoryBytes + (output?.memoryBytes ?? 0)) >> 20) MiB a rank")
        }
        watchdog.enter(.prediction)
        try predict(volume, tiles, output, communicator, logger)
        try communicator.agree("finishing the output") { try output?.close() }
        if isRoot { logger.notice("wrote \(options.output)") }
    }

    /// Tile after tile: in each round every rank computes one, and rank 0 collects them.
    private func predict(
        _ volume: VolumeReader, _ tiles: PredictionTiles, _ output: PredictionOutput?, _ communicator: Communicator, _ logger: Logger
    ) throws {
        let total = volume.shape.pages * tiles.count, ranks = communicator.count, inference = tiles.inference
        let band = ImageBand(volume)
        // Of the page that this rank is at.
        var moments: (page: Int, values: [PixelMoments])?
        var report = ProgressReport(
            tiles.count == 1 ? "page" : "tile", from: 0, to: total, isSilent: communicator.rank != 0 || logger.logLevel > .notice)
        // What rank 0 alone meets while it collects waits here for the next time that all ranks agree.
        var failure: (any Error)?
        for first in stride(from: 0, to: total, by: ranks) {
            let round = first..<min(first + ranks, total), own = first + communicator.rank
            let pages = round.lowerBound / tiles.count...(round.upperBound - 1) / tiles.count
            let phase = pages.count == 1 ? "page \(pages.lowerBound)" : "pages \(pages.lowerBound) to \(pages.upperBound)"
            try communicator.agree("predicting \(phase)") {
                if let failure { throw failure }
                if StopRequest.received != 0 {
                    throw TrainingError(.stopped, "stopped by \(StopRequest.name(StopRequest.received)); \(options.output) was not written")
                }
                guard round.contains(own) else { return }
                let (page, tile) = own.quotientAndRemainder(dividingBy: tiles.count)
                let corner = tiles.corner(tile)
                try band.read(
                    page: page, top: corner.row, left: corner.column, height: inference.height, width: inference.width, into: inference.tile
                )
                if inference.needsPageMoments, moments?.page != page { moments = (page, try volume.moments(ofPage: page)) }
                guard inference.run(page: page, moments: moments?.values) else {
                    let place = volume.place(ofPage: page)
                    throw TrainingError(.notFinite, "\(place.path), page \(place.page): the network's output is not a finite number")
                }
            }
            if let output {
                for tile in round {
                    if tile != own { try communicator.receive(inference.probabilities, from: tile - first) }
                    do {
                        if failure == nil { try output.add(inference.probabilities) }
                    } catch { failure = error }
                    report.update(tile + 1, "")
                }
            } else if round.contains(own) {
                try communicator.send(UnsafeBufferPointer(inference.probabilities), to: 0)
            }
        }
        try communicator.agree("writing the output") { if let failure { throw failure } }
    }

    /// The classes that all networks were trained with; `nil` for foreground and background.
    private func classes(_ headers: [Header]) throws -> LabelClasses? {
        let classes = headers.map(\.configuration.classes), first = classes[0]
        if let other = classes.firstIndex(where: { $0?.classes.map(\.value) != first?.classes.map(\.value) }) {
            func text(_ classes: LabelClasses?) -> String { classes.map { "the classes \($0)" } ?? "foreground and background" }
            throw TrainingError(
                .invalid,
                "\(options.checkpoints[0]) was trained with \(text(first)), but \(options.checkpoints[other]) with \(text(classes[other]))")
        }
        try options.validate(first)
        return first
    }

    private func trained(_ header: Header, _ volume: VolumeReader, afterEachPage: () -> Void) throws -> TileInference.Trained {
        guard volume.shape.channels == header.channels else {
            throw TrainingError(
                .invalid,
                "\(options.images) has \(volume.shape.channels) channels, but \(options.checkpoints.joined(separator: ", ")) was trained on images with \(header.channels)"
            )
        }
        return TileInference.Trained(
            configuration: header.configuration, normalizer: try Normalizer(header.normalization, for: volume, afterEachPage: afterEachPage)
        )
    }

    private func broadcast(_ headers: [Header], _ communicator: Communicator) throws -> [Header] {
        let bytes = try communicator.broadcast(communicator.rank == 0 ? Array(try JSONEncoder().encode(headers)) : [], from: 0)
        return try JSONDecoder().decode([Header].self, from: Data(bytes))
    }
}

extension Checkpoint {
    /// The same without the optimizer's state, two thirds of the memory.
    fileprivate var withoutOptimizer: Checkpoint {
        var copy = self
        for index in copy.parameters.indices { copy.parameters[index].optimizerState = [:] }
        return copy
    }
}
