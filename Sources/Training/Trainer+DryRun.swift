import DataParallel
import Foundation
import Model

// What `train --dry-run` shows: everything that a run would be, with a few of its steps as a sample of the time that it would take.
extension Trainer {
    /// The plan as text for rank 0, empty on the others. A collective: some steps are worked, whose results are thrown away.
    ///
    /// Throws on all ranks alike what one of them met (`RankError`), or `MPIError`; `TrainingError` of kind `notFinite` where a loss is.
    public func dryRun() throws -> String {
        let total = totalSteps, left = max(0, total - progress.step)
        let seconds = left == 0 ? [] : try timeSteps(atMost: min(10, left))
        guard communicator.rank == 0 else { return "" }
        warnOfPlacement()
        let perEpoch = Double(stream.epochLength) / Double(configuration.batchSize)
        let states = optimizer.state.count + (trainingStep.average == nil ? 0 : 1)
        let checkpoint = 4 * network.parameterCount * (1 + states)
        var lines = [network.table, ""] + outline
        lines += [
            "\(total) steps of \(configuration.batchSize) samples are \(short(Double(total) / perEpoch)) epochs of \(short(perEpoch)) step\(perEpoch == 1 ? "" : "s")",
            "a checkpoint takes \(max(1, checkpoint >> 20)) MiB; the newest \(configuration.keep) and the best are kept",
        ]
        if let resumedFrom { lines.append("the run would go on from \(resumedFrom): \(left) steps are left") }
        if left == 0 {
            lines.append("nothing is left to do; a larger --steps or --epochs goes on")
        } else {
            lines.append(estimate(seconds, steps: left))
        }
        lines.append("dry run: nothing was written")
        return lines.joined(separator: "\n")
    }

    /// Works steps of the run, at least one, until some seconds have passed; how long each took. The same on all ranks.
    private func timeSteps(atMost most: Int) throws -> [Double] {
        let local = partition.range(of: communicator.rank), first = progress.step + 1
        var seconds: [Double] = []
        while seconds.count < most, seconds.count < 2 || seconds.reduce(0, +) < 5 {
            // A first step that takes so long is sample enough.
            if seconds.count == 1, seconds[0] > 20 { break }
            let step = first + seconds.count, position = progress.position + seconds.count * configuration.batchSize
            let began = ContinuousClock.now
            var clock = StepClock()
            communicator.watchdog.enter(.input, step: step)
            try communicator.agree("reading the samples of step \(step)") {
                try batch.load(local.map { stream.sample(at: position + $0) })
            }
            let outcome = try trainingStep.evaluate(step: step, position: position, clock: &clock)
            if !outcome.isFinite { _ = try faultOfLoss(step, outcome) }
            if try outcome.isFinite && trainingStep.differentiate(position: position, clock: &clock) { trainingStep.update(clock: &clock) }
            let own = Int((ContinuousClock.now - began) / .microseconds(1))
            seconds.append(Double(try communicator.allReduce(own, .maximum)) * 1e-6)
        }
        return seconds
    }

    /// What the sample says of the whole, and what it does not.
    private func estimate(_ seconds: [Double], steps: Int) -> String {
        // The first step meets cold memory and cold files.
        let warm = seconds.count > 1 ? Array(seconds.dropFirst()).sorted() : seconds
        let median = warm[warm.count / 2], whole = median * Double(steps)
        let sample =
            seconds.count > 1
            ? "the median of \(warm.count) step\(warm.count == 1 ? "" : "s") worked just now, after a first of \(short(seconds[0])) s"
            : "one step worked just now, which was the first and may have been slow"
        return
            "\(steps) step\(steps == 1 ? "" : "s") would take about \(TimeSpan(seconds: whole.rounded())) at \(short(median)) s a step: \(sample), on these ranks and with the load that they have; validation and saving come on top"
    }

    private func short(_ value: Double) -> String { String(format: "%.3g", value) }
}
