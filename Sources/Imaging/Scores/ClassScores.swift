/// How well a labelling with several classes agrees with the truth, pixel by pixel, as whole-numbered counts.
///
/// The counts of slices or ranks are added, and the scores come from the sums; so they do not depend on who counted what. Pixels whose truth
/// is ignored are in no count. A score of a class that is neither in the truth nor in the prediction is not defined, and the mean over
/// the classes leaves it out.
public struct ClassScores: Codable, Equatable, Sendable {
    /// Number of classes.
    public let classes: Int
    /// Pixels by true class, then predicted class: row after row of the confusion matrix. Adding these arrays element by element merges scores.
    public private(set) var confusion: [Int]

    /// No pixels.
    public init(classes: Int) { (self.classes, confusion) = (classes, Array(repeating: 0, count: classes * classes)) }

    /// The scores of a (summed) confusion matrix.
    public init(classes: Int, confusion: [Int]) {
        precondition(confusion.count == classes * classes, "ClassScores: \(confusion.count) counts of \(classes) classes")
        (self.classes, self.confusion) = (classes, confusion)
    }

    /// Counts pixels.
    /// - Parameters:
    ///   - predicted: Class indices.
    ///   - labels: True class indices; negative to ignore a pixel.
    public mutating func add(predicted: UnsafeBufferPointer<Float>, labels: UnsafeBufferPointer<Float>) {
        precondition(predicted.count == labels.count, "ClassScores: \(predicted.count) predictions, \(labels.count) labels")
        confusion.withUnsafeMutableBufferPointer { confusion in
            for k in 0..<labels.count where labels[k] >= 0 { confusion[Int(labels[k]) * classes + Int(predicted[k])] += 1 }
        }
    }

    /// Adds the counts of another part of the data.
    public mutating func merge(_ other: ClassScores) {
        for k in confusion.indices { confusion[k] += other.confusion[k] }
    }

    /// Pixels counted.
    public var pixels: Int { confusion.reduce(0, +) }
    /// Pixels of true class `truth` that were taken for `predicted`.
    public func count(truth: Int, predicted: Int) -> Int { confusion[truth * classes + predicted] }
    /// Pixels that are of the class.
    public func truePixels(_ c: Int) -> Int { (0..<classes).reduce(0) { $0 + count(truth: c, predicted: $1) } }
    /// Pixels that are said to be of the class.
    public func predictedPixels(_ c: Int) -> Int { (0..<classes).reduce(0) { $0 + count(truth: $1, predicted: c) } }

    /// Share of the pixels that are right; 1 without pixels.
    public var pixelAccuracy: Double { ratio((0..<classes).reduce(0) { $0 + count(truth: $1, predicted: $1) }, pixels) }

    /// Dice coefficient of a class, 2TP / (2TP + FP + FN): the F-score of its pixels.
    public func dice(_ c: Int) -> Double? { share(2 * count(truth: c, predicted: c), truePixels(c) + predictedPixels(c)) }

    /// Intersection over union of a class, TP / (TP + FP + FN): the Jaccard index.
    public func iou(_ c: Int) -> Double? {
        share(count(truth: c, predicted: c), truePixels(c) + predictedPixels(c) - count(truth: c, predicted: c))
    }

    /// Share of the pixels said to be of the class that are, TP / (TP + FP).
    public func precision(_ c: Int) -> Double? { share(count(truth: c, predicted: c), predictedPixels(c)) }

    /// Share of the class's pixels that were found, TP / (TP + FN).
    public func recall(_ c: Int) -> Double? { share(count(truth: c, predicted: c), truePixels(c)) }

    /// Mean Dice coefficient over the classes that are there.
    public var meanDice: Double { mean(dice) }
    /// Mean intersection over union of the classes that are there.
    public var meanIoU: Double { mean(iou) }

    private func share(_ part: Int, _ whole: Int) -> Double? { whole == 0 ? nil : Double(part) / Double(whole) }

    private func mean(_ score: (Int) -> Double?) -> Double {
        let scores = (0..<classes).compactMap(score)
        return scores.isEmpty ? 1 : scores.reduce(0, +) / Double(scores.count)
    }
}
