import Foundation

/// Which checkpoints runs went on from that then died before they saved anything: a job that the batch system starts again and again must not
/// die of the same checkpoint for ever. (SCR, the scalable checkpoint library, keeps such a record for the same reason.)
///
/// The record is a small file in the run folder. It is written before the first step of a run that goes on, and deleted with the run's first
/// checkpoint and at every end of a run that the program itself comes to; so what it counts are deaths.
package struct ResumeAttempts {
    /// How many runs may die of a checkpoint before the one before it is taken.
    package static let limit = 2

    private let path: String
    private let files: any FileOperations
    /// How many runs have gone on from the checkpoint of a step.
    private var counts: [Int: Int]

    /// Reads the record of a run folder; there is none as a rule. One that cannot be read counts nothing: it only saves time.
    package init(folder: String, files: any FileOperations = SystemFiles()) {
        path = "\(folder)/resumes.json"
        self.files = files
        counts = (try? JSONDecoder().decode([Int: Int].self, from: Data(files.readAll(path)))) ?? [:]
    }

    /// Why the checkpoint of `step` is not to be tried again; `nil` if it is.
    package func refusal(of step: Int) -> String? {
        guard let count = counts[step], count >= Self.limit else { return nil }
        return "\(count) runs went on from it and died before they saved anything (delete \(path) to try it again)"
    }

    /// Records that a run is about to go on from the checkpoint of `step`.
    package mutating func begin(from step: Int) throws {
        counts[step, default: 0] += 1
        try Array(JSONEncoder().encode(counts)).withUnsafeBytes { try files.writeAtomically([$0], to: path) }
    }

    /// Forgets everything: the run has saved, or ended by itself.
    package mutating func end() throws {
        guard !counts.isEmpty else { return }
        try files.remove(path)
        counts = [:]
    }
}
