import Imaging

/// The scores of several classes as text: tables to read, JSON and CSV for programs.
public struct ClassScoreReport {
    private let slices: [ClassScores]
    private let total: ClassScores
    private let classes: LabelClasses

    /// A report of the scores of each page.
    public init(_ slices: [ClassScores], _ classes: LabelClasses) {
        (self.slices, self.classes) = (slices, classes)
        total = slices.reduce(into: ClassScores(classes: classes.count)) { $0.merge($1) }
    }

    /// Scores of all pages together, of each class, and the confusion matrix.
    public var table: String {
        func row(_ name: String, _ fields: [String]) -> String {
            let width = max(14, classes.names.map(\.count).max()!) + 2, column = max(10, classes.names.map(\.count).max()!)
            return name.padded(to: width) + fields.map { $0.padded(to: column + 2, right: true) }.joined() + "\n"
        }
        var text = Self.totals(total).map { row($0.name.replacing("_", with: " "), [fixed($0.value, 4)]) }.joined()
        text += "\n" + row("class", ["value", "Dice", "IoU", "precision", "recall", "pixels"])
        for (index, one) in classes.classes.enumerated() {
            let scores = Self.scores(total, index).map { $0.value.map { fixed($0, 4) } ?? "-" }
            text += row(one.name, ["\(one.value)"] + scores + ["\(total.truePixels(index))"])
        }
        text += "\n" + row("truth \\ found", classes.names)
        for (index, name) in classes.names.enumerated() {
            text += row(name, classes.classes.indices.map { "\(total.count(truth: index, predicted: $0))" })
        }
        return text
    }

    /// One object: the totals, `classes` (each with its scores), `confusion` (a row for each true class, a column for each found one) and
    /// `slices`.
    public var json: String {
        let each = classes.classes.enumerated().map { index, one in
            Self.object(
                [("name", "\"\(one.name)\""), ("value", "\(one.value)")]
                    + Self.scores(total, index).map { ($0.name, Self.number($0.value)) }
                    + [("true_pixels", "\(total.truePixels(index))"), ("predicted_pixels", "\(total.predictedPixels(index))")])
        }
        let confusion = classes.classes.indices.map { truth in
            Self.array(classes.classes.indices.map { "\(total.count(truth: truth, predicted: $0))" })
        }
        let pages = slices.enumerated().map { slice, scores in
            Self.object(
                [("slice", "\(slice)")] + Self.totals(scores).map { ($0.name, Self.number($0.value)) }
                    + [
                        ("dice", Self.array(classes.classes.indices.map { Self.number(scores.dice($0)) })),
                        ("iou", Self.array(classes.classes.indices.map { Self.number(scores.iou($0)) })),
                    ])
        }
        return Self.object(
            Self.totals(total).map { ($0.name, Self.number($0.value)) }
                + [("classes", Self.array(each)), ("confusion", Self.array(confusion)), ("slices", Self.array(pages))])
    }

    /// A line for each class in all slices together (`all`), then in each slice. What is not defined is empty.
    public var csv: String {
        var lines = ["slice,class,value,dice,iou,precision,recall,true_pixels,predicted_pixels"]
        for (name, scores) in [("all", total)] + slices.enumerated().map({ ("\($0)", $1) }) {
            for (index, one) in classes.classes.enumerated() {
                let values = Self.scores(scores, index).map { $0.value.map { "\($0)" } ?? "" }
                lines.append(
                    ([name, one.name, "\(one.value)"] + values + ["\(scores.truePixels(index))", "\(scores.predictedPixels(index))"])
                        .joined(separator: ","))
            }
        }
        return lines.map { $0 + "\n" }.joined()
    }

    /// Writes `csv` to a file that appears whole or not at all.
    public func write(csv path: String) throws {
        let file = try AtomicFile(path)
        try Array(csv.utf8).withUnsafeBytes { try file.write($0) }
        try file.commit()
    }

    private static func totals(_ scores: ClassScores) -> [(name: String, value: Double)] {
        [("pixel_accuracy", scores.pixelAccuracy), ("mean_dice", scores.meanDice), ("mean_iou", scores.meanIoU)]
    }

    private static func scores(_ scores: ClassScores, _ index: Int) -> [(name: String, value: Double?)] {
        [
            ("dice", scores.dice(index)), ("iou", scores.iou(index)), ("precision", scores.precision(index)),
            ("recall", scores.recall(index)),
        ]
    }

    private static func number(_ value: Double?) -> String { value.map { "\($0)" } ?? "null" }
    private static func array(_ items: [String]) -> String { "[\(items.joined(separator: ", "))]" }
    private static func object(_ fields: [(String, String)]) -> String {
        "{" + fields.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ") + "}"
    }
}

extension String {
    /// Filled with blanks at the end, or in front.
    fileprivate func padded(to width: Int, right: Bool = false) -> String {
        let blanks = String(repeating: " ", count: max(0, width - count))
        return right ? blanks + self : self + blanks
    }
}
