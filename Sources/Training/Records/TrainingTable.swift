import Foundation

/// The run's `log.csv`: what `log.jsonl` holds, as a table with one row a step. A validation stands in the row of its step. What was not
/// computed, or is infinite or not a number, is an empty field.
///
/// The table is made anew from `log.jsonl` when a run goes on, so that the two never differ.
package final class TrainingTable {
    /// The names of the columns, those of `log.jsonl`.
    package let columns: [String]
    private let file: AppendedFile
    /// The row of the step that is not ended yet; empty between two steps.
    private var row: [String: TrainingLog.Value] = [:]

    /// Columns of all runs.
    private static let stepColumns = [
        "step", "epoch", "loss", "accuracy", "learning_rate", "gradient_norm", "images_per_s", "compute_s", "exposed_communication_s",
        "overlapped_communication_s", "input_wait_s", "peak_memory_mib", "skipped_steps",
    ]

    /// Starts the table with the steps that are in the log, cut back already.
    package init(
        path: String, configuration: TrainingConfiguration, entries: [[String: Double]], files: any FileOperations = SystemFiles()
    ) throws {
        columns = Self.columns(configuration)
        var text = columns.joined(separator: ",") + "\n", row: [String: TrainingLog.Value] = [:]
        for entry in entries {
            if let step = row["step"], step.number != entry["step"] {
                text += Self.line(row, columns)
                row = [:]
            }
            for (name, value) in entry { row[name] = TrainingLog.counts.contains(name) ? .count(Int(value)) : .number(value) }
        }
        if !row.isEmpty { text += Self.line(row, columns) }
        try Array(text.utf8).withUnsafeBytes { try files.writeAtomically([$0], to: path) }
        file = try AppendedFile(path: path, files: files)
    }

    /// Adds fields to the row of the step.
    package func add(_ fields: [(name: String, value: TrainingLog.Value)]) {
        for (name, value) in fields { row[name] = value }
    }

    /// Writes the row.
    package func endStep() throws {
        guard !row.isEmpty else { return }
        try file.append(Array(Self.line(row, columns).utf8))
        row = [:]
    }

    private static func columns(_ configuration: TrainingConfiguration) -> [String] {
        guard configuration.validates else { return stepColumns }
        var names = ["loss", "accuracy", "dice", "iou"]
        for name in configuration.classes?.names ?? [] { names += [ValidationMetric.classDice(name), .classIoU(name)].map(\.name) }
        if configuration.segmentationScoresEvery > 0 {
            names += [ValidationMetric.pixelError, .randError, .vRand, .vInfo, .warpingError].map(\.name)
        }
        return stepColumns + names.map { "validation_\($0)" }
    }

    /// Names hold no commas and no quotes (`LabelClasses`), so that nothing is to be quoted.
    private static func line(_ row: [String: TrainingLog.Value], _ columns: [String]) -> String {
        columns.map { name in row[name].map { $0.number.isFinite ? $0.text : "" } ?? "" }.joined(separator: ",") + "\n"
    }
}

extension TrainingConfiguration {
    /// Whether there are slices to validate on.
    var validates: Bool { validation > 0 || validationImages != nil || fold != nil }

    /// Whether anything is written that shows predictions.
    var drawsPictures: Bool { writesReport || writesTensorBoard }
}
