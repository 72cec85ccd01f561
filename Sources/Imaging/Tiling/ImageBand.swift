/// Reads tiles of the pages of a volume: the rows that a row of tiles needs are decoded once and kept until another row of tiles is asked
/// for. Beyond the edge the image continues mirrored at its first and last pixels, which are not repeated: … c b | a b c d | c b a …
package final class ImageBand {
    private let volume: VolumeReader
    private var samples: [Float] = []
    private var page = -1
    private var rows = 0..<0

    /// A reader of tiles of `volume`.
    package init(_ volume: VolumeReader) { self.volume = volume }

    /// Copies the tile whose first pixel is (`top`, `left`), either of which may lie outside of the image: raw values, channel after
    /// channel, each of `height` rows of `width` pixels.
    ///
    /// - Throws: `ImagingError` if a page cannot be read, or holds values that are not finite numbers.
    package func read(
        page: Int, top: Int, left: Int, height: Int, width: Int, into tile: UnsafeMutableBufferPointer<Float>
    ) throws {
        let shape = volume.shape
        precondition(tile.count == shape.channels * height * width, "ImageBand: \(tile.count) samples for \(height)×\(width)")
        let lines = (top..<top + height).map { reflected($0, shape.height) }
        try load(page, lines.min()!..<lines.max()! + 1)
        let inside = max(0, left)..<max(0, left, min(left + width, shape.width))
        for channel in 0..<shape.channels {
            for (y, line) in lines.enumerated() {
                samples.withUnsafeBufferPointer { samples in
                    let source = samples.baseAddress! + (channel * rows.count + line - rows.lowerBound) * shape.width
                    let target = tile.baseAddress! + (channel * height + y) * width
                    for x in left..<inside.lowerBound { target[x - left] = source[reflected(x, shape.width)] }
                    (target + inside.lowerBound - left).update(from: source + inside.lowerBound, count: inside.count)
                    for x in inside.upperBound..<left + width { target[x - left] = source[reflected(x, shape.width)] }
                }
            }
        }
    }

    private func load(_ page: Int, _ rows: Range<Int>) throws {
        guard page != self.page || rows != self.rows else { return }
        let shape = volume.shape, count = shape.channels * rows.count * shape.width
        self.page = -1
        if samples.count != count { samples = [Float](repeating: 0, count: count) }
        try samples.withUnsafeMutableBufferPointer { try volume.readRows(rows, ofPage: page, into: $0) }
        guard !volume.pixelType.isFloat || samples.allSatisfy(\.isFinite) else {
            throw volume.failure(page, "holds values that are not finite numbers")
        }
        (self.page, self.rows) = (page, rows)
    }
}

/// The index inside 0 ..< count that `index` meets when the axis is mirrored at its first and last element: … c b | a b c d | c b …
package func reflected(_ index: Int, _ count: Int) -> Int {
    if count == 1 { return 0 }
    let period = 2 * (count - 1), place = index % period, positive = place < 0 ? place + period : place
    return positive < count ? positive : period - positive
}
