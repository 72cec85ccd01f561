import DataParallel
import Foundation
import Imaging
import Kernels
import Model

/// Finds ranks that compute wrong numbers. At a verified step each rank first computes the gradient of another rank's samples; then all
/// compute their own, and the bits are compared before the gradients are added up.
///
/// A processor that now and then adds wrongly says nothing (Dixit et al., *Silent Data Corruptions at Scale*, 2021; Hochschild et al.,
/// *Cores that don't count*, 2021), and its gradient is averaged into all replicas, which stay alike: no comparison of parameters shows it.
/// But a gradient has the same bits on every rank, so computing it twice does.
package final class GradientVerification {
    private let every: Int
    private let configuration: TrainingConfiguration
    private let trainingStep: TrainingStep
    private let loader: SampleLoader
    private let stream: SampleStream
    private let partition: BatchPartition
    private let communicator: Communicator
    /// The last step whose gradients were found right.
    private var lastPassed: Int?
    /// The step that this start began after.
    private let start: Int

    /// What one rank computed for another one's samples.
    package struct Replay {
        /// The checksum of the gradient.
        package let checksum: UInt64
        /// Whose samples each rank computes at this step: those of the rank so many places further.
        package let distance: Int
    }

    /// Verifies each `every`-th step of a run that goes on after step `start`.
    package init(
        every: Int, start: Int, configuration: TrainingConfiguration, trainingStep: TrainingStep, data: TrainingData,
        partition: BatchPartition, communicator: Communicator
    ) {
        precondition(every > 0, "GradientVerification: every \(every) steps")
        self.every = every
        self.start = start
        self.configuration = configuration
        self.trainingStep = trainingStep
        loader = data.loader
        stream = data.stream
        self.partition = partition
        self.communicator = communicator
    }

    /// Why the gradients of these ranks cannot be compared, the same text on all ranks; `nil` where they can. A collective.
    static func obstacle(communicator: Communicator) throws -> String? {
        let models = try communicator.allGather(processorModel)
        guard let other = models.firstIndex(where: { $0 != models[0] }) else { return nil }
        return "rank 0 has the processor \(models[0]), rank \(other) \(models[other]), which may round differently"
    }

    /// The model of this host's processor as Linux calls it; empty where it does not say.
    private static var processorModel: String {
        let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
        let line = lines.first { $0.hasPrefix("model name") } ?? ""
        return line.split(separator: ":", maxSplits: 1).last.map { $0.trimmingCharacters(in: .whitespaces) } ?? ""
    }

    /// Computes the gradient of another rank's samples, if `step` is to be verified: before the network is given the own ones, as it may be
    /// the same network that computes both. A collective. `position` is the first of the step's batch in the stream.
    package func replay(step: Int, position: Int) throws -> Replay? {
        guard step % every == 0 else { return nil }
        // Another partner each time, so that a rank is not judged by one other alone. A rank without others computes its own twice.
        let ranks = communicator.count, distance = ranks == 1 ? 0 : 1 + (step / every) % (ranks - 1)
        let partner = (communicator.rank + distance) % ranks
        return Replay(checksum: try gradientChecksum(of: partner, step: step, position: position), distance: distance)
    }

    /// Compares what was computed for each rank with what it computed itself, `own`; where they differ all ranks compute that gradient
    /// again, to tell who was wrong. A collective.
    ///
    /// Throws on all ranks a `TrainingError` (`disagreement`) that names rank and host.
    package func compare(_ replay: Replay, own: UInt64, step: Int, position: Int) throws {
        let ranks = communicator.count
        let computed = try communicator.allGather(own), replayed = try communicator.allGather(replay.checksum)
        func verifier(of rank: Int) -> Int { (rank + ranks - replay.distance) % ranks }
        guard let rank = computed.indices.first(where: { computed[$0] != replayed[verifier(of: $0)] }) else {
            lastPassed = step
            return
        }
        let again = try communicator.allGather(gradientChecksum(of: rank, step: step, position: position))
        let verdict = Verdict(
            rank: rank, verifier: verifier(of: rank), own: computed[rank], replayed: replayed[verifier(of: rank)], again: again)
        try communicator.agree("verifying the gradients of step \(step)") {
            if verdict.suspects.contains(communicator.rank) { throw disagreement(verdict, step) }
        }
        fatalError("GradientVerification: nobody is to blame for \(verdict)")
    }

    /// Who was wrong.
    package struct Verdict {
        /// Whose samples they are, and who else computed their gradient.
        package let rank: Int, verifier: Int
        /// What these two have for it.
        package let own: UInt64, replayed: UInt64
        /// What each rank has that computed it afterwards.
        package let again: [UInt64]

        /// A gradient that two ranks have different values for.
        package init(rank: Int, verifier: Int, own: UInt64, replayed: UInt64, again: [UInt64]) {
            (self.rank, self.verifier, self.own, self.replayed, self.again) = (rank, verifier, own, replayed, again)
        }

        /// What more than half of all ranks have the second time, if there is such a value.
        var right: UInt64? { again.first { value in 2 * again.count(where: { $0 == value }) > again.count } }

        /// The ranks that had another value at any time. Without a majority, as between two ranks of which one is always wrong, it is one of
        /// the two.
        package var suspects: [Int] {
            guard let right else { return Set([rank, verifier]).sorted() }
            var suspects = Set(again.indices.filter { again[$0] != right })
            if own != right { suspects.insert(rank) }
            if replayed != right { suspects.insert(verifier) }
            return suspects.sorted()
        }
    }

    private func disagreement(_ verdict: Verdict, _ step: Int) -> TrainingError {
        func hexadecimal(_ value: UInt64) -> String { String(value, radix: 16) }
        let suspects = verdict.suspects, names = suspects.map(String.init).joined(separator: " and ")
        let who =
            switch (suspects.count, verdict.right) {
            case (1, _): "rank \(names) computed a wrong gradient"
            case (_, nil): "one of the ranks \(names) computed a wrong gradient, and two cannot tell which"
            default: "the ranks \(names) computed wrong gradients"
            }
        let trust =
            lastPassed.map { "the last step found right is \($0)" } ?? "no step since \(start), where this start began, was found right"
        return TrainingError(
            .disagreement,
            "\(who): for the samples of rank \(verdict.rank) that rank has \(hexadecimal(verdict.own)), rank \(verdict.verifier) has "
                + "\(hexadecimal(verdict.replayed)), and a second time ranks 0 to \(verdict.again.count - 1) have "
                + "\(verdict.again.map(hexadecimal).joined(separator: ", ")). A processor or memory makes mistakes: leave that host out. Nothing "
                + "of this step was saved; \(trust), and checkpoints after it are not to be trusted (--resume CHECKPOINT goes on from another)"
        )
    }

    /// The checksum of the gradient of the samples of `rank`.
    private func gradientChecksum(of rank: Int, step: Int, position: Int) throws -> UInt64 {
        communicator.watchdog.enter(.verification, step: step)
        let samples = partition.range(of: rank).map { stream.sample(at: position + $0) }
        let network = try communicator.agree("reading the samples of step \(step) to verify them") {
            let network = try trainingStep.network(forSamplesOf: rank)
            try SampleBatch(loader: loader, network: network, borderWeights: configuration.borderWeights).load(samples)
            return network
        }
        return trainingStep.gradientChecksum(network, position: position + partition.range(of: rank).lowerBound)
    }
}
