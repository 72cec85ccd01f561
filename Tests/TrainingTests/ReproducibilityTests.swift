import Foundation
import TestSupport
import Testing

/// Configuration, seed and batch decide the bits; ranks, threads and kills do not.
@Suite(.serialized) struct ReproducibilityTests {
    let volume = try! SmallVolume()

    /// The parameters, the optimizer's state and the scores of a checkpoint.
    func state(_ output: String, step: Int) throws -> [String: String] {
        try Program.info(volume.checkpoint(output, step: step)).filter {
            ["parameters_sha256", "optimizer_sha256", "loss", "validation_loss"].contains($0.key)
        }
    }

    func train(_ arguments: [String], ranks: Int, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let outcome = try Program.run(arguments, ranks: ranks, sourceLocation: sourceLocation)
        #expect(outcome.status == 0, "\(outcome.errors)", sourceLocation: sourceLocation)
    }

    /// Losses and scores of the log, without times.
    func logged(_ output: String) throws -> [[String: Double]] {
        try String(contentsOfFile: volume.folder / "\(output)/log.jsonl", encoding: .utf8).split(separator: "\n").map { line in
            try JSONDecoder().decode([String: Double].self, from: Data(line.utf8)).filter {
                !$0.key.hasSuffix("_s") && !$0.key.hasSuffix("_mib")
            }
        }
    }

    @Test func ranksAndThreads() throws {
        let segments = ["--segmentation-scores-every", "15"]
        try train(volume.training("alone", steps: 20) + segments, ranks: 0)
        let expected = try state("alone", step: 20), log = try logged("alone")
        // Validations after steps 10, 15 and 20; the last two score segments, too.
        #expect(expected.count == 4 && log.count == 25 && log[0]["step"] == 1 && log.last?["validation_v_rand"] != nil)
        #expect(log.compactMap { $0["validation_accuracy"] }.count == 3 && log.compactMap { $0["validation_warping_error"] }.count == 2)
        #expect(Set(log.compactMap { $0["loss"] }).count == 20)
        for (ranks, threads) in [(1, 2), (2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2)] {
            let output = "r\(ranks)t\(threads)"
            try train(volume.training(output, steps: 20, "--threads", "\(threads)") + segments, ranks: ranks)
            #expect(try state(output, step: 20) == expected, "\(ranks) ranks of \(threads) threads")
            #expect(try logged(output) == log, "\(ranks) ranks of \(threads) threads")
        }
    }

    @Test func lowMemory() throws {
        try train(volume.training("alone", steps: 10, "--batch-size", "6"), ranks: 0)
        let expected = try state("alone", step: 10)
        for (ranks, threads) in [(0, 1), (2, 2), (4, 1)] {
            let output = "low\(ranks)"
            try train(
                volume.training(output, steps: 10, "--batch-size", "6", "--memory", "low", "--threads", "\(threads)"), ranks: ranks)
            #expect(try state(output, step: 10) == expected, "\(ranks) ranks of \(threads) threads")
        }
    }

    /// Optimizers, clipping, averages and schedules: the same bits on three ranks, stopped in between, as on one.
    @Test(arguments: [
        [
            "--optimizer", "sgd", "--nesterov", "--momentum", "0.9", "--clip-norm", "0.1", "--learning-rate-schedule", "cosine",
            "--decay-steps", "12",
        ],
        ["--optimizer", "adamw", "--weight-averaging", "0.9", "--learning-rate-schedule", "polynomial", "--decay-steps", "12"],
        ["--learning-rate-schedule", "step", "--decay-every", "3", "--learning-rate-scaling", "sqrt", "--reference-batch-size", "1"],
    ]) func optimizersAndSchedules(_ options: [String]) throws {
        let options = options + ["--warmup-steps", "3"]
        try train(volume.training("alone", steps: 12) + options, ranks: 0)
        try train(volume.training("parts", steps: 7) + options, ranks: 3)
        try train(volume.training("parts", steps: 12, "--threads", "2") + options, ranks: 2)
        #expect(try state("parts", step: 12) == state("alone", step: 12))
        // The first part's last step validated too.
        #expect(try logged("parts").filter { $0["loss"] != nil } == logged("alone").filter { $0["loss"] != nil })
        let rates = try logged("alone").compactMap { $0["learning_rate"] }, norms = try logged("alone").compactMap { $0["gradient_norm"] }
        let peak = 0.001 * (options.contains("sqrt") ? 2 : 1)
        #expect(rates.count == 12 && abs(rates[0] - peak / 3) < 1e-9 && rates[3] <= peak && rates[11] < rates[3])
        #expect(norms.count == 12 && norms.allSatisfy { $0 > 0 })
    }

