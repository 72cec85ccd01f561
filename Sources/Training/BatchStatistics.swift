import DataParallel
import Model

/// The exchange of batch normalisation between the ranks. A failed one is remembered: whoever runs the network's passes asks for it after them.
final class BatchStatistics: StatisticsReducer {
    private let treeSum: TreeSum
    private var failure: MPIError?

    init(communicator: Communicator, partition: BatchPartition) {
        treeSum = TreeSum(communicator: communicator, partition: partition)
    }

    var batch: Int { treeSum.batch }

    func sum(_ values: UnsafeMutablePointer<Double>, count: Int) {
        // After a failure the ranks do not meet any more.
        if failure != nil { return }
        do {
            try treeSum.sum(values, count: count)
        } catch {
            failure = error
        }
    }

    /// Throws what went wrong in a pass.
    func check() throws(MPIError) {
        if let failure { throw failure }
    }
}
