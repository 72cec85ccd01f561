import DataParallel
import Testing

/// The tree of a range written out, by the rule itself: `((0+1)+2)`.
func specifiedExpression(_ range: Range<Int>) -> String {
    if range.count == 1 { return "\(range.lowerBound)" }
    var half = 1
    while 2 * half < range.count { half *= 2 }
    let middle = range.lowerBound + half
    return "(\(specifiedExpression(range.lowerBound..<middle))+\(specifiedExpression(middle..<range.upperBound)))"
}

/// All nodes of the tree of a range.
func specifiedNodes(_ range: Range<Int>) -> [Range<Int>] {
    if range.count == 1 { return [range] }
    var half = 1
    while 2 * half < range.count { half *= 2 }
    let middle = range.lowerBound + half
    return [range] + specifiedNodes(range.lowerBound..<middle) + specifiedNodes(middle..<range.upperBound)
}

struct BatchTreeTests {
    @Test func knowsTheDocumentedTree() {
        #expect(specifiedExpression(0..<6) == "(((0+1)+(2+3))+(4+5))")
        #expect(specifiedExpression(0..<3) == "((0+1)+2)")
        #expect(BatchTree.split(0..<6) == 4)
        #expect(BatchTree.split(10..<18) == 14)
        #expect(BatchTree.split(3..<5) == 4)
        #expect(BatchTree.blocks(of: 0..<3, in: 8) == [0..<2, 2..<3])
        #expect(BatchTree.blocks(of: 3..<6, in: 8) == [3..<4, 4..<6])
        #expect(BatchTree.blocks(of: 0..<8, in: 8) == [0..<8])
        #expect(BatchTree.blocks(of: 4..<6, in: 6) == [4..<6])
        #expect(BatchTree.blocks(of: 2..<2, in: 6).isEmpty)
    }

    @Test(arguments: 1...64)
    func blocksAreTheLargestNodes(batch: Int) {
        let nodes = Set(specifiedNodes(0..<batch))
        for start in 0..<batch {
            for end in start + 1...batch {
                let part = start..<end
                let expected = nodes.filter { node in
                    part.clamped(to: node) == node
                        && !nodes.contains { $0 != node && node.clamped(to: $0) == node && $0.clamped(to: part) == $0 }
                }
                let blocks = BatchTree.blocks(of: part, in: batch)
                #expect(blocks == expected.sorted { $0.lowerBound < $1.lowerBound }, "\(part) of \(batch)")
                #expect(blocks.flatMap { Array($0) } == Array(part), "\(part) of \(batch)")
            }
        }
    }

    @Test(arguments: 1...64)
    func stackAddsInTheOrderOfTheTree(batch: Int) {
        for node in specifiedNodes(0..<batch) {
            var stack: [String] = [], deepest = 0
            for position in node {
                stack.append("\(position)")
                deepest = max(deepest, stack.count)
                for _ in 0..<BatchTree.additions(after: position, in: node) {
                    let right = stack.removeLast()
                    stack.append("(\(stack.removeLast())+\(right))")
                }
            }
            #expect(stack == [specifiedExpression(node)])
            let levels = node.count == 1 ? 0 : Int.bitWidth - (node.count - 1).leadingZeroBitCount
            #expect(deepest <= 1 + levels, "a stack of \(deepest) for \(node.count) positions")
        }
    }

    @Test func sumsAlongTheTree() {
        #expect(BatchTree.sum([]) == 0)
        #expect(BatchTree.sum([5]) == 5)
        // 2⁵³ swallows a 1, but not the 2 that (1 + 1) makes.
        #expect(BatchTree.sum([0x1p53, 0, 1, 1]) == 0x1p53 + 2)
        #expect(BatchTree.sum([0x1p53, 1, 1, 0]) == 0x1p53)
        #expect(BatchTree.sum([0x1p53, 0, 0, 0, 1, 1]) == 0x1p53 + 2)
    }
}