    /// Every loss falls, has the same bits on three ranks of two threads as on one, and another value than the others.
    @Test func losses() throws {
        var first: Set<Double> = []
        for (i, options) in [
            ["weighted-bce"], ["dice"], ["bce-dice", "--border-weight", "10"], ["focal", "--focal-alpha", "0.25"],
            ["bce", "--border-weight", "10", "--memory", "low"],
        ].enumerated() {
            let options = ["--loss"] + options
            try train(volume.training("one\(i)", steps: 10) + options, ranks: 0)
            try train(
                volume.training("three\(i)", steps: 10, "--threads", "2") + options.filter { !["--memory", "low"].contains($0) }, ranks: 3)
            #expect(try state("one\(i)", step: 10) == state("three\(i)", step: 10), "\(options)")
            let losses = try logged("one\(i)").compactMap { $0["loss"] }
            #expect(losses.suffix(3).reduce(0, +) < losses.prefix(3).reduce(0, +) && losses.allSatisfy { $0 > 0 }, "\(options): \(losses)")
            first.insert(losses[0])
        }
        #expect(first.count == 5)
    }

    /// The length of a run with a cosine decides bits unless it is said: going on longer is a change.
    @Test func aLongerCosineIsAnotherRun() throws {
        let cosine = ["--learning-rate-schedule", "cosine"]
        try train(volume.training("run", steps: 4) + cosine, ranks: 0)
        let refused = try Program.run(volume.training("run", steps: 6) + cosine)
        #expect(refused.status == 64 && refused.errors.contains("decay-steps: 6, was 4"), "\(refused.errors)")
        try train(volume.training("run", steps: 6, "--decay-steps", "4") + cosine, ranks: 2)
        #expect(try logged("run").filter { $0["learning_rate"] != nil }.suffix(2).map { $0["learning_rate"] } == [0, 0])
    }

    /// Validation and prediction use the moving average; it does not disturb the training.
    @Test func weightAveraging() throws {
        try train(volume.training("plain", steps: 10), ranks: 0)
        try train(volume.training("average", steps: 10, "--weight-averaging", "0.9"), ranks: 2)
        let plain = try state("plain", step: 10), average = try state("average", step: 10)
        #expect(plain["parameters_sha256"] == average["parameters_sha256"] && plain["optimizer_sha256"] != average["optimizer_sha256"])
        #expect(plain["loss"] == average["loss"] && plain["validation_loss"] != average["validation_loss"])
        var predictions: [Data] = []
        for output in ["plain", "average"] {
            let path = volume.folder / "\(output).npy"
            try train(
                ["predict", "--checkpoint", volume.checkpoint(output, step: 10), "--images", volume.images, "--output", path], ranks: 0)
            predictions.append(try Data(contentsOf: URL(fileURLWithPath: path)))
        }
        #expect(predictions[0] != predictions[1])
    }

