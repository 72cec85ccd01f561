import DataParallel
import Foundation
import Imaging
import Kernels
import Model

/// The held-out slices, scored whole, with the parameters as they are, or with their moving average. Slices are dealt out to the ranks; the scores are sums over
/// slices and so are the same for any number of ranks.
package final class Validation {
    /// What a validation finds.
    package struct Result: Equatable {
        /// Mean binary cross-entropy over all pixels.
        package var loss: Double
        /// Pixel counts.
        package var scores: PixelScores
        /// The scores of the segments too, if they were asked for.
        package var segments: VolumeScores?
    }

    private let dataset: SliceDataset
    private let inference: SliceInference
    private let communicator: Communicator
    private let label: UnsafeMutableBufferPointer<Float>
    private lazy var scoring = SliceScoring(height: dataset.height, width: dataset.width, threads: inference.network.device.threads)

    package init(
        _ configuration: TrainingConfiguration, dataset: SliceDataset, sharing network: Network, average: ParameterMemory? = nil,
        communicator: Communicator
    ) throws {
        self.dataset = dataset
        self.communicator = communicator
        inference = try SliceInference(
            configuration, channels: dataset.channels, height: dataset.height, width: dataset.width, device: network.device,
            sharing: network, average: average)
        label = .allocate(capacity: dataset.height * dataset.width)
    }

    deinit { label.deallocate() }

    /// Bytes beside the shared parameters.
    package var memoryBytes: Int { inference.memoryBytes - 4 * inference.network.arenaCount }

    /// A collective. With `segments`, the scores of the segments are computed too, which takes longer than the network on small ones.
    package func run(segments: Bool = false) throws -> Result {
        var scores = PixelScores(), segmentScores: [Int: SliceScores] = [:]
        var losses = [Double](repeating: 0, count: dataset.count)
        try communicator.agree("validating") {
            for slice in stride(from: communicator.rank, to: dataset.count, by: communicator.count) {
                try dataset.readImage(slice, into: inference.image)
                try dataset.readLabel(slice, into: label)
                inference.run()
                scores.add(probabilities: UnsafeBufferPointer(inference.probabilities), labels: UnsafeBufferPointer(label))
                losses[slice] = Self.loss(logits: inference.logits, labels: label)
                if segments {
                    segmentScores[slice] = scoring.score([scoring.slice(probabilities: inference.probabilities, labels: label)])[0]
                }
            }
        }
        // Each slice's loss is on one rank, and zero on the others: this sum is exact in any order.
        try losses.withUnsafeMutableBufferPointer { try communicator.allReduce($0, .sum) }
        var counts = scores.histogram
        try counts.withUnsafeMutableBufferPointer { try communicator.allReduce($0, .sum) }
        return Result(
            loss: BatchTree.sum(losses) / Double(dataset.count * dataset.height * dataset.width),
            scores: PixelScores(histogram: counts),
            segments: segments ? try .gather(segmentScores, count: dataset.count, communicator: communicator) : nil)
    }

    /// Σ max(z, 0) − t z + ln(1 + e^−|z|)
    static func loss(logits: UnsafeMutableBufferPointer<Float>, labels: UnsafeMutableBufferPointer<Float>) -> Double {
        var sum = 0.0
        for i in logits.indices {
            let z = Double(logits[i])
            sum += max(z, 0) - Double(labels[i]) * z + log1p(exp(-abs(z)))
        }
        return sum
    }
}
