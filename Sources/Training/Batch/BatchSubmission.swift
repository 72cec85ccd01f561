import Foundation

/// Brings a batch script to the disk and to the batch system.
public enum BatchSubmission {
    /// Writes the script, with the right to run it, in place of an older one; the folder is made if need be.
    ///
    /// Throws `TrainingError` of kind `inputOutput`.
    public static func write(_ script: BatchScript, to path: String) throws {
        let folder = (path as NSString).deletingLastPathComponent
        do {
            if !folder.isEmpty { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
        } catch {
            throw TrainingError(.inputOutput, "\(folder): cannot create the folder: \(error.localizedDescription)")
        }
        try Array(script.text.utf8).withUnsafeBytes { try SystemFiles().writeAtomically([$0], to: path) }
        if chmod(path, 0o755) != 0 { throw TrainingError.system("make a program of", path) }
    }

    /// Queues it; returns what the batch system says, as a rule the number of the job.
    ///
    /// Throws `TrainingError`: `missing` if there is no such command, `inputOutput` with its words if it refuses.
    public static func send(_ script: BatchScript, _ path: String) throws -> String {
        let command = script.scheduler.submitCommand
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        guard let tool = folders.map({ "\($0)/\(command)" }).first(where: FileManager.default.isExecutableFile) else {
            throw TrainingError(
                .missing, "\(command): there is no such command here; the script is \(path): queue it from a host that has it")
        }
        let process = Process(), output = Pipe(), errors = Pipe()
        process.executableURL = URL(fileURLWithPath: tool)
        process.arguments = [path]
        (process.standardOutput, process.standardError, process.standardInput) = (output, errors, FileHandle.nullDevice)
        do {
            try process.run()
        } catch {
            throw TrainingError(.inputOutput, "\(tool): cannot be started: \(error.localizedDescription)")
        }
        // Both say a line or two, which a pipe has room for.
        func text(_ pipe: Pipe) -> String {
            let data = (try? pipe.fileHandleForReading.readToEnd()) ?? Data()
            return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let answer = text(output), complaint = text(errors)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw TrainingError(
                .inputOutput,
                "\(command) \(path) ended with status \(process.terminationStatus): \(complaint.isEmpty ? answer : complaint)")
        }
        return answer
    }
}
