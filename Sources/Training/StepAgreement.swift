import DataParallel
import Kernels

/// What travels with each step, before its gradients: every rank learns of every rank which step it is at, with which configuration
/// and parameters, whether it was asked to stop, and the losses of its samples.
package struct StepAgreement {
    /// What all ranks know after the exchange.
    package struct Outcome {
        /// Mean loss over the global batch, summed along its tree.
        package var loss: Double
        /// Share of the pixels that are right, of those that have a class.
        package var accuracy: Double
        /// Whether every sample's loss is finite.
        package var isFinite: Bool
        /// The largest signal number that a rank received; 0 for none.
        package var signal: Int32
        /// What came out for each sample of the global batch.
        package var samples: [SampleOutcome]
    }

    /// What came out for a sample.
    package struct SampleOutcome: Equatable {
        /// Sum of the loss over the pixels.
        package var loss: Double
        /// Pixels that are right: on the right side of ½, or of the most probable class.
        package var correct: Int
        /// Pixels of each class: background and foreground, or several.
        package var classes: [Int]

        package init(loss: Double, correct: Int, classes: [Int]) { (self.loss, self.correct, self.classes) = (loss, correct, classes) }
    }

    private let communicator: Communicator
    private let counts: [Int]
    private let fingerprint: UInt64
    private let wordsOfSample: Int
    private static let header = 4

    /// An agreement between ranks that share the batch as `partition` says. `fingerprint` is the configuration's, `classes` how many there are.
    init(communicator: Communicator, partition: BatchPartition, fingerprint: String, classes: Int) {
        self.communicator = communicator
        let wordsOfSample = 2 + classes
        self.wordsOfSample = wordsOfSample
        self.fingerprint = UInt64(fingerprint.prefix(16), radix: 16)!
        counts = (0..<communicator.count).map { Self.header + wordsOfSample * partition.range(of: $0).count }
    }

    /// A collective. Throws `TrainingError` (`disagreement`) with every rank's values when they differ.
    ///
    /// - Parameters:
    ///   - losses: of this rank's samples.
    ///   - classes: pixels of each class in each of them.
    ///   - pixels: of a sample.
    func exchange(
        step: Int, checksum: UInt64, signal: Int32, losses: [Loss.Sums], classes: [[Int]], pixels: Int
    ) throws -> Outcome {
        var words: [UInt64] = [UInt64(step), fingerprint, checksum, UInt64(signal)]
        for (sample, counts) in zip(losses, classes) {
            words += [sample.loss.bitPattern, UInt64(sample.correct)] + counts.map { UInt64($0) }
        }
        let all = try communicator.allGather(words, counts: counts)

        var headers: [ArraySlice<UInt64>] = [], samples: [SampleOutcome] = [], start = 0
        for count in counts {
            headers.append(all[start..<start + Self.header])
            for i in stride(from: start + Self.header, to: start + count, by: wordsOfSample) {
                samples.append(
                    SampleOutcome(
                        loss: Double(bitPattern: all[i]), correct: Int(all[i + 1]), classes: all[i + 2..<i + wordsOfSample].map { Int($0) })
                )
            }
            start += count
        }
        try compare(headers, "before the update of step \(step)")
        let counted = samples.map { $0.classes.reduce(0, +) }.reduce(0, +)
        return Outcome(
            loss: BatchTree.sum(samples.map(\.loss)) / Double(samples.count * pixels),
            accuracy: counted == 0 ? 1 : Double(samples.map(\.correct).reduce(0, +)) / Double(counted),
            isFinite: samples.allSatisfy(\.loss.isFinite), signal: Int32(headers.map { $0[$0.startIndex + 3] }.max()!), samples: samples)
    }

    /// Makes sure that all ranks hold the same parameters after `step`. A collective; throws like `exchange`.
    func verify(step: Int, checksum: UInt64) throws {
        let words = [UInt64(step), fingerprint, checksum]
        let all = try communicator.allGather(words, counts: counts.map { _ in words.count })
        try compare(stride(from: 0, to: all.count, by: words.count).map { all[$0..<$0 + words.count] }, "before saving step \(step)")
    }

    /// Throws when the headers differ in step, configuration or parameters.
    private func compare(_ headers: [ArraySlice<UInt64>], _ moment: String) throws {
        if headers.contains(where: { $0.prefix(3).elementsEqual(headers[0].prefix(3)) == false }) {
            try communicator.agree("comparing the ranks \(moment)") { throw Self.disagreement(headers) }
        }
    }

    private static func disagreement(_ headers: [ArraySlice<UInt64>]) -> TrainingError {
        let ranks = headers.enumerated().map { rank, header in
            let values = Array(header)
            return
                "rank \(rank): step \(values[0]), configuration \(String(values[1], radix: 16)), parameters \(String(values[2], radix: 16))"
        }
        return TrainingError(
            .disagreement, "the ranks no longer hold the same network; nothing was saved since. \(ranks.joined(separator: "; "))")
    }
}
