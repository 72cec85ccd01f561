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
        /// Mean loss of the slices, each as a whole.
        package var loss: Double
        /// Pixel counts.
        package var scores: ValidationScores
        /// The scores of the segments too, if they were asked for.
        package var segments: VolumeScores?
    }

    private let dataset: SliceDataset
    private let inference: SliceInference
    private let communicator: Communicator
    private let label: UnsafeMutableBufferPointer<Float>
    private lazy var scoring = SliceScoring(height: dataset.height, width: dataset.width, threads: inference.network.device.threads)
    private let lossFunction: Loss
    private let borderWeights: BorderWeights?

    package init(
        _ configuration: TrainingConfiguration, dataset: SliceDataset, sharing network: Network, average: ParameterMemory? = nil,
        communicator: Communicator
    ) throws {
        self.dataset = dataset
        self.communicator = communicator
        lossFunction = configuration.lossFunction
        borderWeights = configuration.borderWeights
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
        var scores = ValidationScores(dataset.classes), segmentScores: [Int: SliceScores] = [:]
        var losses = [Double](repeating: 0, count: dataset.count)
        try communicator.agree("validating") {
            for slice in stride(from: communicator.rank, to: dataset.count, by: communicator.count) {
                try dataset.readImage(slice, into: inference.image)
                try dataset.readLabel(slice, into: label)
                inference.run()
                losses[slice] = loss()
                if segments {
                    segmentScores[slice] = scoring.score([scoring.slice(probabilities: inference.probabilities, labels: label)])[0]
                }
                scores.add(probabilities: inference.probabilities, labels: UnsafeBufferPointer(label))
            }
        }
        // Each slice's loss is on one rank, and zero on the others: this sum is exact in any order.
        try losses.withUnsafeMutableBufferPointer { try communicator.allReduce($0, .sum) }
        var counts = scores.counts
        try counts.withUnsafeMutableBufferPointer { try communicator.allReduce($0, .sum) }
        scores.counts = counts
        return Result(
            loss: BatchTree.sum(losses) / Double(dataset.count),
            scores: scores,
            segments: segments ? try .gather(segmentScores, count: dataset.count, communicator: communicator) : nil)
    }

    /// The loss of the slice that was looked at last.
    private func loss() -> Double {
        let logits = inference.logits.map { Double($0) }, target = UnsafeBufferPointer(label)
        guard let borderWeights else { return lossFunction.reference(logits: logits, target: target) }
        let weights = borderWeights.weights(label: target, height: dataset.height, width: dataset.width)
        return weights.withUnsafeBufferPointer { lossFunction.reference(logits: logits, target: target, weights: $0) }
    }
}
