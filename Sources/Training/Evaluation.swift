import DataParallel
import Foundation
import Imaging

/// The scores of a predicted volume against its labels. Pages are dealt out to the ranks, and the work on a page to their threads.
public struct Evaluation {
    private let prediction, labels: String
    private let threads: Int?

    /// Scores `prediction` (probabilities of the foreground, or a mask of 0 and its type's largest value) against `labels`, with `threads`
    /// threads a rank; nil to work them out.
    public init(prediction: String, labels: String, threads: Int? = nil) {
        (self.prediction, self.labels, self.threads) = (prediction, labels, threads)
    }

    /// A collective; every rank gets the scores. Throws on all ranks alike what one of them met (`RankError`), or `MPIError`.
    public func run(communicator: Communicator) throws -> VolumeScores {
        let device = try ComputePlan(communicator: communicator, threads: threads).device
        let data = try communicator.agree("opening the prediction") {
            let type = try VolumeReader(prediction).pixelType
            let data = try SliceDataset(images: prediction, labels: labels, normalization: .divide(by: type.maximum ?? 1))
            guard data.channels == 1 else {
                throw TrainingError(
                    .invalid,
                    "\(prediction) has \(data.channels) channels; one, the probability of the foreground, is expected; several classes are scored with --classes"
                )
            }
            return data
        }
        var scores: [Int: SliceScores] = [:]
        try communicator.agree("scoring") {
            let scoring = SliceScoring(height: data.height, width: data.width, threads: device.threads)
            let buffers = UnsafeMutableBufferPointer<Float>.allocate(capacity: 2 * data.height * data.width)
            defer { buffers.deallocate() }
            let own = Array(stride(from: communicator.rank, to: data.count, by: communicator.count))
            for begin in stride(from: 0, to: own.count, by: scoring.slicesAtOnce) {
                let slices = own[begin..<min(begin + scoring.slicesAtOnce, own.count)]
                let results = try scoring.score(slices.map { try read($0, of: data, buffers, scoring) })
                for (slice, result) in zip(slices, results) { scores[slice] = result }
            }
        }
        return try .gather(scores, count: data.count, communicator: communicator)
    }

    private func read(
        _ slice: Int, of data: SliceDataset, _ buffers: UnsafeMutableBufferPointer<Float>, _ scoring: SliceScoring
    ) throws -> ScoredSlice {
        let pixels = buffers.count / 2
        let page = UnsafeMutableBufferPointer(rebasing: buffers[..<pixels])
        let truth = UnsafeMutableBufferPointer(rebasing: buffers[pixels...])
        try data.readImage(slice, into: page)
        try data.readLabel(slice, into: truth)
        if let bad = page.first(where: { !($0 >= -1e-6 && $0 <= 1 + 1e-6) }) {
            throw TrainingError(.invalid, "\(prediction): page \(slice) holds \(bad); probabilities from 0 to 1, or a mask, are expected")
        }
        return scoring.slice(probabilities: page, labels: truth)
    }
}
