/// Warps the truth of a slice towards a proposal and counts what topology keeps apart: the warping error of the ISBI-2012 challenge.
///
/// Pixels in which the truth differs from the proposal are flipped where that leaves the topology as it is (simple points; foreground
/// 4-connected, background 8-connected), those with the clearest probability first, until no more can be flipped. A pixel that is left is a
/// split if the proposal divides a segment there, and a merge if it joins two. Merely shifted borders cost nothing.
///
/// Source: Jain et al., "Boundary learning by optimization with topological constraints", CVPR 2010; the ISBI-2012 challenge's program
/// without a limit to the window in which segments are followed.
struct Warping {
    /// Pixels at which the proposal divides a true segment, and joins true segments.
    struct Mismatches: Equatable {
        var splits = 0, merges = 0
    }

    private let layout: FramedLayout
    private let source: UnsafeMutablePointer<UInt8>
    private let order, low, path: UnsafeMutablePointer<Int32>
    /// Bit 0: the pixel divides its segment; above: the next neighbour to be visited.
    private let state: UnsafeMutablePointer<UInt8>
    private var keys: [UInt64] = []

    /// Room for slices of this size, to be freed by `deallocate`.
    init(layout: FramedLayout) {
        self.layout = layout
        source = .allocate(capacity: layout.count)
        state = .allocate(capacity: layout.count)
        order = .allocate(capacity: layout.count)
        low = .allocate(capacity: layout.count)
        path = .allocate(capacity: 2 * layout.count)
    }

    func deallocate() {
        source.deallocate()
        state.deallocate()
        for buffer in [order, low, path] { buffer.deallocate() }
    }

    /// Counts the mismatches that are left after warping.
    /// - Parameters:
    ///   - truth: Not 0 in the interior; 0 in the frame.
    ///   - probabilities: Of the interior, in the framed layout.
    ///   - threshold: A pixel of the proposal is interior above it.
    ///   - segmentation: Receives the components of the warped truth.
    mutating func mismatches(
        truth: UnsafePointer<UInt8>, probabilities: UnsafePointer<Float>, threshold: Double, segmentation: inout Segmentation
    ) -> Mismatches {
        source.update(from: truth, count: layout.count)
        findMismatches(probabilities, threshold)
        let left = warp()
        if left == 0 { return Mismatches() }

        segmentation.findComponents(of: source)
        let labels = segmentation.labels, ring = layout.ring
        var result = Mismatches(), hasOrder = false
        for k in 0..<left {
            let pixel = Int(path[k])
            // The segments around the pixel; the frame belongs to the background.
            var first: Int32 = 0, isBetween = false, touchesBackground = false
            for step in ring.indices {
                let label = max(0, labels[pixel + ring[step]])
                if label == 0 {
                    touchesBackground = true
                } else if first == 0 {
                    first = label
                } else if label != first {
                    isBetween = true
                }
            }
            if isBetween {
                if source[pixel] == 0 { result.merges += 1 } else { result.splits += 1 }
            } else if first > 0 && touchesBackground && source[pixel] != 0 && Self.partsTouching[pattern(around: pixel)] > 1 {
                // One segment around a pixel of it: does it fall apart without the pixel?
                if !hasOrder {
                    order.update(repeating: 0, count: layout.count)
                    state.update(repeating: 0, count: layout.count)
                    hasOrder = true
                }
                // `path` keeps the mismatches that are left in its first elements; the depth-first search has the rest.
                if order[pixel] == 0 { findDividingPixels(from: pixel, path: path + left) }
                if state[pixel] & 1 == 1 { result.splits += 1 }
            }
        }
        return result
    }

    /// Lists the pixels that differ from the proposal in `path`: the farthest from the threshold first, equals in the order of memory.
    private mutating func findMismatches(_ probabilities: UnsafePointer<Float>, _ threshold: Double) {
        keys.removeAll(keepingCapacity: true)
        for x in 0..<layout.width {
            for pixel in layout.column(x) {
                let probability = Double(probabilities[pixel])
                if (probability > threshold) == (source[pixel] != 0) { continue }
                // The bits of positive numbers are in the order of the numbers.
                let distance = Float(abs(probability - threshold)).bitPattern
                keys.append(UInt64(~distance) << 32 | UInt64(pixel))
            }
        }
        keys.sort()
        for k in keys.indices { path[k] = Int32(truncatingIfNeeded: keys[k] & 0xFFFF_FFFF) }
    }

    /// Flips simple pixels until none is left; returns how many others are, at the beginning of `path`.
    private func warp() -> Int {
        var left = keys.count, before: Int
        repeat {
            before = left
            left = 0
            for k in 0..<before {
                let pixel = Int(path[k]), pattern = pattern(around: pixel)
                if pattern != 255 && Self.partsTouching[pattern] == 1 {
                    source[pixel] ^= 1
                } else {
                    path[left] = Int32(pixel)
                    left += 1
                }
            }
        } while left != before
        return left
    }

    /// The foreground among the eight pixels around one, a bit each, from the one above in a circle.
    @inline(__always)
    private func pattern(around pixel: Int) -> Int {
        let ring = layout.ring
        var pattern = 0
        for step in ring.indices { pattern |= Int(source[pixel + ring[step]]) << step }
        return pattern
    }

    /// For each pattern of a ring, how many of the 4-connected parts of its foreground touch the middle with an edge.
    /// A pixel is simple if that is one, and the ring is not all foreground.
    private static let partsTouching: [UInt8] = (0..<256).map { pattern in
        if pattern == 255 { return 1 }
        var parts: UInt8 = 0
        for begin in 0..<8 where pattern >> begin & 1 == 1 && pattern >> ((begin + 7) & 7) & 1 == 0 {
            var touches = false, place = begin
            while pattern >> (place & 7) & 1 == 1 {
                touches = touches || place & 1 == 0
                place += 1
            }
            parts += touches ? 1 : 0
        }
        return parts
    }

    /// Marks in `state` the pixels without which the segment of `root` would fall apart: the articulation points of its graph of
    /// 4-neighbours, by one depth-first search.
    ///
    /// Source: Hopcroft and Tarjan, "Efficient algorithms for graph manipulation", 1973.
    private func findDividingPixels(from root: Int, path: UnsafeMutablePointer<Int32>) {
        let neighbors = layout.neighbors
        var visited: Int32 = 1, depth = 1, children = 0
        path[0] = Int32(root)
        order[root] = 1
        low[root] = 1
        while depth > 0 {
            let pixel = Int(path[depth - 1]), next = Int(state[pixel] >> 1)
            if next < 4 {
                state[pixel] += 2
                let neighbor = pixel + neighbors[next]
                if source[neighbor] == 0 { continue }
                if order[neighbor] == 0 {
                    visited += 1
                    order[neighbor] = visited
                    low[neighbor] = visited
                    path[depth] = Int32(neighbor)
                    depth += 1
                    if pixel == root { children += 1 }
                } else {
                    low[pixel] = min(low[pixel], order[neighbor])
                }
            } else {
                depth -= 1
                if depth == 0 { break }
                let parent = Int(path[depth - 1])
                low[parent] = min(low[parent], low[pixel])
                if parent != root && low[pixel] >= order[parent] { state[parent] |= 1 }
            }
        }
        if children > 1 { state[root] |= 1 }
    }
}
