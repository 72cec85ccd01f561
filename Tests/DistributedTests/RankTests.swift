import DataParallel
import TestSupport
import Testing

/// Runs the checks of `mpi-checks` on several ranks of this machine. A missing `mpirun` and a hang are failures.
@Suite(.serialized)
struct RankTests {
    @Test(
        arguments: ["collectives", "messages", "agree", "placement", "reduction", "reduction-fast", "samples", "labels", "allocation"],
        [1, 2, 3, 4, 8])
    func holds(check: String, ranks: Int) throws {
        let run = try ProgramRun.run("mpi-checks", [check], ranks: ranks)
        #expect(run.status == 0, "\(run)")
    }

    @Test("The full U-Net's gradient", arguments: [2, 3])
    func reducesFullGradient(ranks: Int) throws {
        let run = try ProgramRun.run("mpi-checks", ["reduction-full"], ranks: ranks)
        #expect(run.status == 0, "\(run)")
    }

    @Test("Many blocks, more of them on one rank than on another", arguments: [2, 3])
    func reducesManyBlocks(ranks: Int) throws {
        let run = try ProgramRun.run("mpi-checks", ["reduction-many"], ranks: ranks)
        #expect(run.status == 0, "\(run)")
    }

    @Test("Ranks of a host share memory, or say why not", arguments: [1, 2, 3, 4, 8])
    func sharesMemory(ranks: Int) throws {
        let run = try ProgramRun.run("mpi-checks", ["shared-memory"], ranks: ranks)
        #expect(run.status == 0, "\(run)")
    }

    @Test("Bits that flip are found and blamed on their rank", arguments: [3, 4])
    func findsFlippedBits(ranks: Int) throws {
        let run = try ProgramRun.run("mpi-checks", ["verification"], ranks: ranks)
        #expect(run.status == 0, "\(run)")
    }

    @Test("More bytes than a 32-bit count holds")
    func sendsLargeMessage() throws {
        let run = try ProgramRun.run("mpi-checks", ["large-message"], ranks: 2)
        #expect(run.status == 0, "\(run)")
    }

    @Test("Without a launcher one rank serves, and MPI is not initialised")
    func worksAlone() throws {
        let run = try ProgramRun.run("mpi-checks", ["alone"])
        #expect(run.status == 0, "\(run)")
    }
}

/// What is left of a job when something fails: its exit status, one line, and no waiting.
@Suite(.serialized)
struct FailureTests {
    /// The lines of standard error that speak of the failure; the rest is `mpirun`'s.
    private func lines(_ run: ProgramRun, containing text: String) -> [String] {
        run.errors.split(separator: "\n").map(String.init).filter { $0.contains(text) }
    }

    @Test("One rank throws while the others wait for it", arguments: ["fail-alone", "fail-overlapped"], [1, 2, 3, 4, 8])
    func endsForOneRank(check: String, ranks: Int) throws {
        let run = try ProgramRun.run("mpi-checks", [check], ranks: ranks)
        #expect(run.status == 66, "\(run)")
        #expect(run.seconds < 10 * ProgramRun.patience, "\(run)")
        let lines = lines(run, containing: "train.tif")
        #expect(lines.count == 1, "\(run)")
        let message = "train.tif: cannot read slice 17"
        if ranks == 1 {
            #expect(lines.first == message)
        } else {
            #expect(lines.first?.hasPrefix("rank \(ranks / 2) (") == true && lines.first?.hasSuffix("): \(message)") == true, "\(run)")
        }
    }

    @Test("All ranks agree on the failure of one", arguments: [1, 2, 3, 8])
    func endsTogether(ranks: Int) throws {
        let run = try ProgramRun.run("mpi-checks", ["fail-agreed"], ranks: ranks)
        #expect(run.status == 65, "\(run)")
        #expect(run.seconds < 10 * ProgramRun.patience, "\(run)")
        let lines = lines(run, containing: "train.tif")
        #expect(lines.count == 1, "\(run)")
        let message = "train.tif: bad slice"
        if ranks == 1 {
            #expect(lines.first == message)
        } else {
            let end = "), reading the batch: \(message)"
            #expect(lines.first?.hasPrefix("rank \(ranks - 1) (") == true && lines.first?.hasSuffix(end) == true, "\(run)")
        }
    }

    @Test("abort flushes, says nothing, and keeps the status", arguments: [nil, 1, 3])
    func aborts(ranks: Int?) throws {
        let run = try ProgramRun.run("mpi-checks", ["abort"], ranks: ranks)
        #expect(run.status == 75, "\(run)")
        #expect(run.seconds < 10 * ProgramRun.patience, "\(run)")
        #expect(run.output == "printed before the end", "\(run)")
        #expect(!run.errors.contains("rank \((ranks ?? 1) - 1) ("), "\(run)")
        if ranks == nil { #expect(run.errors.isEmpty, "\(run)") }
    }

    @Test("A rank that does not come to where the watching begins holds nobody for long", arguments: [2, 3])
    func endsWhereOneDoesNotBegin(ranks: Int) throws {
        let run = try ProgramRun.run("mpi-checks", ["absent"], ranks: ranks)
        #expect(
            MPILauncher.startupTimeoutStatuses.contains(run.status) && run.seconds > 5 && run.seconds < 15 * ProgramRun.patience, "\(run)")
        let lines = lines(run, containing: "the exchange of host names has not returned for 5 s")
        #expect(lines.count == 1 && lines[0].hasPrefix("rank 0 ("), "\(run)")
    }

    @Test("An error of MPI is thrown, with its class in words")
    func throwsMPIErrors() throws {
        let run = try ProgramRun.run("mpi-checks", ["mpi-error"], ranks: 3)
        #expect(run.status == 76, "\(run)")
        #expect(run.seconds < 10 * ProgramRun.patience, "\(run)")
        // MPICH has its own words, which name the class and what failed inside, not the truncation.
        let words = MPILauncher.isMPICH ? "class 15" : "truncat"
        #expect(lines(run, containing: "MPI_Ibcast failed").first?.contains(words) == true, "\(run)")
    }

    @Test("Errors of a program alone")
    func endsAlone() throws {
        let failed = try ProgramRun.run("mpi-checks", ["fail-alone"])
        #expect(failed.status == 66 && failed.errors == "train.tif: cannot read slice 17\n", "\(failed)")
        let unknown = try ProgramRun.run("mpi-checks", ["no-such-check"])
        #expect(unknown.status == 64 && unknown.errors.hasPrefix("usage: "), "\(unknown)")
    }

    @Test(
        "Ranks that each believe they are alone",
        arguments: [
            ["SLURM_STEP_ID": "0", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "4"],
            ["PMI_RANK": "1", "PMI_SIZE": "4"],
        ])
    func refusesForeignLauncher(environment: [String: String]) throws {
        let run = try ProgramRun.run("mpi-checks", ["alone"], environment: environment)
        #expect(run.status == 64, "\(run)")
        #expect(run.errors.hasPrefix("this is one of 4 processes, but each finds itself alone"), "\(run)")
        #expect(run.errors.split(separator: "\n").count == 1, "\(run)")
    }
}
