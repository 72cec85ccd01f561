import Foundation

/// The checkpoints of one run: `step-00000600.h5`, the last few of them, and `best.h5`. Only rank 0 of the job that holds the run
/// folder's lock writes here.
package struct CheckpointStore {
    /// The folder `checkpoints` of the run.
    package let folder: String
    /// How many of the newest are kept; at least two, so that one that turns out damaged is not the only one.
    package let keep: Int
    private let files: any FileOperations

    /// The store in `folder`, which exists.
    package init(folder: String, keep: Int, files: any FileOperations = SystemFiles()) {
        precondition(keep >= 2, "CheckpointStore: keep \(keep) of at least 2")
        self.folder = folder
        self.keep = keep
        self.files = files
    }

    /// The file for a step.
    package func path(step: Int) -> String { "\(folder)/step-\(String(repeating: "0", count: max(0, 8 - "\(step)".count)))\(step).h5" }

    /// The file for the best network.
    package var bestPath: String { "\(folder)/best.h5" }

    /// The steps that have a checkpoint, oldest first.
    package func steps() throws -> [Int] {
        try files.contents(of: folder).compactMap { name in
            guard name.hasPrefix("step-"), name.hasSuffix(".h5"), let step = Int(name.dropFirst(5).dropLast(3)),
                path(step: step).hasSuffix("/\(name)")
            else {
                return nil
            }
            return step
        }.sorted()
    }

    /// Writes the checkpoint of its step, or as the best one, or both, then deletes the oldest.
    ///
    /// Whatever happens, the folder holds the checkpoints it held before, or these and the new one. Returns what could not be
    /// deleted: that is no reason to end a run whose checkpoint is safe.
    package func save(_ checkpoint: Checkpoint, asStep: Bool = true, isBest: Bool) throws -> [String] {
        try save(checkpoint, parameters: checkpoint.parameters, asStep: asStep, isBest: isBest)
    }

    /// The same with parameters that are not all in memory at once, instead of the checkpoint's own.
    package func save(
        _ checkpoint: Checkpoint, parameters: some Sequence<Checkpoint.Parameter>, asStep: Bool, isBest: Bool,
        beforeRename: () -> Void = {}
    ) throws -> [String] {
        let path = path(step: checkpoint.progress.step)
        try checkpoint.withFile(named: path, parameters: parameters) { image, seal in
            if asStep { try files.writeAtomically([image, seal], to: path, beforeRename: beforeRename) }
            if isBest { try files.writeAtomically([image, seal], to: bestPath) }
        }
        return removeOldest()
    }

    /// Deletes what writers that were killed left. Only the job that holds the run folder's lock may call this.
    package func removeLeftovers() throws { try files.removeTemporaries(in: folder) }

    private func removeOldest() -> [String] {
        do {
            return try steps().dropLast(keep).compactMap { step in
                do {
                    try files.remove(path(step: step))
                    return nil
                } catch {
                    return "\(error)"
                }
            }
        } catch {
            return ["\(error)"]
        }
    }

    /// The newest checkpoint that is intact, and a warning for each newer one that is not, or that `refusal` has something against. `nil` if
    /// there is none at all; an error if there are some and none can be used: a run must not start again from the beginning unasked.
    package func newest(refusal: (_ step: Int) -> String? = { _ in nil }) throws -> (
        checkpoint: Checkpoint, path: String, warnings: [String]
    )? {
        var warnings: [String] = []
        let steps = try steps()
        for step in steps.reversed() {
            let path = path(step: step)
            do {
                if let reason = refusal(step) { throw TrainingError(.invalid, "\(path): \(reason)") }
                return (try Checkpoint(path: path, files: files), path, warnings)
            } catch let error as TrainingError where error.kind == .invalid || error.kind == .inputOutput {
                warnings.append("\(error); trying the one before")
            }
        }
        guard let first = warnings.first else { return nil }
        let others = warnings.count == 1 ? "it is the only one" : "so are the \(warnings.count - 1) before it"
        throw TrainingError(
            .invalid,
            "\(first.replacingOccurrences(of: "; trying the one before", with: "")); \(others); move \(folder) away to start from the beginning"
        )
    }
}
