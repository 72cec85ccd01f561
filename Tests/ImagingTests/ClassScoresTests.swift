import Imaging
import Testing

/// Scores of several classes on hand-made cases.
@Suite struct ClassScoresTests {
    @Test func handMade() {
        var scores = ClassScores(classes: 3)
        let labels: [Float] = [0, 0, 0, 0, 1, 1, 2, -1, -1], predicted: [Float] = [0, 0, 1, 2, 1, 0, 2, 0, 1]
        labels.withUnsafeBufferPointer { labels in predicted.withUnsafeBufferPointer { scores.add(predicted: $0, labels: labels) } }
        #expect(scores.confusion == [2, 1, 1, 1, 1, 0, 0, 0, 1] && scores.pixels == 7)
        #expect(scores.pixelAccuracy == 4.0 / 7)
        #expect(scores.dice(0) == 4.0 / 7 && scores.iou(0) == 2.0 / 5 && scores.precision(0) == 2.0 / 3 && scores.recall(0) == 0.5)
        #expect(scores.dice(1) == 0.5 && scores.iou(1) == 1.0 / 3 && scores.precision(1) == 0.5 && scores.recall(1) == 0.5)
        #expect(scores.dice(2) == 2.0 / 3 && scores.iou(2) == 0.5 && scores.precision(2) == 0.5 && scores.recall(2) == 1)
        #expect(abs(scores.meanDice - (4.0 / 7 + 0.5 + 2.0 / 3) / 3) < 1e-15)
        #expect(abs(scores.meanIoU - (0.4 + 1.0 / 3 + 0.5) / 3) < 1e-15)
        var twice = scores
        twice.merge(scores)
        #expect(twice.confusion == scores.confusion.map { 2 * $0 } && twice.meanDice == scores.meanDice)
    }

    /// A class that is nowhere has no score, and is not in the mean; one that is only in the prediction has 0.
    @Test func absentClasses() {
        let nowhere = ClassScores(classes: 3, confusion: [4, 0, 0, 0, 6, 0, 0, 0, 0])
        #expect(nowhere.dice(2) == nil && nowhere.iou(2) == nil && nowhere.precision(2) == nil && nowhere.recall(2) == nil)
        #expect(nowhere.meanDice == 1 && nowhere.meanIoU == 1 && nowhere.pixelAccuracy == 1)
        let invented = ClassScores(classes: 3, confusion: [4, 0, 4, 0, 4, 0, 0, 0, 0])
        #expect(invented.dice(2) == 0 && invented.iou(2) == 0 && invented.precision(2) == 0 && invented.recall(2) == nil)
        #expect(abs(invented.meanIoU - 0.5) < 1e-15)
        #expect(ClassScores(classes: 2).pixelAccuracy == 1 && ClassScores(classes: 2).meanDice == 1)
    }
}
