/// The segments of a slice: a number for each pixel of the framed layout, 1 … `count` inside segments and 0 or less elsewhere.
package struct Segmentation {
    package let layout: FramedLayout
    /// Numbers of the segments, in the framed layout.
    package let labels: UnsafeMutablePointer<Int32>
    /// Pixels to be visited.
    private let queue: UnsafeMutablePointer<Int32>
    /// Number of segments.
    package private(set) var count = 0

    private static let border: Int32 = 0, dam: Int32 = -1, queued: Int32 = -2, frame: Int32 = -3

    /// Room for the segments of a slice, to be freed by `deallocate`.
    package init(layout: FramedLayout) {
        self.layout = layout
        labels = .allocate(capacity: layout.count)
        queue = .allocate(capacity: layout.count)
    }

    package func deallocate() {
        labels.deallocate()
        queue.deallocate()
    }

    /// The numbers row after row, 0 for pixels of no segment.
    package var rows: [Int32] {
        (0..<layout.height * layout.width).map { pixel in
            max(0, labels[layout.column(pixel % layout.width).lowerBound + pixel / layout.width])
        }
    }

    /// Makes the 4-connected components of the pixels where `interior` is not 0 the segments, numbered by their first pixels.
    package mutating func findComponents(of interior: UnsafePointer<UInt8>) {
        let labels = labels, queue = queue, neighbors = layout.neighbors
        labels.initialize(repeating: Self.frame, count: layout.count)
        for x in 0..<layout.width { (labels + layout.column(x).lowerBound).update(repeating: Self.border, count: layout.height) }
        var found: Int32 = 0
        for x in 0..<layout.width {
            for first in layout.column(x) where interior[first] != 0 && labels[first] == Self.border {
                found += 1
                labels[first] = found
                queue[0] = Int32(first)
                var waiting = 1
                while waiting > 0 {
                    waiting -= 1
                    let pixel = Int(queue[waiting])
                    for k in neighbors.indices {
                        let neighbor = pixel + neighbors[k]
                        if interior[neighbor] != 0 && labels[neighbor] == Self.border {
                            labels[neighbor] = found
                            queue[waiting] = Int32(neighbor)
                            waiting += 1
                        }
                    }
                }
            }
        }
        count = Int(found)
    }

    /// Lets the segments grow over the border pixels until lines about one pixel wide, of no segment, are left between them.
    ///
    /// This is the thinning of the ISBI-2012 challenge: the watershed of Soille and Vincent ("Determining watersheds in digital pictures via
    /// flooding simulations", 1990), with 4-connectivity, of an image that is 0 in the interior and 255 on the border. All border pixels are of one level, and are flooded
    /// first in, first out. Which pixels become dams depends on the order of visits and on a flag that outlives the pixel, as in the challenge's program.
    package mutating func growOverBorder() {
        let labels = labels, queue = queue, neighbors = layout.neighbors
        var head = 0, tail = 0
        for x in 0..<layout.width {
            for pixel in layout.column(x) where labels[pixel] == Self.border {
                for k in neighbors.indices where labels[pixel + neighbors[k]] > 0 {
                    labels[pixel] = Self.queued
                    queue[tail] = Int32(pixel)
                    tail += 1
                    break
                }
            }
        }
        var flag = false
        while head < tail {
            let pixel = Int(queue[head])
            head += 1
            var own = labels[pixel]
            for k in neighbors.indices {
                let neighbor = pixel + neighbors[k], label = labels[neighbor]
                if label > 0 {
                    if own == Self.queued || (own == Self.dam && flag) {
                        own = label
                    } else if own > 0 && own != label {
                        own = Self.dam
                        flag = false
                    }
                } else if label == Self.dam {
                    if own == Self.queued {
                        own = Self.dam
                        flag = true
                    }
                } else if label == Self.border {
                    labels[neighbor] = Self.queued
                    queue[tail] = Int32(neighbor)
                    tail += 1
                }
            }
            labels[pixel] = own
        }
        // Without any segment nothing was flooded: the slice is one new basin.
        if count == 0 {
            for x in 0..<layout.width { (labels + layout.column(x).lowerBound).update(repeating: 1, count: layout.height) }
            count = 1
        }
    }
}
