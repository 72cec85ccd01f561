/// Samples of the local batch that go through a network together, and where the sums of their gradients go.
///
/// Gradients are summed along the tree over the global batch, whose nodes the blocks of the local batch are. A part of the local batch is
/// rarely such a node itself; it is summed as the largest nodes inside of it. A block's partial sums wait on a stack: what completes a node
/// of which the left half waits there is added to it.
struct MicroBatch {
    /// A node of the tree.
    struct Node {
        /// Its positions in the global batch.
        let range: Range<Int>
        /// The block that it belongs to.
        let block: Int
        /// How many partial sums of its block wait when its own comes.
        let level: Int
        /// How many additions of the two latest sums follow.
        let additions: Int
    }

    /// Its samples, numbered in the local batch.
    let samples: Range<Int>
    /// The nodes that make it up, in order.
    let nodes: [Node]

    /// `count` parts of the blocks, as even as possible but not empty: fewer where there are not so many samples.
    static func plan(blocks: [Range<Int>], count: Int, split: (Range<Int>) -> Int) -> [MicroBatch] {
        let first = blocks[0].lowerBound, batch = blocks.map(\.count).reduce(0, +), parts = min(count, batch)
        var levels = [Int](repeating: 0, count: blocks.count)
        return (0..<parts).map { part in
            let samples = batch * part / parts..<batch * (part + 1) / parts
            let positions = first + samples.lowerBound..<first + samples.upperBound
            var nodes: [Node] = []
            for (b, block) in blocks.enumerated() {
                for range in largestNodes(of: block, inside: positions, split: split) {
                    let additions = additions(after: range, in: block, split: split)
                    nodes.append(Node(range: range, block: b, level: levels[b], additions: additions))
                    levels[b] += 1 - additions
                }
            }
            return MicroBatch(samples: samples, nodes: nodes)
        }
    }

    private static func largestNodes(of node: Range<Int>, inside part: Range<Int>, split: (Range<Int>) -> Int) -> [Range<Int>] {
        let common = node.clamped(to: part)
        if common.isEmpty { return [] }
        if common == node { return [node] }
        let middle = split(node)
        return largestNodes(of: node.lowerBound..<middle, inside: part, split: split)
            + largestNodes(of: middle..<node.upperBound, inside: part, split: split)
    }

    /// How many nodes of `block` end with its descendant `node`, itself not counted.
    private static func additions(after node: Range<Int>, in block: Range<Int>, split: (Range<Int>) -> Int) -> Int {
        var current = block, additions = 0
        while current != node {
            let middle = split(current)
            if node.upperBound <= middle {
                current = current.lowerBound..<middle
                additions = 0
            } else {
                current = middle..<current.upperBound
                additions += 1
            }
        }
        return additions
    }
}
