/// How well probabilities of the interior (label 1) agree with the truth, pixel by pixel, as whole-numbered counts.
///
/// The counts of slices, tiles or ranks are added, and the scores come from the sums; so they do not depend on who counted what.
/// The positive class is the interior. A ratio 0/0 (nothing to find, and nothing found) counts as 1.
public struct PixelScores: Codable, Equatable, Sendable {
    /// The thresholds of the ISBI-2012 challenge, as its program computes them: th = 0; th += 0.1 while th ≤ 1 in double precision.
    /// That makes 11, the last a little below 1. A pixel is interior if its probability is above the threshold.
    public static let thresholds: [Double] = {
        var thresholds: [Double] = []
        var threshold = 0.0
        while threshold <= 1 {
            thresholds.append(threshold)
            threshold += 0.1
        }
        return thresholds
    }()

    /// Index of the threshold 0.5, at which accuracy, Dice and IoU are taken.
    static let half = 5
    private static let bins = thresholds.count + 1

    /// What is stored: pixels by the number of thresholds below their probability (0 … 11), first the membrane's 12 numbers, then the
    /// interior's. Adding these arrays element by element merges scores.
    public private(set) var histogram: [Int]

    /// No pixels.
    public init() { histogram = Array(repeating: 0, count: 2 * Self.bins) }

    /// The scores of a (summed) histogram of 24 numbers.
    public init(histogram: [Int]) {
        precondition(
            histogram.count == 2 * Self.bins, "PixelScores: a histogram of \(histogram.count) numbers instead of \(2 * Self.bins)")
        self.histogram = histogram
    }

    /// Counts pixels. What is not a number is above no threshold.
    /// - Parameters:
    ///   - probabilities: Of the interior, 0 … 1.
    ///   - labels: Interior where above 0.
    public mutating func add(probabilities: UnsafeBufferPointer<Float>, labels: UnsafeBufferPointer<Float>) {
        precondition(
            probabilities.count == labels.count, "PixelScores: \(probabilities.count) probabilities, \(labels.count) labels")
        histogram.withUnsafeMutableBufferPointer { histogram in
            Self.thresholds.withUnsafeBufferPointer { thresholds in
                for k in 0..<labels.count {
                    let probability = Double(probabilities[k])
                    var bin = labels[k] > 0 ? Self.bins : 0
                    for threshold in thresholds { bin += probability > threshold ? 1 : 0 }
                    histogram[bin] += 1
                }
            }
        }
    }

    /// Adds the counts of another part of the data.
    public mutating func merge(_ other: PixelScores) {
        for k in histogram.indices { histogram[k] += other.histogram[k] }
    }

    /// Counts of the four outcomes.
    public struct Confusion: Equatable, Sendable {
        /// Interior that was found, membrane taken for interior, interior taken for membrane, membrane that was found.
        public let truePositives, falsePositives, falseNegatives, trueNegatives: Int

        /// 2TP / (2TP + FP + FN): the harmonic mean of precision and recall.
        public var fScore: Double { ratio(2 * truePositives, 2 * truePositives + falsePositives + falseNegatives) }

        /// TP / (TP + FP + FN): intersection over union, the Jaccard index.
        public var iou: Double { ratio(truePositives, truePositives + falsePositives + falseNegatives) }

        /// (TP + TN) / all.
        public var accuracy: Double {
            ratio(truePositives + trueNegatives, truePositives + falsePositives + falseNegatives + trueNegatives)
        }
    }

    /// The outcomes at one of the thresholds.
    public func confusion(at index: Int) -> Confusion {
        let below = 0...index
        let falseNegatives = below.reduce(0) { $0 + histogram[Self.bins + $1] }, trueNegatives = below.reduce(0) { $0 + histogram[$1] }
        return Confusion(
            truePositives: histogram[Self.bins...].reduce(0, +) - falseNegatives,
            falsePositives: histogram[..<Self.bins].reduce(0, +) - trueNegatives, falseNegatives: falseNegatives,
            trueNegatives: trueNegatives)
    }

    /// Number of pixels counted.
    public var pixels: Int { histogram.reduce(0, +) }

    /// Share of the pixels that are right at threshold 0.5.
    public var pixelAccuracy: Double { confusion(at: Self.half).accuracy }

    /// Dice coefficient of the interior at threshold 0.5: 2TP / (2TP + FP + FN).
    public var dice: Double { confusion(at: Self.half).fScore }

    /// Intersection over union (Jaccard index) of the interior at threshold 0.5: TP / (TP + FP + FN).
    public var iou: Double { confusion(at: Self.half).iou }

    /// The threshold with the best F-score of the interior, the lowest of several.
    public var bestThreshold: Double {
        let scores = Self.thresholds.indices.map { confusion(at: $0).fScore }
        return Self.thresholds[scores.firstIndex(of: scores.max()!)!]
    }

    /// The pixel error of the ISBI-2012 challenge: 1 − the largest F-score of the interior over the thresholds, from counts over all
    /// slices together. It is not 1 − accuracy.
    public var pixelError: Double { 1 - Self.thresholds.indices.map { confusion(at: $0).fScore }.max()! }
}

func ratio(_ part: Int, _ whole: Int) -> Double { whole == 0 ? 1 : Double(part) / Double(whole) }
