import Foundation
import Testing
import Training

/// Lengths of time, what batch systems grant, and when a run has to end.
@Suite struct TimeLimitTests {
    @Test(arguments: [
        ("90s", 90.0, "1m30s"), ("45m", 2700, "45m"), ("8h", 28_800, "8h"), ("1d12h", 129_600, "1d12h"), ("2.5s", 2.5, "2.5s"),
        ("8:00:00", 28_800, "8h"), ("1-12:00:00", 129_600, "1d12h"), ("0:01:30", 90, "1m30s"), ("1h30m", 5400, "1h30m"), ("0s", 0, "0s"),
    ])
    func timeSpans(_ text: String, seconds: Double, plain: String) {
        #expect(TimeSpan(text)?.seconds == seconds && TimeSpan(text)?.description == plain)
        #expect(TimeSpan(plain)?.seconds == seconds)
    }

    @Test(arguments: ["", "90", "8:00", "h", "1m1h", "1h1h", "-1h", "8:60:00", "1-", "1:2:3:4", "1e3s", "infs", "x-1:00:00", "1,5h", "١h"])
    func whatIsNoTimeSpan(_ text: String) { #expect(TimeSpan(text) == nil) }

    @Test func batchSystems() throws {
        func grant(_ environment: [String: String], _ outputs: [String: String] = [:]) -> BatchSystem.Grant? {
            BatchSystem.grant(environment: environment) { outputs[$0[0]] }
        }
        #expect(grant([:]) == nil)
        #expect(grant(["SLURM_JOB_END_TIME": "1764000000"]) == nil)
        #expect(grant(["SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": "1764000000"])?.end == 1_764_000_000)
        var noon = DateComponents(timeZone: .current, year: 2026, month: 3, day: 4, hour: 12)
        noon.calendar = Calendar(identifier: .gregorian)
        let start = try #require(noon.date).timeIntervalSince1970
        #expect(grant(["SLURM_JOB_ID": "7"], ["squeue": "2026-03-04T12:00:00\n"])?.end == start)
        #expect(grant(["SLURM_JOB_ID": "7"], ["squeue": "N/A\n"]) == nil)
        #expect(grant(["SLURM_JOB_ID": "7"]) == nil)
        let description = """
            Job Id: 12.server
                Job_Name = train
                resources_used.walltime = 00:00:12
                Resource_List.walltime = 08:00:00
                stime = Wed Mar  4 12:00:00 2026

            """
        #expect(grant(["PBS_JOBID": "12.server"], ["qstat": description])?.end == start + 8 * 3600)
        #expect(grant(["PBS_JOBID": "12.server"], ["qstat": description.replacingOccurrences(of: "stime", with: "qtime")]) == nil)
        #expect(grant(["PBS_JOBID": "12.server"]) == nil)
    }

    @Test func commandsThatFailOrAreMissing() {
        #expect(BatchSystem.output(of: ["echo", "x"]) == "x\n")
        #expect(BatchSystem.output(of: ["false"]) == nil)
        #expect(BatchSystem.output(of: ["no-such-command"]) == nil)
    }

    @Test func aStepIsOnlyBegunWhenItFits() {
        func keeper(_ limit: TimeLimit, age: Double = 0, bytes: Int = 0) -> TimeKeeper {
            TimeKeeper(limit, checkpointBytes: bytes, now: 1000, age: age) { BatchSystem.Grant(end: 1500, origin: "test") }
        }
        let hour = TimeLimit.after(TimeSpan(seconds: 3600))
        #expect(keeper(.none).deadline == nil && !keeper(.none).isLastStep(1e12))
        #expect(keeper(.automatic).deadline == 1500 && keeper(hour, age: 10).deadline == 4590)
        // The slack: 30 s, or a twentieth of a short time.
        #expect(keeper(hour).margin == 30 && keeper(.after(TimeSpan(seconds: 100))).margin == 5)
        // A gigabyte until it is known better.
        #expect(keeper(hour, bytes: 1_000_000_000).margin == 30 + 2 * 20)
        var time = keeper(hour)
        time.stepEnded(1000)
        time.stepEnded(1010)
        time.stepEnded(1014)
        time.saved(in: 3)
        #expect(time.margin == 15 + 6 + 30)
        // At 4600 everything is over; this step takes 10 s, and 51 s must be left for another.
        #expect(!time.isLastStep(4600 - 61.5) && time.isLastStep(4600 - 61))
    }
}
