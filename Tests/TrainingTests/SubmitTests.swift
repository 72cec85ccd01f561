import Foundation
import Testing
import Training

/// Batch scripts: what they say, that shells understand them, what they do with each way in which a training can end, and that they are queued.
@Suite struct SubmitTests {
    let folder = TemporaryFolder()
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    /// Runs a command in the test's folder with its `bin` first on the PATH.
    func shell(_ command: [String], _ environment: [String: String] = [:]) throws -> (status: Int32, output: String, errors: String) {
        let process = Process(), output = Pipe(), errors = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
        var variables = ProcessInfo.processInfo.environment
        variables["PATH"] = "\(folder / "bin"):\(variables["PATH"] ?? "")"
        process.environment = variables.merging(environment) { $1 }
        (process.standardOutput, process.standardError) = (output, errors)
        try Program.withoutBlockedSignals { try process.run() }
        let reader = Program.Reader(errors)
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text, reader.text())
    }

    /// A program of the batch system that notes its arguments and does as `body` says.
    func fake(_ name: String, _ body: String) throws {
        try FileManager.default.createDirectory(atPath: folder / "bin", withIntermediateDirectories: true)
        let path = folder.file("bin/\(name)", "#!/bin/bash\necho \"\(name) $*\" >>'\(folder / "calls")'\n\(body)\n")
        chmod(path, 0o755)
    }

    func calls() -> [String] {
        ((try? String(contentsOfFile: folder / "calls", encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
    }

    func script(_ scheduler: BatchScript.Scheduler, options: [String]?) -> BatchScript {
        var script = BatchScript(scheduler, nodes: 3, time: TimeSpan(seconds: 100_000))
        (script.tasksPerNode, script.cpusPerTask, script.options) = (2, 8, options)
        (script.program, script.path, script.log) = ("unet-mpi", folder / "job", folder / "job.log")
        return script
    }

    // MARK: - Text

    @Test func directives() throws {
        let slurm = script(.slurm, options: ["--output", "r"]).text
        for line in [
            "--nodes=3", "--ntasks-per-node=2", "--cpus-per-task=8", "--time=1-03:46:40", "--requeue", "--open-mode=append",
            "--signal=B:USR1@120", "--output=\(folder / "job.log")",
        ] { #expect(slurm.contains("\n#SBATCH \(line)\n"), "\(line)") }
        #expect(slurm.contains("--kill-on-bad-exit=1"))
        let pbs = script(.pbs, options: ["--output", "r"]).text
        for line in ["-l select=3:ncpus=16:mpiprocs=2:ompthreads=8", "-l walltime=27:46:40", "-r y"] {
            #expect(pbs.contains("\n#PBS \(line)\n"), "\(line)")
        }
    }

    @Test(arguments: BatchScript.Scheduler.allCases) func shellsUnderstandIt(_ scheduler: BatchScript.Scheduler) throws {
        var script = script(scheduler, options: ["--images", "it's a \"test\" $HOME.tif", "--output", "runs/a b"])
        script.setup = ["module() { echo \"$*\"; }", "module load openmpi"]
        script.schedulerOptions = ["--partition=long"]
        for (index, text) in [script.text, self.script(scheduler, options: nil).text].enumerated() {
            let path = folder.file("script\(index)", text)
            let outcome = try shell(["bash", "-n", path])
            #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
            // Directives end at the first command.
            let lines = text.split(separator: "\n"), first = try #require(lines.firstIndex { !$0.hasPrefix("#") })
            #expect(!lines[first...].contains { $0.hasPrefix("#SBATCH") || $0.hasPrefix("#PBS") })
        }
    }

    /// The examples are what the program writes.
    @Test func examplesAreWrittenByTheProgram() throws {
        for (name, scheduler) in [("slurm/train.sbatch", "slurm"), ("pbs/train.pbs", "pbs")] {
            let outcome = try Program.run([
                "submit", "--scheduler", scheduler, "--nodes", "2", "--cpus-per-task", "16", "--time", "8h", "--print",
            ])
            let example = try String(contentsOfFile: "\(root)/examples/\(name)", encoding: .utf8)
            #expect(outcome.status == 0 && outcome.output == example, "run scripts/generate: \(name)")
        }
    }

    // MARK: - What they do

    /// Every end of a training, under a launcher that is not there: queued again on 75 and 76 alone, and not for ever.
    @Test(arguments: [(0, 0, false), (75, 0, true), (76, 0, true), (75, 3, false), (65, 0, false), (77, 1, false), (137, 0, false)])
    func slurmEnds(_ status: Int, _ count: Int, _ again: Bool) throws {
        let options = ["--images", "it's a \"test\" $HOME.tif", "--output", "runs/a b"]
        try fake("srun", "printf '%s\\n' \"${@:4}\" >'\(folder / "arguments")'; exit \(status)")
        try fake("scontrol", "exit 0")
        try fake("sleep", "exit 0")
        let path = folder.file("job.sbatch", script(.slurm, options: options).text)
        let outcome = try shell(
            ["bash", path],
            ["SLURM_JOB_ID": "17", "SLURM_RESTART_COUNT": "\(count)", "UNET_RESTARTS": "3", "SLURM_CPUS_PER_TASK": "8"])
        #expect(calls().contains("scontrol requeue 17") == again, "\(calls())")
        #expect(calls()[0].hasPrefix("srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task=8 unet-mpi train"))
        #expect(
            try String(contentsOfFile: folder / "arguments", encoding: .utf8) == (["unet-mpi", "train"] + options).joined(separator: "\n")
                + "\n")
        if !again { #expect(outcome.status == status) }
        #expect(outcome.errors.isEmpty == (status == 0), "\(outcome.errors)")
    }

    @Test(arguments: [(0, 0, false), (75, 0, true), (75, 3, false), (66, 0, false)])
    func pbsEnds(_ status: Int, _ count: Int, _ again: Bool) throws {
        try fake("mpirun", "exit \(status)")
        try fake("qsub", "exit 0")
        try fake("ompi_info", "exit 0")
        let path = folder.file("job.pbs", script(.pbs, options: ["--output", "r"]).text)
        let outcome = try shell(
            ["bash", path],
            [
                "PBS_O_WORKDIR": folder.path, "PBS_NODEFILE": "hosts", "NCPUS": "8", "UNET_RESTART": "\(count)", "UNET_RESTARTS": "3",
                "UNET_SCRIPT": path,
            ])
        #expect(
            calls().first { $0.hasPrefix("mpirun") }
                == "mpirun --map-by slot:PE=8 --bind-to core --hostfile hosts unet-mpi train --output r")
        let queued = calls().filter { $0.hasPrefix("qsub") }
        #expect(
            queued == (again ? ["qsub -v UNET_RESTART=\(count + 1),UNET_RESTARTS=3,UNET_MPI=unet-mpi,UNET_SCRIPT=\(path) \(path)"] : []))
        if !again { #expect(outcome.status == status, "\(outcome.errors)") }
    }

    /// SIGTERM to the script becomes SIGUSR1 to the launcher, and the script waits for what it makes of it.
    @Test func signalsArePassedOn() throws {
        try fake(
            "srun", "trap 'echo got USR1 >>\"\(folder / "calls")\"; exit 75' USR1\nfor k in {1..100}; do /bin/sleep 0.05; done; exit 1")
        try fake("scontrol", "exit 0")
        try fake("sleep", "exit 0")
        let path = folder.file("job.sbatch", script(.slurm, options: ["--output", "r"]).text)
        let outcome = try shell(
            [
                "bash", "-c",
                "bash \(path) & job=$!; while ! grep -q srun calls 2>/dev/null; do /bin/sleep 0.02; done; /bin/sleep 0.2; kill -TERM $job; wait $job",
            ],
            ["SLURM_JOB_ID": "18"])
        #expect(calls().contains("got USR1") && calls().contains("scontrol requeue 18"), "\(calls()) \(outcome.errors)")
    }

    // MARK: - The command

    @Test func isQueued() throws {
        let volume = try SmallVolume()
        let arguments = [
            "submit", "--scheduler", "slurm", "--nodes", "2", "--time", "45m", "--scheduler-option", "--partition=long", "--setup",
            "module load openmpi", "--", "--images", volume.images, "--labels", volume.labels, "--output", folder / "runs/a b",
        ]
        try fake("sbatch", "echo Submitted batch job 4711")
        let path = ["PATH": "\(folder / "bin"):\(ProcessInfo.processInfo.environment["PATH"] ?? "")"]
        let outcome = try Program.run(arguments, environment: path)
        #expect(outcome.status == 0 && outcome.output == "Submitted batch job 4711\n", "\(outcome.errors)")
        #expect(calls() == ["sbatch \(folder / "runs/a b.sbatch")"])
        let text = try String(contentsOfFile: folder / "runs/a b.sbatch", encoding: .utf8)
        #expect(
            text.contains("#SBATCH --time=00:45:00\n") && text.contains("#SBATCH --partition=long\n")
                && text.contains("\nmodule load openmpi\n"))
        #expect(text.contains("--output '\(folder / "runs/a b")'") && text.contains("program=${UNET_MPI:-\(Program.path)}"), "\(text)")

        try fake("sbatch", "echo 'invalid partition' >&2; exit 1")
        let refused = try Program.run(arguments, environment: path)
        #expect(refused.status == 74 && refused.errors.contains("invalid partition"), "\(refused.errors)")
        let absent = try Program.run(arguments, environment: ["PATH": "/nowhere"])
        #expect(absent.status == 66 && absent.errors.contains("sbatch: there is no such command"), "\(absent.errors)")
        let wrong = try Program.run(arguments + ["--batch-size", "0"], environment: path)
        #expect(wrong.status == 64 && wrong.errors.contains("--batch-size 0"), "\(wrong.errors)")
        let unknown = try Program.run(arguments + ["--bach-size", "2"], environment: path)
        #expect(unknown.status == 64 && unknown.errors.contains("--bach-size"), "\(unknown.errors)")
        for bad in [["--time", "10"], ["--nodes", "0"], ["--restarts", "100001"]] {
            let outcome = try Program.run(["submit", "--scheduler", "pbs", "--nodes", "1", "--time", "1h"] + bad + ["--print"])
            #expect(outcome.status == 64 && outcome.errors.contains(bad[1]), "\(outcome.errors)")
        }
        #expect(try Program.run(["submit", "--scheduler", "pbs", "--nodes", "1", "--time", "1h"]).status == 64)
    }
}
