import DataParallel
import Foundation
import Imaging
import Kernels
import Logging
import Model

extension Trainer {
    /// Opens the data and the run folder, builds the network, and goes back to the checkpoint that the run goes on from. A collective.
    ///
    /// With `writesNothing` the run folder is only read, neither made nor locked; the trainer is good for `dryRun()`, not for `run()`.
    ///
    /// Throws on all ranks alike what one of them met (`RankError`), or `MPIError`.
    public convenience init(
        _ configuration: TrainingConfiguration, communicator: Communicator, logger: Logger, writesNothing: Bool = false
    ) throws {
        ImageLimit.samples = configuration.maximumImagePixels
        try communicator.watchdog.arm(.init(end: configuration.stallTimeout.seconds), communicator: communicator)
        communicator.watchdog.enter(.startup)
        communicator.watchdog.isAskedToEnd = { StopRequest.received == SIGTERM }
        try RankComparison.run(configuration, communicator: communicator)
        let plan = try ComputePlan(communicator: communicator, threads: configuration.threads)
        let partition = try communicator.agree("sharing the batch") {
            try BatchPartition(batch: configuration.batchSize, ranks: communicator.count)
        }
        let data = try TrainingData(configuration, communicator: communicator, logger: logger)
        // What the length of the run decides must be known before the ranks compare configurations, and before it is stored.
        let configuration = try communicator.agree("reading the configuration") {
            try configuration.resolvingDecaySteps(epochLength: data.stream.epochLength)
        }.hashingInitialWeights(communicator)
        let start = try Start(configuration, communicator: communicator, logger: logger, writesNothing: writesNothing)
        try self.init(configuration, data: data, start: start, plan: plan, partition: partition, communicator: communicator, logger: logger)
    }

    /// Shows what the run is going to be, from rank 0: hosts, threads, memory, batch, traffic, and what is wrong with the placement.
    public func announce() {
        guard communicator.rank == 0 else { return }
        if let deadline = time.deadline {
            let end = Date(timeIntervalSince1970: deadline).formatted(.iso8601)
            logger.notice("to be done by \(end) (\(time.origin)); the run saves and ends before")
        }
        if let request = folder?.halt.request() {
            logger.notice("unet-mpi stop has asked this run to end \(request.text) (delete \(configuration.output)/halt to take that back)")
        }
        if let resumedFrom { logger.notice("going on from \(resumedFrom)") }
        for line in outline { logger.notice("\(line)") }
        warnOfPlacement()
    }

    /// What is wrong with hosts, threads and libraries.
    func warnOfPlacement() {
        for warning in plan.warnings { logger.warning("\(warning)") }
        logger.debug("OpenBLAS core: \(OpenBLAS.coreName)")
        // Only the direct method spends its time there.
        if configuration.convolutionMethod == .direct, let warning = OpenBLAS.warning { logger.warning("\(warning)") }
    }

    /// Hosts, threads, network, memory, batch, traffic, samples, steps.
    var outline: [String] {
        let parts = (0..<communicator.count).map { partition.range(of: $0).count }
        let share = Set(parts).count == 1 ? "\(parts[0]) a rank" : "\(parts.max()!) or \(parts.min()!) a rank"
        let traffic = (0..<communicator.count).map { reducer.traffic(of: $0) }.max()!
        let memory = plannedMemory
        let promise =
            configuration.reductionMethod == .reproducible || communicator.count == 1
            ? "" : ", \(configuration.reduction): other bits at another number of ranks"
        let shape = network.inputShape
        let verified = verification == nil ? "" : ", gradients verified every \(configuration.verifyEvery) steps"
        return plan.table
            + [
                "\(configuration.architecture): \(network.parameterCount) parameters, samples of \(shape.height)×\(shape.width), \(memory >> 20) MiB a rank",
                configuration.classes.map { "classes: \($0)" },
                "batch of \(configuration.batchSize): \(share)\(configuration.accumulate > 1 ? " in \(configuration.accumulate) parts" : ""); "
                    + "\(traffic >> 10) KiB of gradients sent a step by the busiest rank\(promise)",
                reducer.sharedMemoryProblem.map {
                    "gradients go through MPI although all ranks are on one host, as they cannot share memory: \($0)"
                },
                "\(stream.slices) slices × \(stream.cropsPerSlice) = \(stream.epochLength) samples an epoch, "
                    + (validation == nil ? "no validation" : "validation every \(configuration.validateEvery) steps") + verified,
                "step \(progress.step) of \(totalSteps) done, checkpoints every \(configuration.checkpointEvery) steps in \(configuration.output)",
            ].compactMap { $0 }
    }
}

