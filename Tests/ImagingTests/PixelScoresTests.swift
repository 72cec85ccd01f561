import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct PixelScoresTests {
    /// TP, FP, FN, TN.
    private func outcomes(_ counts: PixelScores.Confusion) -> [Int] {
        [counts.truePositives, counts.falsePositives, counts.falseNegatives, counts.trueNegatives]
    }

    private static func scores(_ probabilities: [Float], _ labels: [Float]) -> PixelScores {
        var scores = PixelScores()
        probabilities.withUnsafeBufferPointer { probabilities in
            labels.withUnsafeBufferPointer { scores.add(probabilities: probabilities, labels: $0) }
        }
        return scores
    }

    /// The challenge's thresholds are sums of 0.1 in double precision, not multiples.
    @Test func thresholds() {
        #expect(
            PixelScores.thresholds == [
                0, 0.1, 0.2, 0.30000000000000004, 0.4, 0.5, 0.6, 0.7, 0.7999999999999999, 0.8999999999999999, 0.9999999999999999,
            ])
    }

    /// Eight pixels by hand: at 0.5, TP = 2, FP = 1, FN = 2, TN = 3; best at 0.2, where TP = 4, FP = 2.
    @Test func handMadeCase() {
        let scores = Self.scores([0.9, 0.6, 0.5, 0.2, 0.7, 0.3, 0.15, 0], [1, 1, 1, 1, 0, 0, 0, 0])
        let half = scores.confusion(at: 5)
        #expect(outcomes(half) == [2, 1, 2, 3])
        #expect(scores.pixels == 8)
        #expect(scores.pixelAccuracy == 5.0 / 8)
        #expect(scores.dice == 4.0 / 7)
        #expect(scores.iou == 2.0 / 5)
        let lowest = scores.confusion(at: 0)
        #expect(outcomes(lowest) == [4, 3, 0, 1])
        #expect(abs(scores.pixelError - 0.2) < 1e-15)
        #expect(scores.bestThreshold == 0.2)
    }

    /// Above means above: exactly 0.5, and 0.3 in single precision (which is above 0.3 in double precision, but also above 0.30000000000000004).
    @Test func thresholdsAreStrict() {
        #expect(Self.scores([0.5], [1]).confusion(at: 5).falseNegatives == 1)
        #expect(Self.scores([Float(0.5).nextUp], [1]).confusion(at: 5).truePositives == 1)
        #expect(Self.scores([0.3], [1]).confusion(at: 3).truePositives == 1)
        #expect(Self.scores([0], [1]).confusion(at: 0).falseNegatives == 1)
        #expect(Self.scores([1], [1]).confusion(at: 10).truePositives == 1)
        #expect(Self.scores([.nan], [1]).confusion(at: 0).falseNegatives == 1)
    }

    /// The pixel error takes its best threshold over all slices together, not for each.
    @Test func pixelErrorPoolsSlices() {
        var first = Self.scores([0.25, 0.05], [1, 0])
        let second = Self.scores([0.95, 0.75], [1, 0])
        #expect(first.pixelError == 0 && second.pixelError == 0)
        first.merge(second)
        #expect(abs(first.pixelError - 0.2) < 1e-15)  // TP = 2, FP = 1 at 0.1; TP = 1, FN = 1 at 0.8: F = 4/5, 2/3
        #expect(first.bestThreshold == 0.1)
    }

    @Test func everythingInterior() {
        let scores = Self.scores([1, 1, 1, 1], [1, 1, 1, 0])
        #expect(scores.pixelAccuracy == 0.75 && scores.iou == 0.75)
        #expect(abs(scores.dice - 6.0 / 7) < 1e-15 && abs(scores.pixelError - 1.0 / 7) < 1e-15)
    }

    @Test func nothingToFind() {
        let right = Self.scores([0, 0], [0, 0]), wrong = Self.scores([1, 1], [0, 0])
        #expect(right.dice == 1 && right.iou == 1 && right.pixelAccuracy == 1 && right.pixelError == 0)
        #expect(wrong.dice == 0 && wrong.iou == 0 && wrong.pixelAccuracy == 0 && wrong.pixelError == 1)
        #expect(PixelScores().dice == 1 && PixelScores().pixelAccuracy == 1)
    }

    @Test func mergingIsCountingTogether() throws {
        let probabilities = testNumbers(500).map { abs($0) }, labels: [Float] = testNumbers(500, seed: 2).map { $0 > 0.3 ? 1 : 0 }
        let whole = Self.scores(probabilities, labels)
        var parts = Self.scores(Array(probabilities[..<123]), Array(labels[..<123]))
        parts.merge(Self.scores(Array(probabilities[123...]), Array(labels[123...])))
        #expect(parts == whole)
        #expect(PixelScores(histogram: whole.histogram) == whole)
        #expect(try JSONDecoder().decode(PixelScores.self, from: JSONEncoder().encode(whole)) == whole)
        // Every threshold against a direct count.
        for (k, threshold) in PixelScores.thresholds.enumerated() {
            let found = zip(probabilities, labels).filter { Double($0.0) > threshold }
            #expect(whole.confusion(at: k).truePositives == found.filter { $0.1 == 1 }.count)
            #expect(whole.confusion(at: k).falsePositives == found.filter { $0.1 == 0 }.count)
        }
    }
}