    /// The direct method is another arithmetic: other bits of nearly the same network, and a run does not change over unasked.
    @Test func directConvolution() throws {
        try train(volume.training("auto", steps: 5), ranks: 0)
        try train(volume.training("direct", steps: 5, "--convolution", "direct"), ranks: 2)
        try train(volume.training("alone", steps: 5, "--convolution", "direct", "--threads", "2"), ranks: 0)
        #expect(try state("direct", step: 5) != state("auto", step: 5))
        #expect(try state("direct", step: 5) == state("alone", step: 5))
        let fast = try logged("auto")[0]["loss"], direct = try logged("direct")[0]["loss"]
        #expect(abs(try #require(fast) - #require(direct)) < 1e-5)
        let changed = try Program.run(volume.training("direct", steps: 10))
        #expect(changed.status == 64 && changed.errors.contains("convolution"), "\(changed.errors)")
    }

    @Test func aBatchThatIsNoPowerOfTwo() throws {
        try train(volume.training("alone", steps: 20, "--batch-size", "6"), ranks: 0)
        try train(volume.training("four", steps: 20, "--batch-size", "6"), ranks: 4)
        #expect(try state("alone", step: 20) == state("four", step: 20))
    }

    /// 7 MiB of gradients, in one bucket and in several, on ranks with one and with several blocks of the batch.
    @Test(arguments: [1, 2, 3, 4, 8]) func buckets(_ ranks: Int) throws {
        let network = ["--base-channels", "32", "--depth", "3", "--batch-size", "9", "--validation", "0"]
        try train(volume.training("alone", steps: 3) + network, ranks: 0)
        for bucket in [1, 3, 1024] {
            let output = "b\(bucket)"
            try train(volume.training(output, steps: 3, "--bucket-mib", "\(bucket)") + network, ranks: ranks)
            #expect(try state(output, step: 3) == state("alone", step: 3), "buckets of \(bucket) MiB")
            #expect(try logged(output) == logged("alone"), "buckets of \(bucket) MiB")
        }
    }

    @Test func anotherSeedIsAnotherNetwork() throws {
        try train(volume.training("a", steps: 2), ranks: 0)
        try train(volume.training("b", steps: 2, "--seed", "1"), ranks: 0)
        #expect(try state("a", step: 2) != state("b", step: 2))
    }

    /// Starts a training that would take long, waits until it has logged a step, and hands it over.
    func interrupt(_ arguments: [String], ranks: Int, after step: Int, in output: String, _ body: (Process) throws -> Void) throws
        -> Program.Outcome
    {
        let errors = Pipe(), ignored = Pipe(), process = try Program.start(arguments, ranks: ranks, errors: errors, output: ignored)
        let reader = Program.Reader(errors), path = volume.folder / "\(output)/log.jsonl"
        for _ in 0..<3000 where process.isRunning {
            if let log = try? String(contentsOfFile: path, encoding: .utf8), log.contains("\"step\":\(step),") { break }
            usleep(10_000)
        }
        #expect(process.isRunning)
        try body(process)
        process.waitUntilExit()
        return Program.Outcome(status: process.terminationStatus, output: "", errors: reader.text(), seconds: 0)
    }

