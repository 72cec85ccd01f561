import Foundation
import Imaging
import TestSupport
import Testing
import Training

/// What becomes of a job of three ranks when something happens to one of them: it ends soon, says to whom what happened, and the same
/// command then ends with the bits of a run that nothing happened to. See docs/failures.md.
@Suite(.serialized) struct FaultTests {
    let volume = try! SmallVolume()
    static let host = ProcessInfo.processInfo.hostName

    func state(_ output: String, step: Int = 20) throws -> [String: String] {
        try Program.info(volume.checkpoint(output, step: step)).filter {
            ["parameters_sha256", "optimizer_sha256", "loss", "validation_loss"].contains($0.key)
        }
    }

    /// A training of 20 steps on three ranks with a fault, that saves each fifth step.
    func run(_ fault: String?, _ more: String..., output: String = "run", ranks: Int = 3, limit: Double = 30) throws -> Program.Outcome {
        try Program.run(
            volume.training(output) + more, ranks: ranks, limit: limit, environment: fault.map { ["UNET_TEST_FAULT": $0] } ?? [:])
    }

    /// The same command goes on from the last checkpoint, which is one of `last`, and ends like an undisturbed run.
    func expectResumption(from last: Int..., sourceLocation: SourceLocation = #_sourceLocation) throws {
        let resumed = try Program.run(volume.training("run"), ranks: 2)
        let starts = last.map { "going on from \(volume.checkpoint("run", step: $0))" }
        #expect(
            resumed.status == 0 && starts.contains { resumed.errors.contains($0) }, "\(resumed.errors)", sourceLocation: sourceLocation)
        #expect(try run(nil, output: "undisturbed", ranks: 0).status == 0)
        let expected = try state("undisturbed")
        #expect(try expected.count == 4 && state("run") == expected, sourceLocation: sourceLocation)
    }

    @Test(arguments: [("1:12:forward", 10), ("2:12:backward", 10), ("1:12:reduction", 10), ("0:15:checkpoint", 10), ("1:20:end", 20)])
    func killed(_ place: String, last: Int) throws {
        let outcome = try run("\(place):kill", "--bucket-mib", "1")
        let rank = Int(place.prefix(1))!
        #expect(outcome.status != 0 && outcome.seconds < 10 * ProgramRun.patience, "\(outcome.errors)")
        // The launcher is the first to know.
        #expect(MPILauncher.tells(outcome.output + outcome.errors, thatRankDied: rank), "\(outcome.errors)")
        if last < 20 { try expectResumption(from: last) }
    }

    /// A checkpoint that two runs died of is not tried a third time; a run that ends by itself is no death.
    @Test func aCheckpointThatRunsDieOf() throws {
        let record = volume.folder / "run/resumes.json"
        for _ in 0..<3 {
            #expect(try run("1:12:forward:kill").status != 0)
        }
        #expect(FileManager.default.fileExists(atPath: record))
        let third = try run("1:8:forward:kill")
        #expect(
            third.errors.contains("\(volume.checkpoint("run", step: 10)): 2 runs went on from it and died")
                && third.errors.contains(record),
            "\(third.errors)")
        #expect(third.errors.contains("going on from \(volume.checkpoint("run", step: 5))"), "\(third.errors)")
        try expectResumption(from: 5)
        #expect(!FileManager.default.fileExists(atPath: record))
    }

    /// A stopped process and one that hangs: a warning, then the end, both with the rank, its host and what it was at.
    @Test(arguments: [
        ("1:12:forward:stop", "step 12, forward"), ("2:12:backward:stop", "step 12, backward"),
        ("0:12:reduction:stop", "step 12, reduction"),
        ("1:12:input:hang", "step 12, input"),
    ])
    func stalled(_ fault: String, place: String) throws {
        let outcome = try run(fault, "--stall-timeout", "4s")
        let name = "rank \(fault.prefix(1)) (\(Self.host))"
        #expect(
            outcome.status == 76 && outcome.seconds > 4 && outcome.seconds < 14 * ProgramRun.patience,
            "\(outcome.seconds) s, \(outcome.errors)")
        let lines = outcome.errors.split(separator: "\n").filter { $0.contains(name) && $0.contains("no progress") && $0.contains(place) }
        // A rank that hangs can speak for itself, too.
        #expect(
            lines.contains { $0.hasPrefix("warning: \(name), last heard of") && $0.contains("after 4 s (--stall-timeout)") },
            "\(outcome.errors)")
        #expect(lines.contains { $0.hasPrefix("\(name), last heard of") && $0.contains("for 4 s") }, "\(outcome.errors)")
        try expectResumption(from: 10)
    }

    /// A process that is alone has its own watch only.
    @Test(arguments: [0, 1]) func stalledAlone(_ ranks: Int) throws {
        let outcome = try run("0:12:backward:hang", "--stall-timeout", "4s", ranks: ranks)
        #expect(
            outcome.status == 76 && outcome.seconds > 4 && outcome.seconds < 14 * ProgramRun.patience,
            "\(outcome.seconds) s, \(outcome.errors)")
        #expect(outcome.count("warning: the process has made no progress for 2 s at step 12, backward") == 1, "\(outcome.errors)")
        let end = "the process has made no progress for 4 s at step 12, backward. It ends; the same command goes on"
        #expect(outcome.count(end) == 1, "\(outcome.errors)")
        try expectResumption(from: 10)
    }

    /// What may take long has ten times as long, for the warning as for the end.
    @Test(arguments: [("0:15:checkpoint:stop", "step 15, checkpoint"), ("1:10:validation:stop", "step 10, validation")])
    func stalledInALongPhase(_ fault: String, place: String) throws {
        let outcome = try run(fault, "--stall-timeout", "2.5s", limit: 60)
        #expect(
            outcome.status == 76 && outcome.seconds > 20 && outcome.seconds < 40 * ProgramRun.patience,
            "\(outcome.seconds) s, \(outcome.errors)")
        let lines = outcome.errors.split(separator: "\n").filter {
            $0.contains("rank \(fault.prefix(1)) (\(Self.host)), last heard of") && $0.contains(place)
        }
        #expect(lines.contains { $0.hasPrefix("warning: ") && $0.contains("after 25 s (--stall-timeout)") }, "\(outcome.errors)")
        #expect(lines.contains { $0.hasPrefix("rank ") && $0.contains("no progress for 25 s") }, "\(outcome.errors)")
        // The launcher lets a stopped process go on before it ends it: rank 0 may still put its checkpoint in place.
        if fault.hasPrefix("0") { try expectResumption(from: 10, 15) } else { try expectResumption(from: 5) }
    }

    /// A rank that is stopped before MPI has begun holds the others in MPI_Init, where there are no heartbeats.
    @Test(arguments: [0, 2]) func stoppedBeforeItBegins(_ rank: Int) throws {
        let stop = #"[ "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}" != \#(rank) ] || kill -STOP $$; exec "$0" "$@""#
        let outcome = try Program.run(
            volume.training("run") + ["--stall-timeout", "2s"], ranks: 3, through: ["bash", "-c", stop], limit: 60)
        #expect(MPILauncher.startupTimeoutStatuses.contains(outcome.status), "\(outcome)")
        #expect(outcome.seconds > 20 && outcome.seconds < 30 * ProgramRun.patience, "\(outcome.seconds) s, \(outcome.errors)")
        let line =
            "rank \(rank == 0 ? 1 : 0) (\(Self.host)): MPI_Init_thread has not returned for 20 s: another rank has not begun, is stopped"
        #expect(outcome.count(line) == 1 && outcome.count("has not returned") == 1, "\(outcome.errors)")
    }

    /// What is only slow goes on, and the bits are those of every run.
    @Test func stoppedAndContinued() throws {
        let errors = Pipe(),
            process = try Program.start(
                volume.training("run") + ["--stall-timeout", "6s"], ranks: 3, errors: errors, output: Pipe(),
                environment: ["UNET_TEST_FAULT": "0:12:backward:stop"])
        let reader = Program.Reader(errors), lock = volume.folder / "run/lock"
        var rank: Int32?, isStopped = false
        for _ in 0..<3000 where process.isRunning && !isStopped {
            if rank == nil, let text = try? Data(contentsOf: URL(fileURLWithPath: lock)) {
                rank = ((try? JSONSerialization.jsonObject(with: text)) as? [String: Any])?["process"] as? Int32
            }
            if let rank { isStopped = (try? String(contentsOfFile: "/proc/\(rank)/stat", encoding: .utf8))?.contains(") T ") ?? false }
            usleep(10_000)
        }
        #expect(isStopped)
        usleep(4_500_000)
        kill(try #require(rank), SIGCONT)
        process.waitUntilExit()
        let text = reader.text()
        #expect(process.terminationStatus == 0, "\(text)")
        #expect(
            text.contains("warning: rank 0 (\(Self.host)), last heard of") && text.contains("warning: the ranks go on, after"), "\(text)")
        #expect(try run(nil, output: "undisturbed", ranks: 0).status == 0)
        #expect(try state("run") == state("undisturbed"))
    }

    @Test(arguments: [("2:12:update:differ", "before the update of step 13", 10), ("1:15:update:differ", "before saving step 15", 10)])
    func replicasThatDiffer(_ fault: String, moment: String, last: Int) throws {
        let outcome = try run(fault)
        #expect(outcome.status == 76 && outcome.seconds < 10 * ProgramRun.patience, "\(outcome.errors)")
        let line = try #require(outcome.errors.split(separator: "\n").first { $0.contains(moment) }, "\(outcome.errors)")
        let values = line.components(separatedBy: "parameters ").dropFirst().map { $0.prefix(8) }
        #expect(values.count == 3 && Set(values).count == 2 && values[0] != values[Int(fault.prefix(1))!], "\(line)")
        try expectResumption(from: last)
    }

    /// mpirun with other arguments, or another program, for the second of three ranks.
    func mixed(_ program: String, _ arguments: [String]) throws -> Program.Outcome {
        let process = Process(), errors = Pipe(), began = ContinuousClock.now
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.environment = ProcessInfo.processInfo.environment.merging(MPILauncher.environment) { $1 }
        process.arguments =
            MPILauncher.command(ranks: 1) + [Program.path]
            + volume.training("mixed") + [":", "-np", "1", program] + arguments + [":", "-np", "1", Program.path] + volume.training("mixed")
        process.standardError = errors
        process.standardOutput = Pipe()
        try process.run()
        let text = String(decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        return Program.Outcome(
            status: process.terminationStatus, output: "", errors: text, seconds: (ContinuousClock.now - began) / .seconds(1))
    }

    @Test func ranksOfDifferentConfiguration() throws {
        // The second would even do another number of collectives.
        let outcome = try mixed(Program.path, volume.training("mixed", steps: 20, "--seed", "5", "--validate-every", "3", "--threads", "2"))
        #expect(outcome.status == 76 && outcome.seconds < 10 * ProgramRun.patience, "\(outcome.errors)")
        #expect(
            outcome.count("seed is 0 on ranks 0, 2 and 5 on rank 1; validate-every is 10 on ranks 0, 2 and 3 on rank 1") == 1,
            "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: volume.folder / "mixed"))
    }

    @Test func ranksOfDifferentProgramVersions() throws {
        // Another build: its file differs by what follows the program.
        let other = volume.folder / "unet-mpi"
        try FileManager.default.copyItem(atPath: Program.path, toPath: other)
        let handle = try #require(FileHandle(forWritingAtPath: other))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("x".utf8))
        try handle.close()
        let outcome = try mixed(other, volume.training("mixed"))
        #expect(outcome.status == 76 && outcome.seconds < 10 * ProgramRun.patience, "\(outcome.errors)")
        #expect(
            outcome.count("program is \(programVersion), build ") == 1 && outcome.count(" on rank 1. Start all") == 1, "\(outcome.errors)")
    }

    /// The system refuses rank 0 to write more than 64 KiB to a file: half way through the first checkpoint.
    @Test func fullDisk() throws {
        let command = ([Program.path] + volume.training("run", steps: 20, "--base-channels", "16")).map { "'\($0)'" }.joined(separator: " ")
        let script = volume.folder.file(
            "limited",
            "#!/bin/sh\nif [ \"${OMPI_COMM_WORLD_RANK:-$PMI_RANK}\" = 0 ]; then trap '' XFSZ; ulimit -f 128; fi\nexec \(command)\n")
        let process = Process(), errors = Pipe(), began = ContinuousClock.now
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.environment = ProcessInfo.processInfo.environment.merging(MPILauncher.environment) { $1 }
            .merging(MPILauncher.withoutFiles) { $1 }
        process.arguments = MPILauncher.command(ranks: 3) + ["sh", script]
        process.standardError = errors
        process.standardOutput = Pipe()
        try process.run()
        let text = String(decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 74 && (ContinuousClock.now - began) / .seconds(1) < 10, "\(text)")
        let lines = text.split(separator: "\n").filter { $0.contains("step-00000005.h5") }
        #expect(lines.count == 1 && lines[0].hasPrefix("rank 0 (\(Self.host)): ") && lines[0].contains("File too large"), "\(text)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: volume.folder / "run/checkpoints").isEmpty)
        let resumed = try run(nil, "--base-channels", "16")
        #expect(resumed.status == 0, "\(resumed.errors)")
    }

    /// SIGTERM to mpirun itself leaves the ranks a second; the last checkpoint is intact all the same.
    @Test func terminatedLauncher() throws {
        let errors = Pipe(), process = try Program.start(volume.training("run", steps: 100_000), ranks: 3, errors: errors, output: Pipe())
        let reader = Program.Reader(errors)
        while process.isRunning,
            (try? String(contentsOfFile: volume.folder / "run/log.jsonl", encoding: .utf8))?.contains("\"step\":12,") != true
        {
            usleep(10_000)
        }
        let began = ContinuousClock.now
        kill(process.processIdentifier, SIGTERM)
        process.waitUntilExit()
        #expect(process.terminationStatus != 0 && ContinuousClock.now - began < .seconds(10), "\(reader.text())")
        let steps = try FileManager.default.contentsOfDirectory(atPath: volume.folder / "run/checkpoints").compactMap {
            $0.hasPrefix("step-") && $0.hasSuffix(".h5") ? Int($0.dropFirst(5).dropLast(3)) : nil
        }
        let last = try #require(steps.max()), end = last + 3
        #expect(try Program.run(volume.training("run", steps: end), ranks: 2).status == 0)
        #expect(try Program.run(volume.training("undisturbed", steps: end), ranks: 0).status == 0)
        #expect(try state("run", step: end) == state("undisturbed", step: end))
    }

    @Test(arguments: [0, 3]) func timeLimit(ranks: Int) throws {
        let outcome = try Program.run(volume.training("run", steps: 1_000_000, "--time-limit", "4s"), ranks: ranks, limit: 30)
        #expect(outcome.status == 75 && outcome.seconds < 6 * ProgramRun.patience, "\(outcome.seconds) s: \(outcome.errors)")
        #expect(outcome.count("stopped by the time limit after step ") == 1 && outcome.count("(--time-limit 4s)") == 1, "\(outcome.errors)")
        let steps = try FileManager.default.contentsOfDirectory(atPath: volume.folder / "run/checkpoints").compactMap {
            Int($0.dropFirst(5).dropLast(3))
        }
        let last = try #require(steps.max()), end = last + 3
        #expect(last > 20)
        // Without a limit of its own it would end at Slurm's.
        let slurm = ["SLURM_JOB_ID": "1", "SLURM_JOB_END_TIME": "\(Int(Date().timeIntervalSince1970) + 4)"]
        let granted = try Program.run(volume.training("run", steps: 1_000_000), ranks: ranks, limit: 30, environment: slurm)
        #expect(granted.status == 75 && granted.errors.contains("(Slurm's SLURM_JOB_END_TIME)"), "\(granted.errors)")
        let unlimited = try Program.run(
            volume.training("other", steps: end, "--time-limit", "none"), ranks: ranks, environment: slurm)
        #expect(unlimited.status == 0 && !unlimited.errors.contains("to be done by"), "\(unlimited.errors)")
    }

    /// A step whose loss or gradient is not finite, on one rank and on three.
    @Test func skippedSteps() throws {
        let stopped = try run("1:12:forward:nan", output: "stopped")
        #expect(
            stopped.status == 77 && stopped.count("the loss is nan at step 12") == 1 && stopped.errors.contains("; position "),
            "\(stopped.errors)")
        let fault = "0:12:forward:nan", skip = ["--on-nonfinite", "skip"]
        let alone = try Program.run(volume.training("run") + skip, environment: ["UNET_TEST_FAULT": fault])
        #expect(alone.status == 0, "\(alone.errors)")
        #expect(
            alone.count("the loss is nan at step 12, epoch 12, samples slice ") == 1 && alone.errors.contains("; position 44); its update"),
            "\(alone.errors)")
        #expect(alone.count("1 of 20 steps were left out") == 1, "\(alone.errors)")
        let log = try String(contentsOfFile: volume.folder / "run/log.jsonl", encoding: .utf8)
        #expect(log.contains("{\"step\":12,\"epoch\":12,\"loss\":null,\"skipped_steps\":1}"), "\(log)")
        // Three ranks, and a stop in between.
        let first = try Program.run(
            volume.training("three", steps: 15) + skip, ranks: 3, environment: ["UNET_TEST_FAULT": "1:12:forward:nan"])
        let second = try Program.run(volume.training("three") + skip, ranks: 2)
        #expect(
            first.status == 0 && second.status == 0 && second.count("1 of 20 steps were left out") == 1, "\(first.errors)\(second.errors)")
        #expect(try state("three") == state("run"))
        #expect(try run(nil, output: "undisturbed", ranks: 0).status == 0)
        #expect(try state("undisturbed") != state("run"))
    }
}
