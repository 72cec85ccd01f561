import Foundation

/// The run's `log.jsonl`: one JSON object a line, one line a step, and one for each validation.
///
/// Keys of a step: `step` (updates done), `epoch`, `loss` (mean over the global batch), `accuracy` (pixels on the right side of
/// 0.5), `learning_rate`, `gradient_norm` (over all parameters, before clipping), `images_per_s`, `compute_s`, `exposed_communication_s` (the exchange of losses, and what was left of the
/// reduction when backward was done), `overlapped_communication_s` (the part of `compute_s` that the reduction took during backward),
/// `input_wait_s`; times are rank 0's, as is `peak_memory_mib`, the most memory that its process has had. Keys of a validation: `step`, `epoch`, `validation_loss`, `validation_accuracy`,
/// `validation_dice`, `validation_iou`, and with several classes, whose means these are, `validation_dice_NAME` and `validation_iou_NAME`. Losses and scores have the same bits for any number of ranks and threads; times do not.
package final class TrainingLog {
    private let file: AppendedFile

    /// Opens the log for appending, after cutting it back to what had been logged when `step` updates were done.
    package init(path: String, cutBackTo step: Int, files: any FileOperations = SystemFiles()) throws {
        if FileManager.default.fileExists(atPath: path) {
            let old = try files.readAll(path)
            let kept = Self.lines(of: old, upTo: step)
            if kept != old { try kept.withUnsafeBytes { try files.writeAtomically([$0], to: path) } }
        }
        file = try AppendedFile(path: path, files: files)
    }

    /// Appends one line. The whole line goes out in one call, so that a reader never sees half of it.
    package func append(_ fields: KeyValuePairs<String, Value>) throws { try append(fields.map { ($0, $1) }) }

    /// The same with fields that are not known beforehand, by different names.
    package func append(_ fields: [(name: String, value: Value)]) throws {
        let line = "{" + fields.map { "\"\($0.name)\":\($0.value.text)" }.joined(separator: ",") + "}\n"
        try file.append(Array(line.utf8))
    }

    /// A number in a log line.
    package enum Value: ExpressibleByIntegerLiteral {
        case count(Int)
        case number(Double)

        package init(integerLiteral value: Int) { self = .count(value) }

        /// A time, to the microsecond.
        static func seconds(_ value: Double) -> Value { .number((value * 1e6).rounded() / 1e6) }

        /// JSON knows no infinities; the shortest text that reads back as the same number otherwise.
        var text: String {
            switch self {
            case .count(let value): "\(value)"
            case .number(let value): value.isFinite ? "\(value)" : "null"
            }
        }

        /// The number.
        var number: Double {
            switch self {
            case .count(let value): Double(value)
            case .number(let value): value
            }
        }
    }

    /// The complete lines whose step is at most `step`; a line that a kill cut short is dropped.
    static func lines(of log: [UInt8], upTo step: Int) -> [UInt8] {
        struct Line: Decodable { var step: Int }
        var kept: [UInt8] = []
        for line in log.split(separator: UInt8(ascii: "\n")) {
            guard let entry = try? JSONDecoder().decode(Line.self, from: Data(line)), entry.step <= step else { continue }
            kept += line + [UInt8(ascii: "\n")]
        }
        return kept
    }

    /// The numbers of each line of a log by their names, from its complete lines; what was infinite or not a number is missing, and so is what
    /// no run can have written.
    package static func entries(of log: [UInt8]) -> [[String: Double]] {
        let decoder = JSONDecoder()
        return log.split(separator: UInt8(ascii: "\n")).compactMap { line -> [String: Double]? in
            guard let numbers = try? decoder.decode([String: Double?].self, from: Data(line)) else { return nil }
            return numbers.reduce(into: [:]) { entry, field in
                if let value = field.value,
                    counts.contains(field.key) ? steps.contains(value) && value == value.rounded() : isPossible(value)
                {
                    entry[field.key] = value
                }
            }
        }
    }

    /// Fields that are whole numbers.
    static let counts: Set = ["step", "epoch", "skipped_steps"]
    /// What a count can be: all of these are exact in double precision.
    static let steps = 0.0...1e15
    /// Whether a measured number can be one of ours. Larger and smaller ones would overflow where they are drawn.
    static func isPossible(_ value: Double) -> Bool { value == 0 || (1e-100...1e100).contains(abs(value)) }
}