    /// The process that holds the run folder's lock: rank 0.
    func firstRank(_ output: String) throws -> Int32 {
        let lock =
            try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: volume.folder / "\(output)/lock")))
            as? [String: Any]
        return Int32(try #require(lock?["process"] as? Int))
    }

    @Test(arguments: [(2, 3), (3, 1)]) func killedAndResumedOnOtherCounts(_ before: Int, _ after: Int) throws {
        let steps = 400
        let outcome = try interrupt(volume.training("killed", steps: steps), ranks: before, after: 12, in: "killed") { _ in
            kill(try firstRank("killed"), SIGKILL)
        }
        #expect(outcome.status != 0)
        let last = try #require(
            try FileManager.default.contentsOfDirectory(atPath: volume.folder / "killed/checkpoints").filter {
                $0.hasPrefix("step-") && $0.hasSuffix(".h5")
            }
            .compactMap { Int($0.dropFirst(5).dropLast(3)) }.max())
        // The end is set so that a few steps are left to do: the length of the run decides no bits.
        let end = last + 7
        let resumed = try Program.run(volume.training("killed", steps: end, "--threads", "2"), ranks: after)
        #expect(
            resumed.status == 0 && resumed.errors.contains("going on from \(volume.checkpoint("killed", step: last))"), "\(resumed.errors)")
        try train(volume.training("undisturbed", steps: end), ranks: 1)
        #expect(try state("killed", step: end) == state("undisturbed", step: end))
        #expect(try logged("killed") == logged("undisturbed"))
        let again = try Program.run(volume.training("killed", steps: end), ranks: 2)
        #expect(again.status == 0 && again.errors.contains("finished already"))
    }

    /// A signal to mpirun, or to any one rank, saves at the end of the step; the batch script requeues on status 75.
    @Test(arguments: [(false, SIGUSR1), (true, SIGUSR1), (true, SIGTERM)]) func signalsSaveAndStop(toOneRank: Bool, signal: Int32) throws {
        let outcome = try interrupt(volume.training("stopped", steps: 100_000), ranks: 2, after: 7, in: "stopped") { process in
            kill(toOneRank ? try firstRank("stopped") : process.processIdentifier, signal)
        }
        let name = signal == SIGTERM ? "SIGTERM" : "SIGUSR1"
        #expect(toOneRank ? outcome.status == 75 : MPILauncher.mayReturn(outcome.status, forRanksThatEndWith: 75), "\(outcome.errors)")
        #expect(outcome.count("stopped by \(name) after step ") == 1, "\(outcome.errors)")
        let steps = try FileManager.default.contentsOfDirectory(atPath: volume.folder / "stopped/checkpoints").compactMap {
            Int($0.dropFirst(5).dropLast(3))
        }
        let last = try #require(steps.max()), end = last + 3
        try train(volume.training("stopped", steps: end), ranks: 1)
        try train(volume.training("undisturbed", steps: end), ranks: 3)
        #expect(try state("stopped", step: end) == state("undisturbed", step: end))
        #expect(try logged("stopped") == logged("undisturbed"))
    }

    @Test func twoJobsInOneFolder() throws {
        var second: Program.Outcome?
        let first = try interrupt(volume.training("shared", steps: 100_000), ranks: 1, after: 3, in: "shared") { process in
            second = try Program.run(volume.training("shared"), ranks: 2)
            kill(process.processIdentifier, SIGUSR1)
        }
        #expect(second?.status == 74 && second?.count("has been working in this folder") == 1, "\(second?.errors ?? "")")
        #expect(MPILauncher.mayReturn(first.status, forRanksThatEndWith: 75))
    }

    @Test func changesAreListedAndCanBeAccepted() throws {
        try train(volume.training("run", steps: 5), ranks: 0)
        let refused = try Program.run(volume.training("run", steps: 8, "--learning-rate", "0.01", "--batch-size", "2"), ranks: 2)
        #expect(
            refused.status == 64 && refused.count("batch-size: 2, was 4") == 1 && refused.errors.contains("learning-rate: 0.01, was 0.001")
                && refused.errors.contains("--accept-changes"), "\(refused.errors)")
        try train(volume.training("run", steps: 8, "--learning-rate", "0.01", "--batch-size", "2", "--accept-changes"), ranks: 2)
        try volume.write("images.tif") { _, y, x in Float(x + y) }
        let data = try Program.run(volume.training("run", steps: 9, "--learning-rate", "0.01", "--batch-size", "2"))
        #expect(data.status == 64 && data.count("the pixels of") == 1, "\(data.errors)")
        let never = try Program.run(volume.training("run", steps: 9, "--resume", "never"))
        #expect(never.status == 64 && never.errors.contains("already holds checkpoints"), "\(never.errors)")
        let deeper = try Program.run(volume.training("run", steps: 9, "--base-channels", "6"))
        #expect(
            deeper.status == 65 && deeper.errors.contains("conv1a.weight is [4, 1, 3, 3] in the checkpoint, [6, 1, 3, 3] in the network"),
            "\(deeper.errors)")
    }
}
