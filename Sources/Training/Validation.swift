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
        /// What was predicted for the slices that are shown (`PreviewPicture.bytes`), in their order.
        package var shown: [[UInt8]] = []
    }

    let dataset: SliceDataset
    /// The slices that previews show: at most three, the first, the last and one between.
    let shownSlices: [Int]
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
        let count = configuration.drawsPictures ? min(3, dataset.count) : 0
        shownSlices = (0..<count).map { count == 1 ? 0 : $0 * (dataset.count - 1) / (count - 1) }
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
        var losses = [Double](repeating: 0, count: dataset.count), shown: [Int: [UInt8]] = [:]
        try communicator.agree("validating") {
            for slice in stride(from: communicator.rank, to: dataset.count, by: communicator.count) {
                try dataset.readImage(slice, into: inference.image)
                try dataset.readLabel(slice, into: label)
                inference.run()
                losses[slice] = loss()
                if shownSlices.contains(slice) {
                    shown[slice] = PreviewPicture.bytes(
                        probabilities: UnsafeBufferPointer(inference.probabilities), classes: dataset.classes, height: dataset.height,
                        width: dataset.width)
                }
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
            segments: segments ? try .gather(segmentScores, count: dataset.count, communicator: communicator) : nil,
            shown: try shownSlices.map { try communicator.broadcast(shown[$0] ?? [], from: $0 % communicator.count) })
    }

    /// The previews of the slices that are shown, from what `run` found for them.
    func previews(_ result: Result) throws -> [Preview] {
        try zip(shownSlices, result.shown).map { slice, bytes in
            try dataset.withImage(slice) { image in
                try dataset.withLabel(slice) { label in
                    let (height, width, classes) = (dataset.height, dataset.width, dataset.classes)
                    return Preview(
                        name: previewSlices[shownSlices.firstIndex(of: slice)!].name,
                        image: PreviewPicture(image: image, channels: dataset.channels, height: height, width: width),
                        truth: PreviewPicture(labels: label, classes: classes, height: height, width: width),
                        prediction: PreviewPicture(prediction: bytes, classes: classes, height: height, width: width))
                }
            }
        }
    }

    /// Names of the slices that are shown.
    var previewSlices: [PreviewSlice] {
        shownSlices.map { slice in
            let page = "\(dataset.pages[slice])", padding = String(repeating: "0", count: max(0, 4 - page.count))
            let place = dataset.images.place(ofPage: dataset.pages[slice]), file = (place.path as NSString).lastPathComponent
            return PreviewSlice(name: "slice-\(padding)\(page)", title: "\(file), page \(place.page)")
        }
    }

    /// The loss of the slice that was looked at last.
    private func loss() -> Double {
        let logits = inference.logits.map { Double($0) }, target = UnsafeBufferPointer(label)
        guard let borderWeights else { return lossFunction.reference(logits: logits, target: target) }
        let weights = borderWeights.weights(label: target, height: dataset.height, width: dataset.width)
        return weights.withUnsafeBufferPointer { lossFunction.reference(logits: logits, target: target, weights: $0) }
    }
}
