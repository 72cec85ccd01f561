import Imaging

/// Pixel counts of a validation: of the foreground, or of several classes.
package enum ValidationScores: Equatable {
    case foreground(PixelScores)
    /// With the classes' names.
    case classes(ClassScores, LabelClasses)

    /// No pixels.
    init(_ classes: LabelClasses?) { self = classes.map { .classes(ClassScores(classes: $0.count), $0) } ?? .foreground(PixelScores()) }

    /// Counts the pixels of a slice, whose probabilities may change.
    mutating func add(probabilities: UnsafeMutableBufferPointer<Float>, labels: UnsafeBufferPointer<Float>) {
        switch self {
        case .foreground(var scores):
            scores.add(probabilities: UnsafeBufferPointer(probabilities), labels: labels)
            self = .foreground(scores)
        case .classes(var scores, let classes):
            let predicted = LabelClasses.mostProbable(probabilities, classes: classes.count)
            scores.add(predicted: UnsafeBufferPointer(predicted), labels: labels)
            self = .classes(scores, classes)
        }
    }

    /// The counts. Those of several parts of the data, added element by element, are those of all.
    var counts: [Int] {
        get {
            switch self {
            case .foreground(let scores): scores.histogram
            case .classes(let scores, _): scores.confusion
            }
        }
        set {
            switch self {
            case .foreground: self = .foreground(PixelScores(histogram: newValue))
            case .classes(_, let classes): self = .classes(ClassScores(classes: classes.count, confusion: newValue), classes)
            }
        }
    }

    /// The scores by the names of their `ValidationMetric`s; those of classes that are nowhere are missing.
    var values: [(name: String, value: Double)] {
        switch self {
        case .foreground(let scores):
            return [("accuracy", scores.pixelAccuracy), ("dice", scores.dice), ("iou", scores.iou)]
        case .classes(let scores, let classes):
            var values = [("accuracy", scores.pixelAccuracy), ("dice", scores.meanDice), ("iou", scores.meanIoU)]
            for (index, name) in classes.names.enumerated() {
                if let dice = scores.dice(index) { values.append((ValidationMetric.classDice(name).name, dice)) }
                if let iou = scores.iou(index) { values.append((ValidationMetric.classIoU(name).name, iou)) }
            }
            return values
        }
    }

    /// A line for people.
    var text: String {
        let means = values.prefix(3).map { fixed($0.value, 4) }
        let isMean = if case .classes = self { "mean " } else { "" }
        var text = "accuracy \(means[0])  \(isMean)Dice \(means[1])  \(isMean)IoU \(means[2])"
        if case .classes(let scores, let classes) = self {
            let each = classes.names.enumerated().map { "\($1) \(scores.dice($0).map { fixed($0, 4) } ?? "-")" }
            text += "  Dice of \(each.joined(separator: ", "))"
        }
        return text
    }
}
