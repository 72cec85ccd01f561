import DataParallel
import Foundation
import Imaging
import Kernels
import Logging
import Model

/// The training of one network by all ranks together.
///
///     volume → slices → sampler → augmentation → batch → forward → loss → backward → allreduce → optimizer → checkpoint
///
/// Configuration, seed and global batch decide the bits of the parameters after every step; the number of ranks and threads, and
/// kills in between, do not.
public final class Trainer {
    /// How `run` ended.
    public enum Outcome: Equatable, Sendable {
        /// All steps are done.
        case finished
        /// A signal asked to stop, or the time was over; the state is saved, and the run is to go on.
        case stopped
        /// The run folder asked for the end (`HaltRequest`); the state is saved.
        case halted
    }

    let configuration: TrainingConfiguration
    let communicator: Communicator
    let logger: Logger
    let plan: ComputePlan
    /// Rank 0's alone.
    let folder: RunFolder?
    var records: RunRecords?
    /// Rank 0's alone: what there is to show of a step.
    var shown: Shown?
    /// The checkpoint that the run goes on from; rank 0's alone.
    let resumedFrom: String?
    let data: Checkpoint.DataDescription
    let stream: SampleStream
    let partition: BatchPartition
    let trainingStep: TrainingStep
    let batch: SampleBatch
    /// Where gradients are computed twice now and then.
    private(set) var verification: GradientVerification?
    let validation: Validation?
    var progress: TrainingProgress
    var metrics: [String: Double] = [:]
    /// Rank 0's is the one that counts.
    var time: TimeKeeper
    var collapse: CollapseDetector
    /// Steps skipped in a row.
    var skippedInARow = 0

    var network: Network { trainingStep.network }
    var optimizer: any Optimizer { trainingStep.optimizer }
    var reducer: GradientReducer { trainingStep.reducer }

    init(
        _ configuration: TrainingConfiguration, data: TrainingData, start: Start, plan: ComputePlan, partition: BatchPartition,
        communicator: Communicator, logger: Logger
    ) throws {
        (self.configuration, self.plan, self.partition, self.communicator, self.logger) = (
            configuration, plan, partition, communicator, logger
        )
        self.data = data.description
        stream = data.stream
        folder = start.folder
        let trainingStep = try TrainingStep(
            configuration, channels: data.description.channels, height: data.loader.sampleHeight, width: data.loader.sampleWidth,
            plan: plan,
            partition: partition, communicator: communicator)
        let network = trainingStep.network
        self.trainingStep = trainingStep
        batch = SampleBatch(loader: data.loader, network: network, borderWeights: configuration.borderWeights)
        validation = try communicator.agree("building the network for validation") {
            try data.validation.map {
                try Validation(
                    configuration, dataset: $0, sharing: network, average: trainingStep.average?.memory, communicator: communicator)
            }
        }
        let now = Date().timeIntervalSince1970
        time = TimeKeeper(
            configuration.timeLimit, checkpointBytes: 12 * network.arenaCount, now: now, age: processAge() ?? 0,
            grant: { BatchSystem.grantOfThisJob })
        collapse = CollapseDetector(comparesEntropy: configuration.isPlainCrossEntropy)
        resumedFrom = start.checkpoint?.path
        progress = try Self.restore(start, trainingStep, communicator) { checkpoint, path in
            try Start.compare(configuration, data.description, with: checkpoint, path, logger)
        }
        if progress.step == 0 {
            network.initializeParameters(seed: configuration.seed)
            try loadInitialWeights()
            trainingStep.average?.start(at: network.parameterMemory.pointer)
        }
        if configuration.verifyEvery > 0 {
            if let obstacle = try GradientVerification.obstacle(communicator: communicator) {
                if communicator.rank == 0 { logger.warning("--verify-every \(configuration.verifyEvery) is left out: \(obstacle)") }
            } else {
                verification = GradientVerification(
                    every: configuration.verifyEvery, start: progress.step, configuration: configuration, trainingStep: trainingStep,
                    data: data, partition: partition, communicator: communicator)
            }
        }
        metrics = start.checkpoint?.0.metrics ?? [:]
        try folder?.write(configuration)
        records = try folder.map {
            try RunRecords(
                folder: $0, configuration: configuration, step: progress.step, start: runStart, host: communicator.hostName)
        }
        network.device.threads.betweenTasks = { [watchdog = communicator.watchdog] in watchdog.worked() }
    }

    /// Puts network and optimizer into the state of the checkpoint, if there is one: rank 0 has read it.
    private static func restore(
        _ start: Start, _ trainingStep: TrainingStep, _ communicator: Communicator, check: (Checkpoint, String) throws -> Void
    ) throws -> TrainingProgress {
        let (network, optimizer, average) = (trainingStep.network, trainingStep.optimizer, trainingStep.average)
        guard try communicator.broadcast(start.checkpoint == nil ? 0 : 1, from: 0) == 1 else { return TrainingProgress() }
        var text: [UInt8] = []
        try communicator.agree("taking over the checkpoint") {
            guard let (checkpoint, path) = start.checkpoint else { return }
            try network.restore(checkpoint, from: path, into: optimizer, average: average)
            try check(checkpoint, path)
            text = Array(try JSONEncoder().encode(checkpoint.progress))
        }
        for buffer in [network.parameterValues] + optimizer.state.map(\.values) + (average.map { [$0.memory.buffer] } ?? []) {
            try communicator.broadcast(buffer, from: 0)
        }
        let progress = try JSONDecoder().decode(TrainingProgress.self, from: Data(communicator.broadcast(text, from: 0)))
        optimizer.step = progress.updates
        return progress
    }

