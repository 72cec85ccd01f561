import CMPI

/// The sum over a batch, along its tree, of a few numbers in double precision: every rank gathers all blocks' sums and adds them itself.
/// For what is too small to be worth a clever reduction, such as statistics in the middle of a pass, which are waited for.
public final class TreeSum {
    /// Samples of the batch.
    public let batch: Int
    private let communicator: Communicator
    private let plan: ReductionPlan
    private let blockCounts: [Int]
    /// For each rank, how many numbers come from it and where they go.
    private let counts, starts: UnsafeMutablePointer<CInt>
    /// All blocks' numbers; as large as the largest sum so far.
    private var gathered = UnsafeMutableBufferPointer<Double>(start: nil, count: 0)

    /// Sums over the batch that `partition` shares among the ranks of `communicator`.
    public init(communicator: Communicator, partition: BatchPartition) {
        precondition(partition.ranks == communicator.count, "TreeSum: \(partition.ranks) parts for \(communicator.count) ranks")
        self.communicator = communicator
        batch = partition.batch
        let plan = ReductionPlan(partition)
        self.plan = plan
        blockCounts = (0..<communicator.count).map { plan.blocks(of: $0).count }
        counts = .allocate(capacity: communicator.count)
        starts = .allocate(capacity: communicator.count)
    }

    deinit {
        counts.deallocate()
        starts.deallocate()
        gathered.deallocate()
    }

    /// A collective. `values` holds `count` numbers for each block of this rank; on return the first `count` are the sums over the batch,
    /// of the same bits on every rank and at any number of ranks. Allocates nothing once it has seen its largest sum.
    public func sum(_ values: UnsafeMutablePointer<Double>, count: Int) throws(MPIError) {
        let total = plan.blocks.count * count
        precondition(total <= CInt.max, "TreeSum: \(total) numbers, more than MPI can count")
        if gathered.count < total {
            gathered.deallocate()
            gathered = .allocate(capacity: total)
        }
        let all = gathered.baseAddress!
        if communicator.count > 1 {
            var start = 0
            for rank in 0..<communicator.count {
                counts[rank] = CInt(blockCounts[rank] * count)
                starts[rank] = CInt(start)
                start += blockCounts[rank] * count
            }
            let code = MPI_Allgatherv(
                values, counts[communicator.rank], Double.mpiDatatype, all, counts, starts, Double.mpiDatatype, communicator.raw)
            try communicator.check(code, "MPI_Allgatherv")
        } else {
            all.update(from: values, count: total)
        }
        for addition in plan.additions {
            let target = all + addition.target * count, source = all + addition.source * count
            for i in 0..<count { target[i] += source[i] }
        }
        values.update(from: all, count: count)
    }
}
