/// Adds what layers know of the samples of the global batch, where the batch is shared by several networks that run side by side.
public protocol StatisticsReducer: AnyObject {
    /// Samples of the global batch.
    var batch: Int { get }
    /// A collective of all networks. `values` holds `count` numbers for each block of the local batch, the sums over the block's samples; on
    /// return the first `count` are the sums over the global batch along its canonical tree, of the same bits everywhere. There is
    /// nothing to throw to: after a failure the values are arbitrary, and whoever runs the network learns of it from the reducer.
    func sum(_ values: UnsafeMutablePointer<Double>, count: Int)
}

/// Sums over the global batch, along its canonical tree, of values that each sample has.
public final class BatchSum: @unchecked Sendable {
    private let blocks: [Range<Int>]
    private let split: @Sendable (Range<Int>) -> Int
    private let localBatch: Int
    /// What adds up the blocks of all networks; nil: the local batch is the global one.
    var reducer: (any StatisticsReducer)?

    init(blocks: [Range<Int>], split: @escaping @Sendable (Range<Int>) -> Int) {
        (self.blocks, self.split) = (blocks, split)
        localBatch = blocks.map(\.count).reduce(0, +)
    }

    /// Samples of the global batch.
    public var batch: Int { reducer?.batch ?? localBatch }

    /// Makes the first `count` of `values` (`count` for each local sample) the sums over the global batch; the others are lost.
    public func sum(_ values: UnsafeMutablePointer<Double>, count: Int) {
        for (b, block) in blocks.enumerated() {
            add(block, values, count)
            let first = (block.lowerBound - blocks[0].lowerBound) * count
            if first > b * count { (values + b * count).update(from: values + first, count: count) }
        }
        if let reducer {
            reducer.sum(values, count: count)
        } else {
            var next = 0
            combine(blocks[0].lowerBound..<blocks[blocks.count - 1].upperBound, values, count, &next)
        }
    }

    /// Sums the samples of `range` into the first of them.
    private func add(_ range: Range<Int>, _ values: UnsafeMutablePointer<Double>, _ count: Int) {
        if range.count == 1 { return }
        let middle = split(range), first = blocks[0].lowerBound
        add(range.lowerBound..<middle, values, count)
        add(middle..<range.upperBound, values, count)
        let left = values + (range.lowerBound - first) * count, right = values + (middle - first) * count
        for i in 0..<count { left[i] += right[i] }
    }

    /// Sums the blocks from `next` on that make up `range` into the first of them.
    private func combine(_ range: Range<Int>, _ values: UnsafeMutablePointer<Double>, _ count: Int, _ next: inout Int) {
        if blocks[next] == range {
            next += 1
            return
        }
        let middle = split(range), left = values + next * count
        combine(range.lowerBound..<middle, values, count, &next)
        let right = values + next * count
        combine(middle..<range.upperBound, values, count, &next)
        for i in 0..<count { left[i] += right[i] }
    }
}
