/// A global batch that cannot be shared among the ranks.
public struct PartitionError: ExitStatusProviding, CustomStringConvertible, Sendable, Equatable {
    /// Samples of the global batch.
    public let batch: Int
    /// The ranks that were to share it.
    public let ranks: Int
    /// 64: usage.
    public var exitStatus: Int32 { 64 }
    /// One line that says what to set.
    public var description: String {
        batch < 1
            ? "the batch size must be at least 1, not \(batch)"
            : "a global batch of \(batch) cannot be shared by \(ranks) ranks: set the batch size to \(ranks) or more, or start at most \(batch) ranks"
    }
}

/// Which samples of the global batch each rank computes: contiguous parts, as even as possible, the larger ones first.
public struct BatchPartition: Sendable, Equatable {
    /// Samples of the global batch.
    public let batch: Int
    /// The ranks that share it; no rank is without a sample.
    public let ranks: Int

    /// Shares `batch` samples among `ranks` ranks. Throws `PartitionError` when there are fewer samples than ranks.
    public init(batch: Int, ranks: Int) throws(PartitionError) {
        precondition(ranks > 0, "BatchPartition: \(ranks) ranks")
        guard batch >= max(1, ranks) else { throw PartitionError(batch: batch, ranks: ranks) }
        self.batch = batch
        self.ranks = ranks
    }

    /// The batch positions of `rank`. Larger parts come first, so that as many as possible are whole nodes of the batch's tree.
    public func range(of rank: Int) -> Range<Int> {
        precondition((0..<ranks).contains(rank), "BatchPartition: there is no rank \(rank) among \(ranks)")
        let (size, larger) = batch.quotientAndRemainder(dividingBy: ranks)
        let start = rank * size + min(rank, larger)
        return start..<start + size + (rank < larger ? 1 : 0)
    }
}
