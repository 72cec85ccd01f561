import Foundation

/// A wish that a run save and end, left as the file `halt` in its folder: by `unet-mpi stop`, which needs no right to send signals, or by hand.
///
/// Rank 0 looks for the file before each step. The run removes it when it ends, unless the batch system is to start it again: then the wish
/// still stands.
public struct HaltRequest: Codable, Equatable, Sendable {
    /// The run is to end when it has done so many steps; nil where no step is named.
    public var afterStep: Int?
    /// Or from this moment on, in seconds since 1970. With neither, at the end of the current step.
    public var afterTime: Double?

    /// A wish.
    public init(afterStep: Int? = nil, afterTime: Double? = nil) { (self.afterStep, self.afterTime) = (afterStep, afterTime) }

    /// The wish of `--after`: a number of steps, or a time from `now` on with its unit; nil if `text` is neither.
    public init?(after text: String, now: Double) {
        if let step = Int(text) {
            guard step >= 0 else { return nil }
            self.init(afterStep: step)
        } else {
            guard let span = TimeSpan(text) else { return nil }
            self.init(afterTime: now + span.seconds)
        }
    }

    private enum CodingKeys: String, CodingKey {
        case afterStep = "after_step"
        case afterTime = "after_time"
    }

    /// Whether `step`, at whose beginning it is `now`, is to be the last.
    func isDue(step: Int, now: Double) -> Bool {
        if let afterStep { return step >= afterStep }
        return now >= afterTime ?? 0
    }

    /// When the run is to end, in words.
    public var text: String {
        if let afterStep { return "after step \(afterStep)" }
        guard let afterTime else { return "after the current step" }
        return "from \(Date(timeIntervalSince1970: afterTime).formatted(.iso8601)) on"
    }

    /// Leaves the wish for the run that is at work in `folder`; returns who that is, for people.
    ///
    /// Throws `TrainingError`: `missing` if there is no run, `inputOutput` if the file cannot be written.
    public func leave(inRunFolder folder: String) throws -> String {
        guard FileManager.default.fileExists(atPath: folder) else {
            throw TrainingError(.missing, "\(folder): there is no such run folder")
        }
        guard let owner = RunLock.living(inFolder: folder) else {
            throw TrainingError(
                .missing, "\(folder): no run is at work there; a job that still waits is taken from the queue with scancel or qdel")
        }
        let bytes = Array(try JSONEncoder().encode(self)) + [UInt8(ascii: "\n")]
        try bytes.withUnsafeBytes { try SystemFiles().writeAtomically([$0], to: HaltFile.path(inFolder: folder)) }
        return "process \(owner.process) on \(owner.host)"
    }
}

/// The file `halt` of a run folder, as the run that is at work there sees it.
package struct HaltFile {
    private let path: String
    private let files: any FileOperations
    /// What was read last, with the file's number and time.
    private var known: (inode: UInt, seconds: Int, nanoseconds: Int, request: HaltRequest)?

    init(folder: String, files: any FileOperations) { (path, self.files) = (Self.path(inFolder: folder), files) }

    static func path(inFolder folder: String) -> String { "\(folder)/halt" }

    /// The wish that is there now. Looking costs one call of the system; a file that holds no wish of ours, as `touch` makes one, means now.
    package mutating func request() -> HaltRequest? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        let time = status.st_mtim
        if let known, (known.inode, known.seconds, known.nanoseconds) == (UInt(status.st_ino), time.tv_sec, time.tv_nsec) {
            return known.request
        }
        let request = (try? JSONDecoder().decode(HaltRequest.self, from: Data(files.readAll(path)))) ?? HaltRequest()
        known = (UInt(status.st_ino), time.tv_sec, time.tv_nsec, request)
        return request
    }

    /// Removes the wish: it was fulfilled, or the run is finished. Returns what went wrong.
    package func remove() -> String? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        do {
            try files.remove(path)
            return nil
        } catch {
            return "\(error); the next run in this folder will stop after its first step unless the file is deleted"
        }
    }
}
