import DataParallel
import Foundation
import Imaging
import Kernels
import Model

// What a run does about numbers that are not finite, about a network that has collapsed, and about the end of its time.
extension Trainer {
    /// The signal that asks for the run's end, or what stands for one: on rank 0, that its time is over, or that the run folder asks for it;
    /// 0 for none.
    var stopReason: Int32 {
        guard communicator.rank == 0 else { return StopRequest.received }
        let now = Date().timeIntervalSince1970
        if folder?.halt.request()?.isDue(step: progress.step + 1, now: now) == true { return StopRequest.halt }
        return max(StopRequest.received, time.isLastStep(now) ? StopRequest.timeLimit : 0)
    }

    /// Removes the wish that the run end: it has.
    func removeHalt() {
        if let warning = folder?.halt.remove() { logger.warning("\(warning)") }
    }

    private var isSkipping: Bool { configuration.onNonFinite == NonFinitePolicy.skip.rawValue }

    /// What is wrong with the loss of a step of which a sample's is infinite or not a number, the same text on all ranks; ends the run
    /// unless such steps are skipped.
    func faultOfLoss(_ step: Int, _ outcome: StepAgreement.Outcome) throws -> String {
        guard isSkipping else {
            try communicator.agree("computing the loss of step \(step)") {
                let bad = zip(batch.samples, network.losses).filter { !$1.loss.isFinite }
                if let (_, sums) = bad.first { throw notFinite("the loss is \(sums.loss)", step, bad.map(\.0)) }
            }
            fatalError("step \(step): a loss that is not finite, but no rank has it")
        }
        let bad = outcome.samples.enumerated().filter { !$1.loss.isFinite }
        return text("the loss is \(bad[0].element.loss)", step, bad.map { stream.sample(at: progress.position + $0.offset) })
    }

    /// The same for a step whose losses are finite, but not the summed gradient.
    func faultOfGradient(_ step: Int) throws -> String {
        let bad = network.parameters.first { !network.gradientValues[$0.range].allSatisfy(\.isFinite) }
        let samples = (0..<configuration.batchSize).map { stream.sample(at: progress.position + $0) }
        let what = "the gradient of \(bad?.name ?? "the padding") is not finite"
        guard isSkipping else {
            try communicator.agree("adding up the gradients of step \(step)") { throw notFinite(what, step, samples) }
            fatalError("step \(step): nobody threw")
        }
        return text(what, step, samples)
    }

    private func text(_ what: String, _ step: Int, _ samples: [Sample]) -> String {
        let places = samples.map {
            "slice \($0.slice), crop \($0.crop) (\(batch.dataset.name(ofSlice: $0.slice)); position \($0.position))"
        }.joined(separator: "; ")
        return "\(what) at step \(step), epoch \(samples[0].epoch + 1), samples \(places)"
    }

    private func notFinite(_ what: String, _ step: Int, _ samples: [Sample]) -> TrainingError {
        TrainingError(
            .notFinite,
            "\(text(what, step, samples)); nothing of this step was saved; a smaller --learning-rate may help, --on-nonfinite skip leaves such steps out"
        )
    }

    /// Goes on without the update of the step that was just counted. All ranks do the same.
    func skip(because fault: String, _ report: inout ProgressReport, _ total: Int) throws {
        var skipped = progress.skipped ?? TrainingProgress.Skipped()
        skipped.total += 1
        skipped.recent += 1
        progress.skipped = skipped
        skippedInARow += 1
        if communicator.rank == 0 { logger.warning("\(fault); its update is left out (\(skipped.total) so far)") }
        try records?.append([
            "step": .count(progress.step), "epoch": .count(epoch), "loss": .number(.nan), "skipped_steps": .count(skipped.total),
        ])
        report.update(progress.step, "epoch \(epoch)  skipped")
        if skippedInARow == NonFinitePolicy.mostInARow {
            let text =
                "\(skippedInARow) steps in a row were skipped, the last as \(fault); the network gets no further; a smaller --learning-rate may help"
            try communicator.agree("skipping steps") { throw TrainingError(.notFinite, text) }
        }
    }

    /// Tells at the end of a run how many of its steps were skipped.
    func tellSkipped() {
        guard communicator.rank == 0, let skipped = progress.skipped else { return }
        logger.warning("\(skipped.total) of \(progress.step) steps were left out because a loss or gradient was not finite")
    }

    /// Says that the network has collapsed, and ends the run unless it is to go on.
    func checkForCollapse(_ step: Int, _ outcome: StepAgreement.Outcome) throws {
        let verdict = collapse.observe(outcome.samples) { trainingStep.isFirstGradientZero }
        let shares = CollapseDetector.shares(outcome.samples)
        let share =
            configuration.classes == nil
            ? "share of foreground is \(fixed(shares[1], 3))"
            : "shares of the classes are "
                + shares.map { fixed($0, 3) }.joined(separator: ", ")
        let what = "all pixels of an image get the same answer, the loss is \(fixed(outcome.loss, 4)) where the \(share)"
        let cure = "Start anew in another --output with another --seed or a smaller --learning-rate"
        let keras = configuration.architecture == "unet-keras" ? ", or with --architecture unet, whose last layers cannot die this way" : ""
        let (text, isHopeless): (String, Bool)
        switch verdict {
        case .none: return
        case .slow(let steps):
            (text, isHopeless) = ("the network has learned nothing about pixels for \(steps) steps: \(what). It may still begin to", false)
        case .stuck(let steps):
            (text, isHopeless) = ("the network has collapsed: for \(steps) steps \(what). \(cure)\(keras)", true)
        case .dead(let steps):
            (text, isHopeless) = (
                "the network has collapsed: for \(steps) steps \(what), and no gradient reaches its first layer, so it cannot recover. \(cure)\(keras)",
                true
            )
        }
        if isHopeless, configuration.onCollapse == CollapsePolicy.stop.rawValue {
            let error = TrainingError(.collapsed, "\(text). (--on-collapse warn goes on all the same)")
            try communicator.agree("looking at step \(step)") { throw error }
        }
        // Once, and then now and then.
        guard communicator.rank == 0 else { return }
        switch verdict {
        case .dead(let steps) where (steps - CollapseDetector.deadSteps) % CollapseDetector.stuckSteps != 0: break
        case .stuck(let steps) where steps % CollapseDetector.stuckSteps != 0: break
        default:
            logger.warning("step \(step): \(text)")
            try records?.note(.warning, step: step, text)
        }
    }
}
