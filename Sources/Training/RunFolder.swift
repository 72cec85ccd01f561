import Foundation

/// A run's folder, held by one job at a time:
///
///     configuration.yaml     the resolved configuration
///     log.jsonl              one line a step
///     log.csv                the same as a table
///     history.jsonl          one line for each start and end, with the machines
///     validation.json        what the latest validation found
///     events.out.tfevents.…  the same for TensorBoard, one file a start
///     previews/              some slices with their predictions
///     progress.png           curves and the latest prediction
///     report.html            everything on one page
///     checkpoints/           step-00000600.h5 …, best.h5
///     resumes.json           from the beginning of a run that goes on to its first checkpoint
///     halt                   asks the run to save and end
///     lock                   while a job works here
package final class RunFolder {
    /// The folder.
    package let path: String
    /// Its checkpoints.
    package let checkpoints: CheckpointStore
    /// Which of them runs died of.
    package var resumeAttempts: ResumeAttempts
    /// The wish that the run end.
    package var halt: HaltFile
    private let lock: RunLock
    let files: any FileOperations

    /// Creates the folder if need be, takes its lock, and clears away what killed writers left.
    package init(path: String, keep: Int, files: any FileOperations = SystemFiles()) throws {
        let checkpoints = "\(path)/checkpoints"
        do {
            try FileManager.default.createDirectory(atPath: checkpoints, withIntermediateDirectories: true)
        } catch {
            throw TrainingError(.inputOutput, "\(path): cannot create the run folder: \(Self.reason(error))")
        }
        lock = try RunLock(folder: path)
        try files.removeTemporaries(in: path)
        self.path = path
        self.files = files
        self.checkpoints = CheckpointStore(folder: checkpoints, keep: keep, files: files)
        resumeAttempts = ResumeAttempts(folder: path, files: files)
        halt = HaltFile(folder: path, files: files)
        try self.checkpoints.removeLeftovers()
    }

    /// Where the log lies.
    package var logPath: String { Self.logPath(path) }
    var tablePath: String { "\(path)/log.csv" }
    var historyPath: String { Self.historyPath(path) }
    var validationPath: String { Self.validationPath(path) }
    var picturePath: String { "\(path)/progress.png" }
    var reportPath: String { Self.reportPath(path) }

    // The same for those who only read a run folder.
    static func logPath(_ folder: String) -> String { "\(folder)/log.jsonl" }
    static func historyPath(_ folder: String) -> String { "\(folder)/history.jsonl" }
    static func validationPath(_ folder: String) -> String { "\(folder)/validation.json" }
    static func configurationPath(_ folder: String) -> String { "\(folder)/configuration.yaml" }
    package static func reportPath(_ folder: String) -> String { "\(folder)/report.html" }

    /// Writes `configuration.yaml`.
    package func write(_ configuration: TrainingConfiguration) throws {
        try Array(configuration.explainedYAML.utf8).withUnsafeBytes { try files.writeAtomically([$0], to: Self.configurationPath(path)) }
    }

    /// The system's words for a Foundation error.
    private static func reason(_ error: any Error) -> String {
        let error = error as NSError
        let cause = error.userInfo[NSUnderlyingErrorKey] as? NSError ?? error
        return cause.domain == NSPOSIXErrorDomain ? String(cString: strerror(Int32(cause.code))) : cause.localizedDescription
    }
}
