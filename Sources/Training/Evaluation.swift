import DataParallel
import Foundation
import Imaging

/// The scores of a predicted volume against its labels. Pages are dealt out to the ranks.
public struct Evaluation {
    private let prediction, labels: String

    /// Scores `prediction` (probabilities of the foreground, or a mask of 0 and its type's largest value) against `labels`.
    public init(prediction: String, labels: String) { (self.prediction, self.labels) = (prediction, labels) }

    /// A collective; every rank gets the scores. Throws on all ranks alike what one of them met (`RankError`), or `MPIError`.
    public func run(communicator: Communicator) throws -> SegmentationScores {
        var scores = SegmentationScores()
        try communicator.agree("scoring") {
            let type = try VolumeReader(prediction).pixelType
            let data = try SliceDataset(images: prediction, labels: labels, normalization: .divide(by: type.maximum ?? 1))
            guard data.channels == 1 else {
                throw TrainingError(
                    .invalid, "\(prediction) has \(data.channels) channels; one, the probability of the foreground, is expected")
            }
            let pixels = data.height * data.width
            let buffers = UnsafeMutableBufferPointer<Float>.allocate(capacity: 2 * pixels)
            defer { buffers.deallocate() }
            let page = UnsafeMutableBufferPointer(rebasing: buffers[..<pixels]),
                truth = UnsafeMutableBufferPointer(rebasing: buffers[pixels...])
            for slice in stride(from: communicator.rank, to: data.count, by: communicator.count) {
                try data.readImage(slice, into: page)
                try data.readLabel(slice, into: truth)
                if let bad = page.first(where: { !($0 >= -1e-6 && $0 <= 1 + 1e-6) }) {
                    throw TrainingError(
                        .invalid, "\(prediction): page \(slice) holds \(bad); probabilities from 0 to 1, or a mask, are expected")
                }
                scores.add(probabilities: UnsafeBufferPointer(page), labels: UnsafeBufferPointer(truth))
            }
        }
        var counts = scores.histogram
        try counts.withUnsafeMutableBufferPointer { try communicator.allReduce($0, .sum) }
        return SegmentationScores(histogram: counts)
    }
}
