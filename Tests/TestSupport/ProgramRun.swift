import Foundation

/// One run of a program that this package builds, alone or as ranks under `mpirun`, and what came of it.
public struct ProgramRun: CustomStringConvertible, Sendable {
    /// The command, for messages.
    public let command: String
    /// The exit status; 128 + the number of the signal that ended it.
    public let status: Int32
    /// What it wrote to standard output.
    public let output: String
    /// What it wrote to standard error.
    public let errors: String
    /// Wall-clock time in seconds.
    public let seconds: Double
    /// Whether it had to be stopped because its time was over.
    public let isTimedOut: Bool

    /// Everything that is known about the run.
    public var description: String {
        "\(command): status \(status) after \(seconds) s\(isTimedOut ? ", stopped because its time was over" : "")\n\(output)\(errors)"
    }

    /// Why a program could not be run at all.
    public struct Failure: Error, CustomStringConvertible {
        /// One line.
        public let description: String
    }

    /// How many times as long as usual programs may take: the variable UNET_TEST_PATIENCE, for machines, or sanitizers, that make them slow.
    public static let patience = ProcessInfo.processInfo.environment["UNET_TEST_PATIENCE"].flatMap { Double($0) } ?? 1

    /// Variables by which a program would take itself for a rank of the job that the tests run in.
    private static let launcherPrefixes = ["OMPI_", "PMIX_", "PMI_", "SLURM_"]

    /// Runs `program`, from the folder that the tests were built into, and waits for its end.
    ///
    /// - Parameters:
    ///   - program: the product's name.
    ///   - arguments: its arguments.
    ///   - ranks: how many under `mpirun`, on this machine however few cores it has; `nil` starts it without a launcher.
    ///   - cluster: hosts for the ranks to run on, instead of this machine.
    ///   - environment: variables to add to the process's own.
    ///   - timeout: seconds after which it is stopped, times `patience`.
    public static func run(
        _ program: String, _ arguments: [String], ranks: Int? = nil, on cluster: VirtualCluster? = nil, environment: [String: String] = [:],
        timeout: Double = 240
    ) throws -> ProgramRun {
        guard let tests = Bundle.main.executableURL else { throw Failure(description: "the test program does not know where it lies") }
        let executable = tests.resolvingSymlinksInPath().deletingLastPathComponent().appendingPathComponent(program)
        guard FileManager.default.isExecutableFile(atPath: executable.path) else {
            throw Failure(description: "\(executable.path) has not been built")
        }
        var variables = ProcessInfo.processInfo.environment
        let process = Process()
        if let ranks, let cluster {
            let command = cluster.launcher(ranks: ranks) + [executable.path] + arguments
            process.executableURL = URL(fileURLWithPath: command[0])
            process.arguments = Array(command.dropFirst())
        } else if let ranks {
            let launcher = MPILauncher.command(ranks: ranks)
            process.executableURL = try find(launcher[0])
            process.arguments = launcher.dropFirst() + [executable.path] + arguments
            variables.merge(MPILauncher.environment) { $1 }
        } else {
            process.executableURL = executable
            process.arguments = arguments
            variables = variables.filter { name, _ in !launcherPrefixes.contains { name.hasPrefix($0) } }
        }
        process.environment = variables.merging(environment) { $1 }
        return try wait(for: process, timeout: timeout * patience)
    }

    /// Runs any command, a path and its arguments, and waits for its end.
    public static func run(command: [String], variables: [String: String] = [:], timeout: Double = 240) throws -> ProgramRun {
        let process = Process()
        process.environment = ProcessInfo.processInfo.environment.merging(variables) { $1 }
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        return try wait(for: process, timeout: timeout * patience)
    }

    private static func find(_ tool: String) throws -> URL {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        let paths = folders.map { "\($0)/\(tool)" }
        guard let path = paths.first(where: FileManager.default.isExecutableFile) else {
            throw Failure(description: "\(tool) is not on the PATH: install it (scripts/setup)")
        }
        return URL(fileURLWithPath: path)
    }

    /// Starts `process` and waits; output goes through files, so that no pipe can fill up and no orphan can keep one open.
    private static func wait(for process: Process, timeout: Double) throws -> ProgramRun {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("run-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = ["output", "errors"].map { folder.appendingPathComponent($0) }
        for file in files { try Data().write(to: file) }
        let handles = try files.map { try FileHandle(forWritingTo: $0) }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = handles[0]
        process.standardError = handles[1]

        let start = ContinuousClock.now
        func elapsed() -> Double { (ContinuousClock.now - start) / .seconds(1) }
        try process.run()
        var isTimedOut = false
        while process.isRunning {
            // mpirun passes SIGTERM on to the ranks and then kills them; SIGKILL would leave them behind, so it comes much later.
            if elapsed() > timeout {
                if !isTimedOut { process.terminate() }
                isTimedOut = true
                if elapsed() > timeout + 10 { kill(process.processIdentifier, SIGKILL) }
            }
            Thread.sleep(forTimeInterval: 0.01)
        }
        let seconds = elapsed()
        let texts = try files.map { String(decoding: try Data(contentsOf: $0), as: UTF8.self) }
        let signal: Int32 = process.terminationReason == .uncaughtSignal ? 128 : 0
        return ProgramRun(
            command: ([process.executableURL!.path] + (process.arguments ?? [])).joined(separator: " "),
            status: process.terminationStatus + signal, output: texts[0], errors: texts[1], seconds: seconds, isTimedOut: isTimedOut)
    }
}
