import DataParallel
import Imaging
import Kernels

/// The scoring of slices of one size on all threads of a rank.
final class SliceScoring {
    private let height, width: Int
    private let threads: ThreadPool
    private let workspaces: [ScoredSlice.Workspace]

    init(height: Int, width: Int, threads: ThreadPool) {
        (self.height, self.width, self.threads) = (height, width, threads)
        workspaces = (0..<threads.count).map { _ in ScoredSlice.Workspace(height: height, width: width) }
    }

    /// How many slices at once give every thread several parts of the work.
    var slicesAtOnce: Int { max(1, threads.count / 4) }

    /// A slice to be scored.
    func slice(probabilities: UnsafeMutableBufferPointer<Float>, labels: UnsafeMutableBufferPointer<Float>) -> ScoredSlice {
        ScoredSlice(
            probabilities: UnsafeBufferPointer(probabilities), labels: UnsafeBufferPointer(labels), height: height, width: width)
    }

    /// The scores of the slices, in their order.
    func score(_ slices: [ScoredSlice]) -> [SliceScores] {
        let work = Work(slices: slices, workspaces: workspaces)
        withExtendedLifetime(work) {
            threads.run(slices.count * ScoredSlice.parts, Unmanaged.passUnretained(work)) { arguments, task, thread in
                arguments!.load(as: Unmanaged<Work>.self)._withUnsafeGuaranteedRef { $0.compute(task, thread) }
            }
        }
        return slices.map(\.scores)
    }

    private final class Work {
        let slices: [ScoredSlice]
        let workspaces: [ScoredSlice.Workspace]

        init(slices: [ScoredSlice], workspaces: [ScoredSlice.Workspace]) { (self.slices, self.workspaces) = (slices, workspaces) }

        func compute(_ task: Int, _ thread: Int) {
            slices[task % slices.count].compute(part: task / slices.count, workspaces[thread])
        }
    }
}

extension VolumeScores {
    /// The scores of a volume of `count` slices, each of which one rank has scored. A collective; every rank gets them.
    static func gather(_ own: [Int: SliceScores], count: Int, communicator: Communicator) throws -> VolumeScores {
        // Each number is on one rank, and zero on the others: this sum is exact in any order.
        let size = SliceScores.encodedCount
        var numbers = [Double](repeating: 0, count: count * size)
        for (slice, scores) in own { numbers.replaceSubrange(slice * size..<(slice + 1) * size, with: scores.encoded) }
        try numbers.withUnsafeMutableBufferPointer { try communicator.allReduce($0, .sum) }
        return VolumeScores(slices: (0..<count).map { SliceScores(encoded: numbers[$0 * size..<($0 + 1) * size]) })
    }
}
