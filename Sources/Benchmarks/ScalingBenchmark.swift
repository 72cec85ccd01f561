import DataParallel
import Foundation
import Kernels
import Model
import Training

/// Fits `ScalingModel` to this machine, and to the network between the ranks if there are several, and predicts what more ranks bring.
public enum ScalingBenchmark {
    /// What the user knows of the network.
    public struct NetworkWish: Sendable {
        /// Seconds of an empty message; `nil` for what is measured or assumed.
        public var latency: Double?
        /// Bytes a second of each host's link; `nil` for none beside the usual ones.
        public var bandwidth: Double?

        /// Latency in microseconds, bandwidth in Gbit/s.
        public init(latencyMicroseconds: Double? = nil, bandwidthGigabits: Double? = nil) {
            latency = latencyMicroseconds.map { $0 * 1e-6 }
            bandwidth = bandwidthGigabits.map { $0 * 1e9 / 8 }
        }
    }

    /// Seconds of a message where nothing is known: TCP through one switch.
    static let assumedLatency = 50e-6
    /// Ethernet, bits a second.
    static let usualGigabits = [1.0, 10, 100]
    static let rankCounts = (1...10).map { 1 << $0 }

    /// Measures what the model needs, and predicts. A collective.
    ///
    /// Throws `BenchmarkError`, `RankError` or `MPIError`.
    public static func run(_ settings: BenchmarkSettings, _ wish: NetworkWish, communicator: Communicator) throws -> Report {
        let configuration = settings.configuration(ranks: communicator.count)
        let partition = try communicator.agree("sharing the batch") {
            try BatchPartition(batch: configuration.batchSize, ranks: communicator.count)
        }
        let machine = try BenchmarkMachine(communicator, threads: configuration.threads)
        let hosts = Set(try communicator.allGather(communicator.hostName)).count

        // What one rank computes by itself, while all the others do the same: they share the memory's bandwidth as they do in training.
        var alone = configuration
        alone.batchSize = partition.range(of: 0).count
        var buckets: [(share: Double, bytes: Int)] = []
        let computed = try steps(
            alone, settings, machine, try BatchPartition(batch: alone.batchSize, ranks: 1), Communicator(), together: communicator,
            buckets: &buckets)
        func median(_ steps: [(seconds: Double, clock: StepClock)], _ kind: (StepClock) -> Double) -> Double {
            Timing(steps.map { kind($0.clock) }).median
        }
        let backward = median(computed, \.backward)
        let computation = ScalingModel.Computation(
            forward: median(computed, \.forward), backward: backward, rest: median(computed) { $0.update + $0.checks },
            samples: alone.batchSize, buckets: buckets.map { ($0.share * backward, $0.bytes) })

        var job: Job?, network: ScalingModel.Network?
        if communicator.count > 1 {
            let times = try reductions(gradientCount: computation.gradientBytes / 4, settings.repetitions, communicator)
            var fitted = ScalingModel.fit(times, ranks: communicator.count)
            var none: [(share: Double, bytes: Int)] = []
            let trained = try steps(configuration, settings, machine, partition, communicator, together: communicator, buckets: &none)
            let traffic = ScalingModel.traffic(ranks: communicator.count) * Double(computation.gradientBytes)
            fitted.computingSecondsPerByte = median(trained, \.overlapped) / traffic
            network = fitted
            let prediction = ScalingModel(computation: computation, network: fitted).predict(ranks: communicator.count)
            job = Job(
                ranks: communicator.count, hosts: hosts, step: Timing(trained.map(\.seconds)).median,
                exposed: median(trained, \.communication),
                prediction: prediction, reductions: times)
        }
        return Report(
            machine: machine, configuration: configuration, size: settings.size, computation: computation, measured: network, wish: wish,
            job: job)
    }

    /// Training steps on noise, each begun by all ranks of `together` at once: their seconds, and the slowest rank's of each kind of work.
    /// `buckets` becomes what left in the last backward of this rank, and after which share of it.
    private static func steps(
        _ configuration: TrainingConfiguration, _ settings: BenchmarkSettings, _ machine: BenchmarkMachine, _ partition: BatchPartition,
        _ communicator: Communicator, together: Communicator, buckets: inout [(share: Double, bytes: Int)]
    ) throws -> [(seconds: Double, clock: StepClock)] {
        let step = try TrainingStep(
            configuration, channels: 1, height: settings.size.height, width: settings.size.width, plan: machine.plan, partition: partition,
            communicator: communicator)
        step.network.initializeParameters(seed: configuration.seed)
        let images = RandomImages(step.network, partition.range(of: communicator.rank), seed: configuration.seed)
        images.fillTargets(of: step.network)
        var result: [(seconds: Double, clock: StepClock)] = []
        for repetition in -settings.repetitions.warmUp..<settings.repetitions.timed {
            images.fillInput(of: step.network)
            let number = repetition + settings.repetitions.warmUp, position = number * configuration.batchSize
            var clock = StepClock(), isFinite = true, times: [(seconds: Double, bytes: Int)] = []
            let seconds = try Timing.once(together) {
                clock = StepClock()
                isFinite = try step.evaluate(step: number + 1, position: position, clock: &clock).isFinite
                let start = ContinuousClock.now
                step.bucketObserver = { times.append(((ContinuousClock.now - start) / .seconds(1), $0.count * 4)) }
                isFinite = try step.differentiate(position: position, clock: &clock) && isFinite
                step.bucketObserver = nil
                step.update(clock: &clock)
            }
            try together.agree("checking step \(number + 1)") {
                if !isFinite {
                    throw TrainingError(.notFinite, "the loss or the gradient of step \(number + 1) on random images is not finite")
                }
            }
            if repetition < 0 { continue }
            buckets = times.map { ($0.seconds / clock.backward, $0.bytes) }
            for kind in [\StepClock.forward, \.backward, \.update, \.checks, \.agreement, \.reduction, \.overlapped] {
                clock[keyPath: kind] = try together.allReduce(clock[keyPath: kind], .maximum)
            }
            result.append((seconds, clock))
        }
        return result
    }

    /// Seconds of the reproducible reduction of several lengths.
    private static func reductions(
        gradientCount: Int, _ repetitions: Repetitions, _ communicator: Communicator
    ) throws -> [(bytes: Int, seconds: Double)] {
        let sizes = [1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22]
        let count = sizes.last!
        let reducer = try GradientReducer(communicator: communicator, batch: communicator.count, count: count)
        let memory = UnsafeMutablePointer<Float>.allocate(capacity: count)
        defer { memory.deallocate() }
        memory.initialize(repeating: 0, count: count)
        return try sizes.map { size in
            let rounds = max(1, min(20, (1 << 18) / size))
            var seconds: [Double] = []
            for repetition in -1..<max(3, repetitions.timed) {
                let time = try Timing.once(communicator) {
                    for _ in 0..<rounds { try reducer.reduce(memory, stride: count, range: 0..<size) }
                }
                if repetition >= 0 { seconds.append(time / Double(rounds)) }
            }
            return (size * 4, Timing(seconds).median)
        }
    }

    /// The job that was measured, beside what the model says of it.
    struct Job {
        let ranks: Int
        let hosts: Int
        /// Seconds of a step, and of its exposed communication.
        let step: Double, exposed: Double
        let prediction: ScalingModel.Prediction
        let reductions: [(bytes: Int, seconds: Double)]
    }
}
