import DataParallel
import Imaging
import Kernels
import Model

// What a run leaves behind: log lines, validations, checkpoints, and the reasons for which it ends. Rank 0 alone writes; should it
// fail it ends the job, while the others wait for it in the next step.
extension Trainer {
    /// Logs a step.
    func record(_ outcome: StepAgreement.Outcome, _ clock: StepClock, _ report: inout ProgressReport, _ total: Int) throws {
        (metrics["loss"], metrics["accuracy"]) = (outcome.loss, outcome.accuracy)
        let speed = Double(configuration.batchSize) / clock.total
        try records?.append([
            "step": .count(progress.step), "epoch": .count(epoch), "loss": .number(outcome.loss), "accuracy": .number(outcome.accuracy),
            "learning_rate": .number(optimizer.learningRate), "gradient_norm": .number(trainingStep.gradientNorm),
            "images_per_s": .number(speed), "compute_s": .seconds(clock.compute),
            "exposed_communication_s": .seconds(clock.communication), "overlapped_communication_s": .seconds(clock.overlapped),
            "input_wait_s": .seconds(clock.inputWait), "peak_memory_mib": .number((ProcessMemory.peak * 10).rounded() / 10),
        ])
        report.update(
            progress.step,
            "epoch \(epoch)  loss \(fixed(outcome.loss, 4))  accuracy \(fixed(outcome.accuracy, 4))  \(fixed(speed, speed < 10 ? 2 : 1)) images/s"
        )
    }

    /// Scores the held-out slices, and saves the network if it is the best so far.
    func validate(_ validation: Validation, segments: Bool) throws {
        communicator.watchdog.enter(.validation)
        let result = try validation.run(segments: segments), scores = result.scores
        metrics["validation_loss"] = result.loss
        // A class that was scored before may be nowhere now.
        for name in configuration.classes?.names ?? [] {
            for metric in [ValidationMetric.classDice(name), .classIoU(name)] { metrics["validation_\(metric.name)"] = nil }
        }
        for (name, value) in scores.values { metrics["validation_\(name)"] = value }
        logger.notice("step \(progress.step)  validation: loss \(fixed(result.loss, 4))  \(scores.text)")
        try records?.append(
            [("step", .count(progress.step)), ("epoch", .count(epoch)), ("validation_loss", .number(result.loss))]
                + scores.values.map { ("validation_\($0.name)", .number($0.value)) })
        try recordSegments(result.segments)
        try records?.keep(result, step: progress.step)
        if records != nil { shown = Shown(step: progress.step, content: .validation(result)) }
        let metric = ValidationMetric(configuration.bestMetric)!
        guard let score = metric.score(of: result) else {
            if let name = metric.className {
                logger.warning(
                    "no held-out pixel is, or was taken for, \(name): --best-metric \(metric.name) has no score, and best.h5 stays what it was"
                )
            }
            return
        }
        let isBest = isBest(score, metric)
        progress.validationsSinceBest = isBest ? 0 : (progress.validationsSinceBest ?? 0) + 1
        if isBest { try write(asStep: false, isBest: true) }
    }

    /// Saves the state. `stops`: on request, between the steps that save by themselves.
    func save(stops: Bool) throws {
        var isBest = false
        if validation == nil && !stops {
            let count = (progress.step - 1) % configuration.checkpointEvery + 1 - (progress.skipped?.recent ?? 0)
            if count > 0 { isBest = self.isBest(-progress.lossSum / Double(count), nil) }
        }
        if progress.step % configuration.checkpointEvery == 0 {
            progress.lossSum = 0
            progress.skipped?.recent = 0
        }
        try write(asStep: true, isBest: isBest)
    }

    /// Whether the score is better than all before. A score of another metric, from before the option was changed, does not count.
    private func isBest(_ score: Double, _ metric: ValidationMetric?) -> Bool {
        let best = progress.best.flatMap { $0.metric == metric?.name ? $0.score : nil }
        guard score > best ?? -.infinity else { return false }
        progress.best = .init(score: score, metric: metric?.name, step: progress.step)
        return true
    }

    /// Why the run need not go on though steps are left; `nil` if it must.
    var earlyEnd: String? {
        guard configuration.earlyStopping > 0, let count = progress.validationsSinceBest, count >= configuration.earlyStopping,
            let best = progress.best
        else { return nil }
        return
            "the last \(count) validation\(count == 1 ? "" : "s") did not improve on the \(configuration.bestMetric) of step \(best.step) (best.h5); a larger --early-stopping goes on"
    }

    private func write(asStep: Bool, isBest: Bool) throws {
        communicator.watchdog.enter(.checkpoint)
        try trainingStep.verify(step: progress.step)
        guard let folder else { return }
        let began = ContinuousClock.now
        defer { time.saved(in: (ContinuousClock.now - began) / .seconds(1)) }
        let checkpoint = Checkpoint(
            configuration: configuration, progress: progress, data: data, metrics: metrics, parameters: [])
        for warning in try folder.checkpoints.save(
            checkpoint, parameters: network.parameters(with: optimizer, average: trainingStep.average), asStep: asStep, isBest: isBest,
            beforeRename: communicator.watchdog.strikeIfDue)
        {
            logger.warning("\(warning)")
        }
        if asStep { try folder.resumeAttempts.end() }
        logger.debug("saved step \(progress.step)\(isBest ? ", the best so far" : "")")
    }
}
