import DataParallel
import Kernels
import Model

/// One update of a network by all ranks together, in the order of its methods. All of them are collectives, and each marks its time.
///
///     batch → forward → loss → backward → allreduce → optimizer
package final class TrainingStep {
    /// The network that is trained; its input and targets are to be filled before each step.
    package let network: Network
    let optimizer: any Optimizer
    /// The moving average of the parameters, if one is kept.
    let average: WeightAverage?
    let reducer: GradientReducer
    private let backward: OverlappedBackward
    private let check: BufferCheck
    /// That of all gradients of this rank's samples, before they are added up.
    private let gradientCheck: BufferCheck
    /// That of the parameters as they were last written; nil until it is first asked for.
    private var checksum: UInt64?
    private let configuration: TrainingConfiguration
    private let agreement: StepAgreement
    private let learningRates: LearningRateSchedule
    /// The update that was evaluated last.
    private var step = 0
    /// Norm of the gradient of the last step, over all parameters, before it is clipped.
    package private(set) var gradientNorm = 0.0
    /// Where the network's values depend on the whole batch.
    private let statistics: BatchStatistics?
    /// The batch positions of this rank.
    private let local: Range<Int>
    private let partition: BatchPartition
    private let watchdog: Watchdog
    /// For tests: called at these moments, to damage what is in memory.
    package var damage: ((Moment) -> Void)?
    /// When something can go wrong in the computing of a gradient.
    package enum Moment: CaseIterable, Sendable { case beforeForward, beforeBackward, afterBackward, afterReplay }

    /// Plans the network for samples of one size, with the memory that all its steps need; its parameters are zero.
    package init(
        _ configuration: TrainingConfiguration, channels: Int, height: Int, width: Int, plan: ComputePlan, partition: BatchPartition,
        communicator: Communicator
    ) throws {
        self.configuration = configuration
        let local = partition.range(of: communicator.rank)
        self.local = local
        self.partition = partition
        watchdog = communicator.watchdog
        network = try communicator.agree("building the network") {
            try Network.training(configuration, part: local, channels: channels, height: height, width: width, device: plan.device)
        }
        statistics = network.dependsOnBatch ? BatchStatistics(communicator: communicator, partition: partition) : nil
        network.statisticsReducer = statistics
        optimizer = configuration.makeOptimizer(count: network.trainableCount)
        average = configuration.makeAverage(count: network.arenaCount)
        learningRates = configuration.learningRates
        check = BufferCheck(count: network.trainableCount)
        gradientCheck = BufferCheck(count: network.gradientValues.count)
        reducer = try GradientReducer(
            communicator: communicator, batch: configuration.batchSize, count: network.arenaCount, method: configuration.reductionMethod)
        backward = OverlappedBackward(
            network: network, reducer: reducer, bucketMebibytes: configuration.bucketMebibytes, watchdog: communicator.watchdog)
        agreement = StepAgreement(
            communicator: communicator, partition: partition, fingerprint: configuration.fingerprint,
            classes: max(2, configuration.outputChannels))
    }

    /// Told of each bucket of gradients, a range of them, as it leaves in backward.
    package var bucketObserver: ((Range<Int>) -> Void)? {
        get { backward.bucketObserver }
        set { backward.bucketObserver = newValue }
    }

    private var pixels: Int { network.outputShape.height * network.outputShape.width }

    /// What a pixel's loss counts in the gradient, so that the sum over the batch is the mean.
    private var lossScale: Float { 1 / Float(configuration.batchSize * pixels) }

    /// Bytes that the network and its optimizer take.
    package var memoryBytes: Int { network.memoryBytes + optimizer.memoryBytes + 4 * (average?.memory.buffer.count ?? 0) }

    /// Forward and loss of update `step`, whose batch begins at `position` of the stream; what all ranks know after it.
    package func evaluate(step: Int, position: Int, signal: Int32 = 0, clock: inout StepClock) throws -> StepAgreement.Outcome {
        self.step = step
        watchdog.enter(.forward, step: step)
        try throwIfPlanned()
        if watchdog.isPlanned(.nan) { network.target(sample: 0)[0] = .nan }
        if watchdog.isPlanned(.flip) { flipBit(of: network.parameterValues) }
        damage?(.beforeForward)
        network.forward(training: true, seed: configuration.seed, firstPosition: position + local.lowerBound)
        try statistics?.check()
        network.evaluateLoss(scale: lossScale)
        damage?(.beforeBackward)
        clock.mark(\.forward)
        let parameters = checksum ?? check.checksum(on: network.device, network.parameterMemory.pointer)
        clock.mark(\.checks)
        watchdog.enter(.agreement)
        let outcome = try agreement.exchange(
            step: step, checksum: parameters, signal: signal, losses: network.losses, classes: classCounts(), pixels: pixels)
        clock.mark(\.agreement)
        return outcome
    }

    /// The gradient of the batch that was evaluated last, the same on every rank. Returns whether it is finite.
    ///
    /// With `verify` nothing is sent before backward has ended and it has been given the checksum of this rank's own gradients.
    package func differentiate(position: Int, clock: inout StepClock, verify: ((UInt64) throws -> Void)? = nil) throws -> Bool {
        watchdog.enter(.backward)
        try throwIfPlanned()
        try backward.run(seed: configuration.seed, firstPosition: position + local.lowerBound, sends: verify == nil)
        try statistics?.check()
        if let verify {
            if watchdog.isPlanned(.flip) { flipBit(of: network.gradientValues) }
            damage?(.afterBackward)
            try verify(gradientCheck.checksum(on: network.device, network.gradientValues.baseAddress!))
            backward.sendAll()
        }
        clock.mark(\.backward)
        clock.overlapped = backward.overlappedSeconds
        watchdog.enter(.reduction)
        try backward.finish()
        clock.mark(\.reduction)
        defer { clock.mark(\.checks) }
        gradientNorm = check.norm(on: network.device, network.gradientValues.baseAddress!)
        return gradientNorm.isFinite
    }

    /// Updates the parameters by the gradient.
    package func update(clock: inout StepClock) {
        watchdog.enter(.update)
        if watchdog.isPlanned(.differ) { network.gradientValues[0] += 1 }
        network.updateState()
        optimizer.learningRate = learningRates.rate(at: step)
        // PyTorch's clip_grad_norm_.
        let scale = configuration.clipNorm.map { min(1, $0 / (gradientNorm + 1e-6)) } ?? 1
        checksum = optimizer.update(
            on: network.device, parameters: network.parameterMemory.pointer, gradients: network.gradientValues.baseAddress!,
            gradientScale: Float(scale))
        average?.update(on: network.device, parameters: network.parameterMemory.pointer, step: step)
        clock.mark(\.update)
    }

    /// A network for the samples of `rank`, with the parameters of this one: this one itself if that rank's part of the batch is divided like
    /// this rank's own.
    func network(forSamplesOf rank: Int) throws -> Network {
        let part = partition.range(of: rank)
        if configuration.blocks(of: part).map(\.count) == configuration.blocks(of: local).map(\.count) { return network }
        return try Network.training(
            configuration, part: part, channels: network.inputShape.channels, height: network.inputShape.height,
            width: network.inputShape.width, device: network.device, sharing: network)
    }

    /// The checksum of the gradients of the samples that `network` holds, the first of which is at `position` of the stream.
    func gradientChecksum(_ network: Network, position: Int) -> UInt64 {
        network.forward(training: true, seed: configuration.seed, firstPosition: position)
        network.evaluateLoss(scale: lossScale)
        network.backward(training: true, seed: configuration.seed, firstPosition: position)
        damage?(.afterReplay)
        return BufferCheck(count: network.gradientValues.count).checksum(on: network.device, network.gradientValues.baseAddress!)
    }

    /// A planned fault: an error on this rank alone.
    private func throwIfPlanned() throws {
        if watchdog.isPlanned(.error) { throw TrainingError(.inputOutput, "step \(step): an error that a test has planned") }
    }

    /// A planned fault: what a particle does to memory.
    private func flipBit(of values: UnsafeMutableBufferPointer<Float>) {
        values[0] = Float(bitPattern: values[0].bitPattern ^ 1 << 20)
    }

    /// Makes sure of what is about to be saved: the parameters as they are in memory are the same on all ranks, and numbers. A collective.
    ///
    /// Throws `TrainingError`: `disagreement` with every rank's value, or `notFinite`.
    func verify(step: Int) throws {
        try agreement.verify(step: step, checksum: check.checksum(on: network.device, network.parameterMemory.pointer))
        if !check.norm(on: network.device, network.parameterMemory.pointer).isFinite {
            throw TrainingError(
                .notFinite,
                "a parameter is infinite or not a number after step \(step), which was not saved; a smaller --learning-rate may help")
        }
    }

    /// Whether the gradient that all ranks have is zero in all elements of the first layer that has parameters.
    var isFirstGradientZero: Bool {
        guard let first = network.parameters.first else { return false }
        return network.gradientValues[first.range].allSatisfy { $0 == 0 }
    }

    /// Pixels of each class in each local sample.
    private func classCounts() -> [[Int]] {
        (0..<network.batch).map { sample in
            var counts = [Int](repeating: 0, count: max(2, network.outputShape.channels))
            for label in network.target(sample: sample) where label >= 0 { counts[Int(label)] += 1 }
            return counts
        }
    }
}

/// Where the time of a step goes, in seconds.
package struct StepClock {
    /// Waiting for samples.
    package var inputWait = 0.0
    /// Forward with the loss; of a batch that is worked in parts, also backward of all but the last.
    package var forward = 0.0
    /// Backward.
    package var backward = 0.0
    /// The optimizer.
    package var update = 0.0
    /// Checksum of the parameters and search for what is not finite.
    package var checks = 0.0
    /// The exchange of the losses, with the wait for the slowest rank.
    package var agreement = 0.0
    /// The sum of the gradients over the ranks, as far as backward did not hide it.
    package var reduction = 0.0
    /// The part of `backward` in which gradients were sent, received and added.
    package var overlapped = 0.0
    private var last = ContinuousClock.now

    /// Starts now.
    package init() {}

    /// Adds the time since the last mark to one of the kinds.
    package mutating func mark(_ kind: WritableKeyPath<StepClock, Double>) {
        let now = ContinuousClock.now
        self[keyPath: kind] += (now - last) / .seconds(1)
        last = now
    }

    /// What is computed.
    package var compute: Double { forward + backward + update + checks }
    /// What is spent with other ranks.
    package var communication: Double { agreement + reduction }
    /// Everything.
    package var total: Double { inputWait + compute + communication }
}
