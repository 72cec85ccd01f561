import DataParallel
import Kernels
import Model
import Training

/// Times whole training steps, or whole predictions, of one network by all ranks on random images.
public enum NetworkBenchmark {
    /// What is done again and again.
    public enum Work: String, Sendable {
        /// A training step as `Trainer` makes it: forward, loss, checks, backward, sum over the ranks, optimizer.
        case step
        /// A forward pass as at prediction.
        case predict

        /// Passes over the convolutions, as the direct form counts them.
        var passes: Int { self == .step ? 3 : 1 }
    }

    /// Verifies the architecture, then times. A collective.
    ///
    /// Throws `BenchmarkError` (`wrong`) when a result is wrong, `RankError` when one rank failed.
    public static func run(
        _ work: Work, _ settings: BenchmarkSettings, profiled: Bool = false, communicator: Communicator
    ) throws -> Report {
        let configuration = settings.configuration(ranks: communicator.count)
        let partition = try communicator.agree("sharing the batch") {
            try BatchPartition(batch: configuration.batchSize, ranks: communicator.count)
        }
        let machine = try BenchmarkMachine(communicator, threads: configuration.threads)
        let verification = try NetworkVerification.onEachHost(
            configuration, training: work == .step, device: machine.plan.device, communicator: communicator)
        let isPeakReset = try communicator.allReduce(ProcessMemory.resetPeak() ? 1 : 0, .minimum) == 1
        let before = try communicator.allReduce(ProcessMemory.resident, .maximum)

        let measured: Measured
        switch work {
        case .step: measured = try steps(configuration, settings, partition, machine, profiled, communicator)
        case .predict: measured = try predictions(configuration, settings, partition, machine, profiled, communicator)
        }
        return Report(
            work: work, configuration: configuration, size: settings.size, machine: machine, verification: verification,
            timing: measured.timing,
            directMultiplyAdds: measured.network.directMultiplyAdds, profile: measured.profile, memoryBefore: before,
            peakMemory: try communicator.allReduce(ProcessMemory.peak, .maximum), isPeakReset: isPeakReset)
    }

    private struct Measured {
        let timing: Timing
        let network: Network
        let profile: StepProfile?
    }

    private static func steps(
        _ configuration: TrainingConfiguration, _ settings: BenchmarkSettings, _ partition: BatchPartition, _ machine: BenchmarkMachine,
        _ profiled: Bool, _ communicator: Communicator
    ) throws -> Measured {
        let step = try TrainingStep(
            configuration, channels: 1, height: settings.size.height, width: settings.size.width, plan: machine.plan, partition: partition,
            communicator: communicator)
        let network = step.network
        network.initializeParameters(seed: configuration.seed)
        let images = RandomImages(network, partition.range(of: communicator.rank), seed: configuration.seed)
        images.fillTargets(of: network)
        var number = 0
        return try measure(network, images, settings.repetitions, profiled, communicator) {
            number += 1
            var clock = StepClock()
            let position = (number - 1) * configuration.batchSize
            let outcome = try step.evaluate(step: number, position: position, clock: &clock)
            guard outcome.isFinite, try step.differentiate(position: position, clock: &clock) else {
                // Known to all ranks alike, but only rank 0 needs to say so.
                try communicator.agree("checking step \(number)") {
                    throw TrainingError(.notFinite, "the loss or the gradient of step \(number) on random images is not finite")
                }
                return clock
            }
            step.update(clock: &clock)
            return clock
        }
    }

    private static func predictions(
        _ configuration: TrainingConfiguration, _ settings: BenchmarkSettings, _ partition: BatchPartition, _ machine: BenchmarkMachine,
        _ profiled: Bool, _ communicator: Communicator
    ) throws -> Measured {
        let local = partition.range(of: communicator.rank)
        let network = try communicator.agree("building the network") {
            let graph = try Network.graph(configuration, channels: 1, height: settings.size.height, width: settings.size.width)
            return Network(
                graph, purpose: .inference(batch: local.count), device: machine.plan.device, convolution: configuration.convolutionMethod,
                memory: configuration.memoryMode)
        }
        network.initializeParameters(seed: configuration.seed)
        return try measure(network, RandomImages(network, local, seed: configuration.seed), settings.repetitions, profiled, communicator) {
            var clock = StepClock()
            network.forward()
            clock.mark(\.forward)
            return clock
        }
    }

    /// Times `body` with fresh images each time, since a pass may use their memory for other things.
    private static func measure(
        _ network: Network, _ images: RandomImages, _ repetitions: Repetitions, _ profiled: Bool, _ communicator: Communicator,
        _ body: () throws -> StepClock
    ) throws -> Measured {
        let profile = profiled ? network.startProfile() : nil
        var times: [Double] = [], clocks: [StepClock] = [], own = 0.0
        for repetition in -repetitions.warmUp..<repetitions.timed {
            images.fillInput(of: network)
            if repetition == 0 { profile?.reset() }
            var clock = StepClock()
            let time = try Timing.once(communicator) {
                let start = ContinuousClock.now
                clock = try body()
                if repetition >= 0 { own += (ContinuousClock.now - start) / .seconds(1) }
            }
            if repetition >= 0 {
                times.append(time)
                clocks.append(clock)
            }
        }
        return Measured(
            timing: Timing(times), network: network,
            profile: profile.map { StepProfile(network: network, profile: $0, clocks: clocks, seconds: own) })
    }
}