extension Trainer {
    /// Bytes that this rank's arenas take.
    private var plannedMemory: Int { trainingStep.memoryBytes + (validation?.memoryBytes ?? 0) + batch.memoryBytes }

    /// What this start found, for the history.
    var runStart: RunStart {
        RunStart(
            resumedFrom: progress.step > 0 ? resumedFrom : nil, programVersion: programVersion,
            ranks: plan.hosts.indices.map {
                RunStart.Rank(
                    host: plan.hosts[$0], threads: plan.threads[$0], processors: plan.placements[$0].processorList,
                    hostProcessors: plan.placements[$0].hostProcessors)
            }, instructionSet: "\(plan.device.instructionSet)", parameters: network.parameterCount, memoryMebibytes: plannedMemory >> 20,
            slices: stream.slices, samplesPerEpoch: stream.epochLength, validationSlices: validation?.dataset.count ?? 0,
            totalSteps: totalSteps, warnings: plan.warnings, previews: validation?.previewSlices ?? [Shown.sample])
    }
}

/// The slices to train on and to validate on, opened by every rank.
package struct TrainingData {
    package let loader: SampleLoader
    package let stream: SampleStream
    package let validation: SliceDataset?
    let description: Checkpoint.DataDescription

    /// A collective.
    package init(_ configuration: TrainingConfiguration, communicator: Communicator, logger: Logger) throws {
        // Going through a large volume takes longer than a rank may be silent.
        let worked = communicator.watchdog.worked
        let (training, validation, loader) = try communicator.agree("opening the data") {
            let cacheBytes = configuration.cacheMebibytes << 20
            let whole = try SliceDataset(
                images: configuration.images, labels: configuration.labels, classes: configuration.classes,
                normalization: configuration.normalizationRule, cacheBytes: cacheBytes, afterEachPage: worked)
            guard configuration.validation < whole.count else {
                throw TrainingError(
                    .usage,
                    "--validation \(configuration.validation): \(configuration.images) has \(whole.count) slices, and at least one must be left to train on"
                )
            }
            if let fold = configuration.fold, fold.count > whole.count {
                throw TrainingError(.usage, "--fold \(fold): \(configuration.images) has only \(whole.count) slices")
            }
            let heldOut = configuration.fold?.validation(of: whole.count) ?? (whole.count - configuration.validation)..<whole.count
            var training = whole, validation: SliceDataset?
            if !heldOut.isEmpty {
                training = try SliceDataset(
                    images: configuration.images, labels: configuration.labels, classes: configuration.classes,
                    pages: (0..<whole.count).filter { !heldOut.contains($0) }, normalization: whole.normalization, cacheBytes: cacheBytes,
                    afterEachPage: worked)
                validation = try SliceDataset(
                    images: configuration.images, labels: configuration.labels, classes: configuration.classes, pages: Array(heldOut),
                    normalization: training.normalization, cacheBytes: cacheBytes, afterEachPage: worked)
            } else if let images = configuration.validationImages {
                validation = try SliceDataset(
                    images: images, labels: configuration.validationLabels, classes: configuration.classes,
                    normalization: training.normalization, cacheBytes: cacheBytes, afterEachPage: worked)
                if validation!.channels != training.channels {
                    throw TrainingError(
                        .invalid, "\(images) has \(validation!.channels) channels, but \(configuration.images) has \(training.channels)")
                }
            }
            let loader = try SampleLoader(
                dataset: training, augmentation: configuration.augment, crop: configuration.crop,
                margin: configuration.inputSize.margin, seed: configuration.seed)
            try configuration.validate(
                (loader.sampleHeight, loader.sampleWidth), what: "--crop full: \(configuration.images) is \(training.images.shape)")
            return (training, validation, loader)
        }
        // Every rank opened files of these names; whether they are the same files on all hosts shows in their shapes, cheaply.
        let shape = "\(training.count) slices of \(training.width)×\(training.height)×\(training.channels)"
        let shapes = try communicator.allGather(shape)
        if let other = shapes.firstIndex(where: { $0 != shapes[0] }) {
            let text = "\(configuration.images): \(shapes[0]) on rank 0, but \(shapes[other]) on rank \(other)"
            try communicator.agree("comparing the data") { throw TrainingError(.invalid, text) }
        }
        // Reading every page is for one rank, which tells the others what follows from it.
        let (text, found) = try communicator.agree("reading the data") { () -> (String, [Float]) in
            guard communicator.rank == 0 else { return ("", []) }
            // Labels of their own are to be found bad before the first validation.
            let labelled = [training, configuration.validationImages == nil ? nil : validation].compactMap { $0 }
            for warning in try labelled.flatMap({ try $0.labelWarnings(afterEachPage: worked) }) { logger.warning("\(warning)") }
            return (try training.fingerprint(afterEachPage: worked), try labelled.compactMap { try $0.foregroundThreshold() })
        }
        let fingerprint = try communicator.broadcast(Array(text.utf8), from: 0)
        let thresholds = try communicator.broadcast(found, from: 0)
        if let first = thresholds.first, let last = thresholds.last {
            training.take(foregroundThreshold: first)
            validation?.take(foregroundThreshold: last)
        }
        description = Checkpoint.DataDescription(
            fingerprint: String(decoding: fingerprint, as: UTF8.self), normalization: training.normalization, channels: training.channels)
        stream = SampleStream(slices: training.count, cropsPerSlice: configuration.cropsPerSlice, seed: configuration.seed)
        self.loader = loader
        self.validation = validation
    }
}

