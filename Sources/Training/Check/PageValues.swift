import Imaging

/// What the pages of a volume hold: how often each value occurs, and the moments.
struct PageValues {
    /// More distinct values than labels of named classes have are not counted one by one.
    static let mostValues = 1000

    /// Pixels by value, of all pages; the first `mostValues` values that occur.
    private(set) var counts: [Float: Int] = [:]
    /// Whether there were more.
    private(set) var hasMore = false
    /// Pixels in all.
    private(set) var pixels = 0
    private(set) var least = Float.infinity, greatest = -Float.infinity
    /// Pixels that are infinite or no number.
    private(set) var notFinite = 0

    /// Distinct values, as far as they are counted.
    var distinct: Int { counts.count + (hasMore ? 1 : 0) }

    mutating func add(_ samples: UnsafeBufferPointer<Float>) {
        pixels += samples.count
        // Neighbours mostly have one label.
        var last = Float.nan, run = 0
        func flush(_ counts: inout [Float: Int], _ hasMore: inout Bool) {
            guard run > 0 else { return }
            if counts[last] != nil || counts.count < Self.mostValues { counts[last, default: 0] += run } else { hasMore = true }
        }
        for value in samples {
            guard value.isFinite else {
                notFinite += 1
                continue
            }
            if value == last {
                run += 1
                continue
            }
            flush(&counts, &hasMore)
            (last, run) = (value, 1)
            least = min(least, value)
            greatest = max(greatest, value)
        }
        flush(&counts, &hasMore)
    }

    mutating func add(_ other: PageValues) {
        for (value, count) in other.counts {
            if counts[value] != nil || counts.count < Self.mostValues { counts[value, default: 0] += count } else { hasMore = true }
        }
        hasMore = hasMore || other.hasMore
        pixels += other.pixels
        notFinite += other.notFinite
        (least, greatest) = (min(least, other.least), max(greatest, other.greatest))
    }

    /// The distinct values of a volume's first page, up to `mostValues` + 1.
    static func distinct(inFirstPageOf path: String) throws -> Int {
        let volume = try VolumeReader(path)
        var samples = [Float](repeating: 0, count: volume.shape.pageCount), values = PageValues()
        try samples.withUnsafeMutableBufferPointer { try volume.readPage(0, into: $0) }
        samples.withUnsafeBufferPointer { values.add($0) }
        return values.distinct
    }
}
