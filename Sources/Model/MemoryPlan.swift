/// Places buffers with known lifetimes in one arena, so that those that are never alive together share memory.
package struct MemoryPlan {
    /// A buffer: how many floats, and the first and last moment at which it is alive.
    package struct Request {
        package var count: Int
        package var lifetime: ClosedRange<Int>

        package init(count: Int, lifetime: ClosedRange<Int>) {
            self.count = count
            self.lifetime = lifetime
        }
    }

    /// Offset of each request's buffer, in its order, aligned to a cache line.
    package let offsets: [Int]
    /// Floats of the whole arena.
    package let count: Int

    /// Largest first, each at the lowest offset where it meets no buffer that is alive at the same time.
    package init(_ requests: [Request]) {
        var offsets = [Int](repeating: 0, count: requests.count)
        var placed: [(range: Range<Int>, lifetime: ClosedRange<Int>)] = []
        var end = 0
        let order = requests.indices.sorted { (requests[$0].count, -$0) > (requests[$1].count, -$1) }
        for index in order where requests[index].count > 0 {
            let request = requests[index], size = (request.count + 15) / 16 * 16
            var offset = 0
            for other in placed.filter({ $0.lifetime.overlaps(request.lifetime) }).sorted(by: { $0.range.lowerBound < $1.range.lowerBound })
            {
                if offset + size <= other.range.lowerBound { break }
                offset = max(offset, other.range.upperBound)
            }
            offsets[index] = offset
            placed.append((offset..<(offset + size), request.lifetime))
            end = max(end, offset + size)
        }
        self.offsets = offsets
        count = end
    }
}
