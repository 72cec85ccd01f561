import Foundation
import TestSupport
import Testing
import Training

/// `unet-mpi doctor`, alone and on several ranks.
@Suite(.serialized) struct DoctorTests {
    let folder = TemporaryFolder()

    func examine(_ arguments: String..., ranks: Int = 0, status: Int32 = 0, environment: [String: String] = [:]) throws -> [String:
        [DoctorReport.Finding]]
    {
        struct Object: Decodable {
            var verdict: DoctorReport.Severity
            var findings: [DoctorReport.Finding]
        }
        let outcome = try Program.run(["doctor", "--json"] + arguments, ranks: ranks, environment: environment)
        #expect(outcome.status == status && outcome.output.split(separator: "\n").count == 1, "\(outcome.output)\(outcome.errors)")
        let object = try JSONDecoder().decode(Object.self, from: Data(outcome.output.utf8))
        #expect(object.verdict == object.findings.map(\.severity).max() && (object.verdict == .error) == (status == 1), "\(outcome.output)")
        // Whatever is not well comes with what to do.
        #expect(object.findings.allSatisfy { $0.severity == .ok || $0.cure != nil || $0.subject == "launcher" }, "\(outcome.output)")
        return Dictionary(grouping: object.findings, by: \.subject)
    }

    @Test(arguments: [0, 1, 3]) func whatEveryoneHas(ranks: Int) throws {
        let found = try examine("--output", folder.path, ranks: ranks)
        for subject in ["MPI", "threads", "instructions", "OpenBLAS", "memory", "output", "locks", "HDF5", "room"] {
            #expect(found[subject] != nil, "\(subject) of \(found.keys.sorted())")
        }
        #expect(found["locks"]?[0].severity == .ok && found["HDF5"]?[0].severity == .ok)
        #expect(found["output"]?[0].text.contains("MB/s") == true)
        if ranks > 0 {
            #expect(
                found["launcher"]?[0].text
                    == "\(MPILauncher.isMPICH ? "PMI" : "Open MPI"), \(ranks) rank\(ranks == 1 ? "" : "s") that know of each other")
            #expect(found["hosts"]?[0].text == "1: \(ProcessInfo.processInfo.hostName) (\(ranks))")
            #expect(found["program"]?[0].text.hasPrefix("\(programVersion), build ") == true)
        }
        #expect((found["network"] != nil) == (ranks > 1))
        // It leaves nothing behind.
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }

    @Test func foldersThatDoNotServe() throws {
        let missing = try examine("--output", folder / "none", ranks: 2, status: 1)
        #expect(missing["output"]?[0].severity == .error && missing["output"]?[0].text == "\(folder / "none") does not exist")
        let file = try examine("--output", folder.file("plain", "a file"), status: 1)
        #expect(file["output"]?[0].text.hasSuffix("is a file") == true)
        // Nobody, not even root, writes there.
        let system = DoctorReport.Severity.error
        #expect(Doctor.examine(folder: "/proc", probe: "probe").findings.map(\.severity) == [system])
        let memory = Doctor.examine(folder: "/dev/shm", probe: ".doctor-test")
        unlink("/dev/shm/.doctor-test")
        #expect(memory.findings.contains { $0.text.contains("is in memory") && $0.severity == .warning }, "\(memory.text)")
    }

    /// Each of four processes that a foreign launcher started finds itself alone.
    @Test func ranksThatEachBelieveTheyAreAlone() throws {
        let found = try examine(status: 1, environment: ["PMI_RANK": "0", "PMI_SIZE": "4"])
        #expect(found["launcher"]?[0].text.contains("one of 4 processes, but each finds itself alone") == true)
        let other = try Program.run(["doctor"], environment: ["PMI_RANK": "1", "PMI_SIZE": "4"])
        #expect(other.status == 1 && other.output.isEmpty, "\(other.output)")
    }

    @Test func theTextForPeople() throws {
        let outcome = try Program.run(["doctor"], ranks: 2)
        #expect(outcome.status == 0)
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("OK ") }.count > 5, "\(outcome.output)")
        #expect(lines.last == "all is well" || lines.last?.hasSuffix("training works, but see above") == true, "\(outcome.output)")
        // Two ranks of two threads on two cores are named with the flag that cures it; doctor itself asks for what is right.
        var report = DoctorReport()
        report.add("a", .ok, "fine")
        report.add("binding", .warning, "crowded", cure: "use fewer")
        #expect(
            report.text
                == "OK       a        fine\nwarning  binding  crowded\n                  -> use fewer\n1 warning: training works, but see above"
        )
        #expect(report.exitStatus == 0)
        report.add("c", .error, "broken", cure: "mend")
        #expect(report.exitStatus == 1 && report.text.hasSuffix("1 error, 1 warning: training will not work like this"))
    }

    /// With Slurm's end of the job in the environment.
    @Test func theTimeThatIsLeft() throws {
        let end = Int(Date().timeIntervalSince1970) + 3600
        let found = try examine(environment: ["SLURM_JOB_ID": "1", "SLURM_JOB_END_TIME": "\(end)"])
        #expect(found["time limit"]?[0].text.contains("m") == true && found["time limit"]?[0].text.contains("SLURM_JOB_END_TIME") == true)
        #expect(try examine(environment: ["PBS_JOBID": "1"])["time limit"]?[0].severity == .warning)
    }
}
