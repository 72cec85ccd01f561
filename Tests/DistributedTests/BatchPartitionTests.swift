import DataParallel
import Testing

struct BatchPartitionTests {
    @Test(arguments: 1...16)
    func partsAreContiguousEvenAndComplete(ranks: Int) throws {
        for batch in ranks...64 {
            let partition = try BatchPartition(batch: batch, ranks: ranks)
            let parts = (0..<ranks).map { partition.range(of: $0) }
            #expect(parts.flatMap { Array($0) } == Array(0..<batch))
            #expect(parts.map(\.count).max()! - parts.map(\.count).min()! <= 1)
            #expect(parts.map(\.count) == parts.map(\.count).sorted(by: >))
        }
    }

    @Test(
        arguments: [
            (3, 4, "a global batch of 3 cannot be shared by 4 ranks: set the batch size to 4 or more, or start at most 3 ranks"),
            (0, 1, "the batch size must be at least 1, not 0"),
            (-1, 2, "the batch size must be at least 1, not -1"),
        ])
    func refusesMoreRanksThanSamples(batch: Int, ranks: Int, message: String) throws {
        let error = try #require(throws: PartitionError.self) { try BatchPartition(batch: batch, ranks: ranks) }
        #expect(error.exitStatus == 64)
        #expect("\(error)" == message)
    }
}

struct ReductionPlanTests {
    /// The plan's additions, done on expressions instead of gradients, are the tree's; so are the exchanges of neighbours where the
    /// plan says that they are possible.
    @Test(arguments: 1...16)
    func addsInTheOrderOfTheTree(ranks: Int) throws {
        for batch in ranks...64 {
            let partition = try BatchPartition(batch: batch, ranks: ranks)
            let plan = ReductionPlan(partition)
            var sums = plan.blocks.map { specifiedExpression($0.range) }
            for addition in plan.additions { sums[addition.target] = "(\(sums[addition.target])+\(sums[addition.source]))" }
            #expect(sums[0] == specifiedExpression(0..<batch), "\(batch) on \(ranks)")
            #expect(plan.additions.count == plan.blocks.count - 1)
            for rank in 0..<ranks {
                #expect(plan.blocks(of: rank) == BatchTree.blocks(of: partition.range(of: rank), in: batch))
            }

            guard plan.isBalanced else { continue }
            #expect(ranks.nonzeroBitCount == 1)
            var neighbours = (0..<ranks).map { specifiedExpression(partition.range(of: $0)) }
            while neighbours.count > 1 {
                neighbours = stride(from: 0, to: neighbours.count, by: 2).map { "(\(neighbours[$0])+\(neighbours[$0 + 1]))" }
            }
            #expect(neighbours == [specifiedExpression(0..<batch)], "\(batch) on \(ranks)")
        }
    }

    @Test func knowsBalancedParts() throws {
        func isBalanced(_ batch: Int, _ ranks: Int) throws -> Bool {
            ReductionPlan(try BatchPartition(batch: batch, ranks: ranks)).isBalanced
        }
        for (batch, ranks) in [(1, 1), (7, 1), (2, 2), (3, 2), (8, 2), (4, 4), (6, 4), (7, 4), (8, 4), (8, 8), (12, 8), (64, 16)] {
            #expect(try isBalanced(batch, ranks), "\(batch) on \(ranks)")
        }
        for (batch, ranks) in [(6, 2), (10, 2), (3, 3), (5, 4), (9, 8), (10, 8)] {
            #expect(try !isBalanced(batch, ranks), "\(batch) on \(ranks)")
        }
    }

    @Test func takesFinerBlocks() {
        let plan = ReductionPlan(batch: 5, blocksOfRanks: [[0..<1, 1..<2, 2..<4], [4..<5]])
        #expect(plan.additions.map { [$0.target, $0.source] } == [[0, 1], [0, 2], [0, 3]])
        #expect(!plan.isBalanced)
        #expect(plan.blocks(of: 0) == [0..<1, 1..<2, 2..<4])
    }
}
