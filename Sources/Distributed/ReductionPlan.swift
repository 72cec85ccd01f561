/// Which rank holds which blocks of the batch's tree, and in which order the blocks are added.
package struct ReductionPlan: Sendable {
    /// A node of the tree whose sum one rank computes by itself.
    package struct Block: Sendable, Equatable {
        /// Its batch positions.
        package let range: Range<Int>
        /// The rank that holds its sum.
        package let rank: Int
        /// Its place among the buffers of that rank.
        package let buffer: Int
    }

    /// One addition of blocks, numbered as in `blocks`: block `target` becomes `target` + `source`.
    package struct Addition: Sendable, Equatable {
        package let target: Int, source: Int
    }

    package let ranks: Int
    /// All blocks in the order of the batch.
    package let blocks: [Block]
    /// The tree above the blocks, children before parents; the total ends in block 0.
    package let additions: [Addition]
    /// Whether the tree above the blocks is perfectly balanced over a power of two of ranks with one block each, so that each level of
    /// the tree is an exchange between pairs of neighbours.
    package let isBalanced: Bool

    /// The plan for the ranks' parts of a partition.
    package init(_ partition: BatchPartition) {
        self.init(
            batch: partition.batch,
            blocksOfRanks: (0..<partition.ranks).map { BatchTree.blocks(of: partition.range(of: $0), in: partition.batch) })
    }

    /// The plan for any nodes of the tree over 0 ..< `batch` that together are the whole batch, in order.
    package init(batch: Int, blocksOfRanks: [[Range<Int>]]) {
        var blocks: [Block] = []
        for (rank, ranges) in blocksOfRanks.enumerated() {
            for (buffer, range) in ranges.enumerated() { blocks.append(Block(range: range, rank: rank, buffer: buffer)) }
        }
        var additions: [Addition] = []
        /// Adds up the next blocks, which make up `node`, and returns the number of the first and the depth of the tree above them
        /// where it is balanced.
        func add(_ node: Range<Int>, _ next: inout Int) -> (first: Int, depth: Int?) {
            precondition(next < blocks.count && blocks[next].range.lowerBound == node.lowerBound, "ReductionPlan: nothing covers \(node)")
            if blocks[next].range == node {
                defer { next += 1 }
                return (next, 0)
            }
            let middle = BatchTree.split(node)
            let left = add(node.lowerBound..<middle, &next), right = add(middle..<node.upperBound, &next)
            additions.append(Addition(target: left.first, source: right.first))
            return (left.first, left.depth == right.depth ? left.depth.map { $0 + 1 } : nil)
        }
        var next = 0
        let root = add(0..<batch, &next)
        precondition(next == blocks.count, "ReductionPlan: \(blocks.count) blocks, but \(next) make up the batch of \(batch)")

        ranks = blocksOfRanks.count
        isBalanced = root.depth != nil && blocksOfRanks.allSatisfy { $0.count == 1 }
        self.blocks = blocks
        self.additions = additions
    }

    /// The blocks of `rank`, in the order of its buffers.
    package func blocks(of rank: Int) -> [Range<Int>] {
        blocks.filter { $0.rank == rank }.map(\.range)
    }
}