    /// Updates in all.
    public var totalSteps: Int {
        if let steps = configuration.steps { return steps }
        let remaining = max(0, (configuration.epochs ?? 0) * stream.epochLength - progress.position)
        return progress.step + (remaining + configuration.batchSize - 1) / configuration.batchSize
    }

    /// Trains until all steps are done or a signal asks to stop; a collective.
    ///
    /// Throws on all ranks alike what one of them met (`RankError`), or `MPIError`. The run folder then holds the last checkpoint.
    public func run() throws -> Outcome {
        do {
            return try train()
        } catch {
            // The error that ends the run is the one to tell; the history may be what could not be written.
            try? records?.note(.failure, step: progress.step, "\(error)")
            throw error
        }
    }

    private func train() throws -> Outcome {
        let total = totalSteps
        if progress.step >= total {
            logger.notice("finished already: \(progress.step) of \(total) steps are done; a larger --steps or --epochs goes on")
            try records?.note(.finish, step: progress.step)
            return .finished
        }
        if let earlyEnd {
            logger.notice("finished already: stopped early after step \(progress.step) of \(total): \(earlyEnd)")
            try records?.note(.finish, step: progress.step, "stopped early, \(earlyEnd)")
            return .finished
        }
        try communicator.agree("beginning the run") {
            if resumedFrom != nil, progress.step > 0 { try folder?.resumeAttempts.begin(from: progress.step) }
        }
        // Not reached by a run that dies.
        defer { try? folder?.resumeAttempts.end() }
        let local = partition.range(of: communicator.rank)
        var report = ProgressReport("step", from: progress.step, to: total, isSilent: communicator.rank != 0 || logger.logLevel > .notice)
        if let age = processAge() { logger.debug("the first step begins \(fixed(age, 2)) s after the start of the process") }
        while progress.step < total {
            var clock = StepClock()
            let step = progress.step + 1
            time.stepEnded(Date().timeIntervalSince1970)
            let replay = try verification?.replay(step: step, position: progress.position)
            clock.mark(\.checks)
            communicator.watchdog.enter(.input, step: step)
            try communicator.agree("reading the samples of step \(step)") {
                try batch.load(local.map { stream.sample(at: progress.position + $0) })
            }
            clock.mark(\.inputWait)
            if step < total { batch.prepare(local.map { stream.sample(at: progress.position + configuration.batchSize + $0) }) }
            let outcome = try trainingStep.evaluate(
                step: step, position: progress.position, signal: stopReason, clock: &clock)
            if showsSample(at: step, of: total) { keepSample(step) }
            var fault = try outcome.isFinite ? nil : faultOfLoss(step, outcome)
            let verify = replay.map { replay in
                { [position = progress.position] (own: UInt64) in
                    try self.verification!.compare(replay, own: own, step: step, position: position)
                }
            }
            if fault == nil, try !trainingStep.differentiate(position: progress.position, clock: &clock, verify: verify) {
                fault = try faultOfGradient(step)
            }
            if fault == nil {
                try checkForCollapse(step, outcome)
                trainingStep.update(clock: &clock)
            }

            progress.step = step
            progress.position += configuration.batchSize
            if let fault {
                try skip(because: fault, &report, total)
            } else {
                progress.lossSum += outcome.loss
                skippedInARow = 0
                try record(outcome, clock, &report, total)
            }
            let isLast = step == total, stops = outcome.signal != 0
            if let validation, isLast || step % configuration.validateEvery == 0 || scoresSegments(at: step, of: total) {
                try validate(validation, segments: scoresSegments(at: step, of: total))
            }
            try records?.endStep()
            let earlyEnd = earlyEnd, ends = isLast || stops || earlyEnd != nil
            if ends || step % configuration.checkpointEvery == 0 { try save(stops: stops && !isLast) }
            if isLast {
                try records?.note(.finish, step: step)
            } else if let earlyEnd {
                try records?.note(.finish, step: step, "stopped early, \(earlyEnd)")
            } else if stops {
                try records?.note(.stop, step: step, StopRequest.name(outcome.signal))
            }
            try draw(isLast: ends)
            if let earlyEnd, !isLast {
                logger.notice("stopped early after step \(step) of \(total): \(earlyEnd)")
                removeHalt()
                return .finished
            }
            if stops && !isLast {
                logger.notice(
                    "stopped by \(StopRequest.name(outcome.signal)) after step \(step) of \(total), saved; the same command goes on")
                tellSkipped()
                guard outcome.signal == StopRequest.halt else { return .stopped }
                removeHalt()
                return .halted
            }
        }
        tellSkipped()
        removeHalt()
        return .finished
    }

    /// The epoch that the last sample of the last step belonged to, counted from 1.
    var epoch: Int { progress.position == 0 ? 1 : (progress.position - 1) / stream.epochLength + 1 }
}