/// Where a run begins: rank 0's run folder, and the checkpoint that it goes on from.
struct Start {
    /// Rank 0's alone.
    let folder: RunFolder?
    /// Rank 0's alone; the others get what they need of it by `Trainer.init`.
    let checkpoint: (Checkpoint, path: String)?

    /// A collective. With `writesNothing` there is no run folder.
    init(_ configuration: TrainingConfiguration, communicator: Communicator, logger: Logger, writesNothing: Bool) throws {
        (folder, checkpoint) = try communicator.agree("opening the run folder") {
            guard communicator.rank == 0 else { return (nil, nil) }
            if writesNothing {
                let store = CheckpointStore(folder: "\(configuration.output)/checkpoints", keep: configuration.keep)
                let exists = FileManager.default.fileExists(atPath: store.folder)
                let attempts = ResumeAttempts(folder: configuration.output)
                return (nil, try Self.checkpoint(configuration, exists ? store : nil, attempts.refusal, logger))
            }
            let folder = try RunFolder(path: configuration.output, keep: configuration.keep)
            return (folder, try Self.checkpoint(configuration, folder.checkpoints, folder.resumeAttempts.refusal, logger))
        }
    }

    private static func checkpoint(
        _ configuration: TrainingConfiguration, _ store: CheckpointStore?, _ refusal: (_ step: Int) -> String?, _ logger: Logger
    ) throws -> (Checkpoint, path: String)? {
        if configuration.resume == .never {
            if try store?.steps().isEmpty == false {
                throw TrainingError(
                    .usage, "--resume never: \(configuration.output) already holds checkpoints; choose another --output, or --resume auto")
            }
            return nil
        }
        if let found = try store?.newest(refusal: refusal) {
            for warning in found.warnings { logger.warning("\(warning)") }
            return (found.checkpoint, found.path)
        }
        guard case .checkpoint(let path) = configuration.resume else { return nil }
        return (try Checkpoint(path: path), path)
    }

    /// Stops with the list of what changed, unless the user accepts it.
    static func compare(
        _ configuration: TrainingConfiguration, _ data: Checkpoint.DataDescription, with old: Checkpoint, _ path: String, _ logger: Logger
    ) throws {
        var changes = configuration.differences(from: old.configuration)
        if data.channels != old.data.channels { changes.append("channels of the images: \(data.channels), was \(old.data.channels)") }
        if data.normalization != old.data.normalization {
            changes.append("normalization: \(data.normalization), was \(old.data.normalization)")
        }
        if data.fingerprint != old.data.fingerprint { changes.append("the pixels of \(configuration.images) or \(configuration.labels)") }
        if changes.isEmpty { return }
        let list = changes.joined(separator: "; ")
        guard configuration.acceptChanges else {
            throw TrainingError(
                .usage,
                "\(path) was made with other settings, so going on would not give the same network. Changed: \(list). To go on all the same add --accept-changes; to start anew choose another --output"
            )
        }
        logger.warning("going on in spite of changes: \(list)")
    }
}

extension TrainingConfiguration {
    /// `imageNormalization` as a dataset takes it; nil for what is usual for the type of the images.
    var normalizationRule: Normalization? {
        switch imageNormalization {
        case "slice": .slice
        case "volume": .volume
        default: nil
        }
    }
}
