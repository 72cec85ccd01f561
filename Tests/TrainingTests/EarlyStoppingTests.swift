import Foundation
import TestSupport
import Testing
import Training

/// Which checkpoint is the best, when a run ends before its time, and which slices are held out.
@Suite(.serialized) struct EarlyStoppingTests {
    let volume = try! SmallVolume()

    func validations(_ output: String) throws -> [[String: Double]] {
        try String(contentsOfFile: volume.folder / "\(output)/log.jsonl", encoding: .utf8).split(separator: "\n").map {
            try JSONDecoder().decode([String: Double].self, from: Data($0.utf8))
        }.filter { $0["validation_loss"] != nil }
    }

    /// The run ends at the validation that is the second in a row without a lower loss, with status 0; best.h5 is that of the lowest. The
    /// same command says so again, and a larger number goes on to the same bits as a run that never stopped.
    @Test func stopsWhenNothingImproves() throws {
        // So large a rate that the loss soon rises, and the network has collapsed by then.
        let options = [
            "--learning-rate", "0.3", "--on-collapse", "warn", "--validate-every", "2", "--checkpoint-every", "100", "--best-metric",
            "loss",
        ]
        let whole = try Program.run(volume.training("whole", steps: 60) + options)
        #expect(whole.status == 0, "\(whole.errors)")
        let losses = try validations("whole").map { $0["validation_loss"]! }
        // Where the second in a row comes.
        var best = Double.infinity, since = 0, end = 0
        for (i, loss) in losses.enumerated() where end == 0 {
            since = loss < best ? 0 : since + 1
            best = min(best, loss)
            if since == 2 { end = 2 * (i + 1) }
        }
        try #require(end > 0 && end < 60, "\(losses)")
        let bestStep = end - 4
        for (output, ranks) in [("one", 0), ("three", 3)] {
            let outcome = try Program.run(volume.training(output, steps: 60) + options + ["--early-stopping", "2"], ranks: ranks)
            #expect(
                outcome.status == 0 && outcome.count("stopped early after step \(end) of 60") == 1
                    && outcome.count("of step \(bestStep) (best.h5)") == 1, "\(outcome.errors)")
            #expect(try validations(output).count == end / 2)
            #expect(try Program.info(volume.folder / "\(output)/checkpoints/best.h5")["step"] == "\(bestStep)")
        }
        let again = try Program.run(volume.training("one", steps: 60) + options + ["--early-stopping", "2"])
        #expect(again.status == 0 && again.count("finished already: stopped early") == 1, "\(again.errors)")
        let on = try Program.run(volume.training("one", steps: 60) + options + ["--early-stopping", "1000"], ranks: 2)
        #expect(on.status == 0, "\(on.errors)")
        let states = try ["one", "whole"].map { try Program.info(volume.checkpoint($0, step: 60))["parameters_sha256"] }
        #expect(states[0] != nil && states[0] == states[1])
    }

    /// The best of another metric is another step, and changing the metric begins anew.
    @Test func bestMetric() throws {
        let options = ["--validate-every", "1"]
        for metric in ["loss", "dice", "v_rand"] {
            // Segments are scored at every step, so that each has the score.
            let outcome = try Program.run(
                volume.training(metric, steps: 12) + options + ["--best-metric", metric]
                    + (metric == "v_rand" ? ["--segmentation-scores-every", "1"] : []))
            #expect(outcome.status == 0, "\(outcome.errors)")
            let lines = try String(contentsOfFile: volume.folder / "\(metric)/log.jsonl", encoding: .utf8).split(separator: "\n")
            let scores = try lines.compactMap { line in
                try JSONDecoder().decode([String: Double].self, from: Data(line.utf8))["validation_\(metric)"].map {
                    metric == "loss" ? -$0 : $0
                }
            }
            #expect(scores.count == 12)
            let info = try Program.info(volume.folder / "\(metric)/checkpoints/best.h5")
            #expect(info["step"] == "\(scores.firstIndex(of: scores.max()!)! + 1)", "\(scores)")
        }
        let changed = try Program.run(volume.training("loss", steps: 13) + options + ["--best-metric", "iou"])
        #expect(changed.status == 0, "\(changed.errors)")
        #expect(try Program.info(volume.folder / "loss/checkpoints/best.h5")["step"] == "13")
    }

    /// The folds together validate each slice once; each trains on the others, and the slices decide what it is compared by.
    @Test func folds() throws {
        for (slices, count) in [(6, 3), (7, 3), (30, 7), (2, 2)] {
            let parts = (1...count).map { Fold("\($0)/\(count)")! }
            #expect(parts.flatMap { Array($0.validation(of: slices)) } == Array(0..<slices))
            #expect(parts.allSatisfy { [slices / count, (slices + count - 1) / count].contains($0.validation(of: slices).count) })
        }
        func training(_ output: String, _ more: String...) -> [String] {
            let all = volume.training(output, steps: 3), place = all.firstIndex(of: "--validation")!
            return Array(all[..<place] + all[(place + 2)...]) + more
        }
        var fingerprints: Set<String> = []
        for k in 1...3 {
            let outcome = try Program.run(training("fold\(k)", "--fold", "\(k)/3"), ranks: k - 1)
            #expect(outcome.status == 0 && outcome.errors.contains("4 slices"), "\(outcome.errors)")
            fingerprints.insert(try #require(Program.info(volume.checkpoint("fold\(k)", step: 3))["data_fingerprint"]))
            #expect(try validations("fold\(k)").count == 1)
        }
        #expect(fingerprints.count == 3)
        // The last fold is what --validation holds out.
        let held = try Program.run(training("held", "--validation", "2"))
        #expect(held.status == 0, "\(held.errors)")
        #expect(try validations("held") == validations("fold3"))
        let other = try Program.run(training("fold1", "--fold", "2/3"))
        #expect(other.status == 64 && other.errors.contains("fold: 2/3, was 1/3"), "\(other.errors)")
        let many = try Program.run(training("many", "--fold", "1/7"))
        #expect(many.status == 64 && many.errors.contains("--fold 1/7") && many.errors.contains("6 slices"), "\(many.errors)")
    }
}
