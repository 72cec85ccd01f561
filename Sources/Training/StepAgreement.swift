import DataParallel
import Kernels

/// What travels with each step, before its gradients: every rank learns of every rank which step it is at, with which configuration
/// and parameters, whether it was asked to stop, and the losses of its samples.
package struct StepAgreement {
    /// What all ranks know after the exchange.
    package struct Outcome {
        /// Mean loss over the global batch, summed along its tree.
        package var loss: Double
        /// Share of the pixels on the right side of ½.
        package var accuracy: Double
        /// Whether every sample's loss is finite.
        package var isFinite: Bool
        /// The largest signal number that a rank received; 0 for none.
        package var signal: Int32
    }

    private let communicator: Communicator
    private let counts: [Int]
    private let fingerprint: UInt64
    private static let header = 4

    /// An agreement between ranks that share the batch as `partition` says. `fingerprint` is the configuration's.
    init(communicator: Communicator, partition: BatchPartition, fingerprint: String) {
        self.communicator = communicator
        self.fingerprint = UInt64(fingerprint.prefix(16), radix: 16)!
        counts = (0..<communicator.count).map { Self.header + 2 * partition.range(of: $0).count }
    }

    /// A collective. Throws `TrainingError` (`disagreement`) with every rank's values when they differ.
    func exchange(step: Int, checksum: UInt64, signal: Int32, losses: [Loss.Sums], pixels: Int) throws -> Outcome {
        var words: [UInt64] = [UInt64(step), fingerprint, checksum, UInt64(signal)]
        for sample in losses { words += [sample.loss.bitPattern, UInt64(sample.correct)] }
        let all = try communicator.allGather(words, counts: counts)

        var headers: [ArraySlice<UInt64>] = [], samples: [(loss: Double, correct: UInt64)] = [], start = 0
        for count in counts {
            headers.append(all[start..<start + Self.header])
            for i in stride(from: start + Self.header, to: start + count, by: 2) {
                samples.append((Double(bitPattern: all[i]), all[i + 1]))
            }
            start += count
        }
        if headers.contains(where: { $0.prefix(3).elementsEqual(headers[0].prefix(3)) == false }) {
            try communicator.agree("comparing the ranks before the update of step \(step)") { throw Self.disagreement(headers) }
        }
        let total = Double(samples.count * pixels)
        return Outcome(
            loss: BatchTree.sum(samples.map(\.loss)) / total, accuracy: Double(samples.map(\.correct).reduce(0, +)) / total,
            isFinite: samples.allSatisfy(\.loss.isFinite), signal: Int32(headers.map { $0[$0.startIndex + 3] }.max()!))
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
