/// The binary tree along which everything that belongs to a batch is summed, whatever the number of ranks and threads.
///
/// Its leaves are the batch positions 0 ..< B. A range of positions is split at the largest power of two smaller than its length, so
/// aligned blocks of 2ᵏ positions are nodes, and how a node is summed inside depends on its own range alone:
///
///     B = 6:            0..<6
///                 0..<4       4..<6
///              0..<2  2..<4   4   5
///              0  1   2  3
public enum BatchTree {
    /// Where `range`, of at least two positions, is split: its start plus the largest power of two smaller than its length.
    public static func split(_ range: Range<Int>) -> Int {
        precondition(range.count > 1, "BatchTree: \(range) cannot be split")
        return range.lowerBound + 1 << (Int.bitWidth - 1 - (range.count - 1).leadingZeroBitCount)
    }

    /// The largest nodes of the tree over 0 ..< `batch` that lie inside `part`, in order; together they are `part`.
    ///
    /// A rank that computes `part` can sum each of them alone and nothing more.
    public static func blocks(of part: Range<Int>, in batch: Int) -> [Range<Int>] {
        precondition(part.lowerBound >= 0 && part.upperBound <= batch, "BatchTree: \(part) is not inside 0..<\(batch)")
        func cover(_ node: Range<Int>) -> [Range<Int>] {
            if node.clamped(to: part).isEmpty { return [] }
            if node.clamped(to: part) == node { return [node] }
            let middle = split(node)
            return cover(node.lowerBound..<middle) + cover(middle..<node.upperBound)
        }
        return cover(0..<batch)
    }

    /// How many additions follow once the value of `position` is there, when the values of `node` come in order onto a stack.
    ///
    /// Each addition replaces the two topmost partial sums by their sum; after the last position one is left. So a node of n positions
    /// is summed in the tree's order with a stack of 1 + ⌈log₂ n⌉ entries.
    public static func additions(after position: Int, in node: Range<Int>) -> Int {
        precondition(node.contains(position), "BatchTree: \(position) is not in \(node)")
        var node = node, additions = 0
        while node.count > 1 {
            let middle = split(node)
            if position < middle {
                node = node.lowerBound..<middle
                additions = 0
            } else {
                node = middle..<node.upperBound
                additions += 1
            }
        }
        return additions
    }

    /// The sum of one value per batch position along the tree; 0 for none.
    public static func sum(_ perSample: [Double]) -> Double {
        var stack: [Double] = []
        for (position, value) in perSample.enumerated() {
            stack.append(value)
            for _ in 0..<additions(after: position, in: perSample.indices) {
                let right = stack.removeLast()
                stack[stack.count - 1] += right
            }
        }
        return stack.first ?? 0
    }
}
