import Foundation
import TestSupport
import Testing
import Training

/// Runs that are asked to end, through the file `halt` in their folder.
extension ReproducibilityTests {
    private func lastStep(_ output: String) throws -> Int {
        let names = try FileManager.default.contentsOfDirectory(atPath: volume.folder / "\(output)/checkpoints")
        return try #require(names.compactMap { Int($0.dropFirst(5).dropLast(3)) }.max())
    }

    /// The run ends with 0, without the file, and goes on later with the bits of an undisturbed one.
    @Test func stoppedByACommand() throws {
        let run = volume.folder / "halted", halt = run + "/halt"
        let outcome = try interrupt(volume.training("halted", steps: 100_000), ranks: 2, after: 7, in: "halted") { _ in
            let asked = try Program.run(["stop", run])
            #expect(asked.status == 0 && asked.errors.contains("asked process") && asked.output.isEmpty, "\(asked.errors)")
        }
        #expect(outcome.status == 0 && outcome.count("stopped by unet-mpi stop after step ") == 1, "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: halt))
        let end = try lastStep("halted") + 2
        try train(volume.training("halted", steps: end), ranks: 1)
        try train(volume.training("undisturbed", steps: end), ranks: 2)
        #expect(try state("halted", step: end) == state("undisturbed", step: end))
        let late = try Program.run(["stop", run])
        #expect(late.status == 66 && late.errors.contains("no run is at work there"), "\(late.errors)")
        #expect(!FileManager.default.fileExists(atPath: halt))
        #expect(try Program.run(["stop", run + "/nowhere"]).status == 66)
        #expect(try Program.run(["stop", run, "--after", "soon"]).status == 64)
    }

    /// After a step that is named; a signal before that ends the run with 75 and leaves the wish to the next.
    @Test func stoppedAfterAStep() throws {
        let run = volume.folder / "later"
        let outcome = try interrupt(volume.training("later", steps: 100_000), ranks: 1, after: 3, in: "later") { process in
            #expect((try? Program.run(["stop", run, "--after", "1000000"]))?.status == 0)
            kill(process.processIdentifier, SIGUSR1)
        }
        #expect(MPILauncher.mayReturn(outcome.status, forRanksThatEndWith: 75), "\(outcome.errors)")
        #expect(FileManager.default.fileExists(atPath: run + "/halt"))
        let step = try lastStep("later") + 4
        try JSONEncoder().encode(HaltRequest(afterStep: step)).write(to: URL(fileURLWithPath: run + "/halt"))
        let again = try Program.run(volume.training("later", steps: 100_000), ranks: 2)
        #expect(again.status == 0 && again.errors.contains("has asked this run to end after step \(step)"), "\(again.errors)")
        #expect(try lastStep("later") == step && !FileManager.default.fileExists(atPath: run + "/halt"))
    }

    /// An empty file, as `touch` makes one, and one of a time that is over mean now; a run that ends by itself removes the file, too.
    @Test func filesMadeByHand() throws {
        let run = volume.folder / "touched"
        try train(volume.training("touched", steps: 2), ranks: 0)
        for text in ["", #"{"after_time": 1000}"#] {
            try text.write(toFile: run + "/halt", atomically: false, encoding: .utf8)
            let step = try lastStep("touched")
            try train(volume.training("touched", steps: 100), ranks: 1)
            #expect(try lastStep("touched") == step + 1)
        }
        try #"{"after_step": 500}"#.write(toFile: run + "/halt", atomically: false, encoding: .utf8)
        try train(volume.training("touched", steps: 6), ranks: 2)
        #expect(try lastStep("touched") == 6 && !FileManager.default.fileExists(atPath: run + "/halt"))
    }

    /// The plan is shown by rank 0 alone, and nothing is written.
    @Test(arguments: [0, 2]) func dryRun(ranks: Int) throws {
        let plan = try Program.run(volume.training("planned", steps: 40, "--dry-run"), ranks: ranks)
        #expect(plan.status == 0, "\(plan.errors)")
        #expect(!FileManager.default.fileExists(atPath: volume.folder / "planned"))
        for text in [
            "conv1a", "samples of 32×32", "MiB a rank", "40 steps of 4 samples are 40 epochs of 1 step",
            "40 steps would take about",
            "dry run: nothing was written",
        ] {
            #expect(plan.output.components(separatedBy: text).count == 2, "'\(text)' in: \(plan.output)")
        }
        try train(volume.training("planned", steps: 5), ranks: ranks)
        let before = try FileManager.default.subpathsOfDirectory(atPath: volume.folder / "planned").sorted()
        let log = try String(contentsOfFile: volume.folder / "planned/log.jsonl", encoding: .utf8)
        let rest = try Program.run(volume.training("planned", steps: 40, "--dry-run"), ranks: ranks)
        #expect(rest.output.contains("go on from") && rest.output.contains("35 steps are left"), "\(rest.output) \(rest.errors)")
        #expect(try FileManager.default.subpathsOfDirectory(atPath: volume.folder / "planned").sorted() == before)
        #expect(try String(contentsOfFile: volume.folder / "planned/log.jsonl", encoding: .utf8) == log)
        let changed = try Program.run(volume.training("planned", steps: 40, "--dry-run", "--seed", "5"), ranks: ranks)
        #expect(changed.status == 64 && changed.errors.contains("seed: 5, was 0"), "\(changed.errors)")
    }
}
