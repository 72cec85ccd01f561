/// Puts the tiles of one page together, a row of tiles at a time, in an order that does not depend on who computed them.
///
/// It holds the rows of pixels that one row of tiles reaches, across the image, whatever the height of the image is.
package final class TileAssembly {
    /// How the tiles cover the rows of the image.
    package let rows: TileAxis
    /// How they cover its columns.
    package let columns: TileAxis
    /// Values of a pixel.
    package let channels: Int
    /// Row by row, in each channel after channel.
    private let sums: UnsafeMutableBufferPointer<Float>
    /// The same rows as they are handed out: channel after channel.
    private let finished: UnsafeMutableBufferPointer<Float>
    /// The image row that `sums` begins with.
    private var first = 0
    /// Tiles of the page that were added.
    private var added = 0
    private let weights: UnsafeMutableBufferPointer<Float>

    /// Room for pages of which each pixel has `channels` values.
    package init(rows: TileAxis, columns: TileAxis, channels: Int) {
        (self.rows, self.columns, self.channels) = (rows, columns, channels)
        let height = (0..<rows.count).map { rows.used($0).count }.max()!
        sums = .allocate(capacity: height * channels * columns.length)
        sums.initialize(repeating: 0)
        finished = .allocate(capacity: sums.count)
        weights = .allocate(capacity: columns.tile)
    }

    deinit { for buffer in [sums, finished, weights] { buffer.deallocate() } }

    /// Tiles of a page.
    package var tileCount: Int { rows.count * columns.count }
    /// Bytes that this takes.
    package var memoryBytes: Int { 4 * (sums.count + finished.count + weights.count) }

    /// Adds the next tile of the page, row after row of tiles: channel after channel, each row after row. Hands `body` the rows that no
    /// later tile reaches, when there are any: channel after channel; it may change them.
    package func add(_ tile: UnsafeBufferPointer<Float>, _ body: (UnsafeMutableBufferPointer<Float>) throws -> Void) rethrows {
        precondition(tile.count == channels * rows.tile * columns.tile, "TileAssembly: a tile of \(tile.count) values")
        let (row, column) = added.quotientAndRemainder(dividingBy: columns.count)
        let y = rows.used(row), x = columns.used(column), left = columns.starts[column], width = columns.length
        for place in x { weights[place - x.lowerBound] = columns.weight(column, place) }
        for line in y {
            let weight = rows.weight(row, line)
            for channel in 0..<channels {
                let source = tile.baseAddress! + (channel * rows.tile + line - rows.starts[row]) * columns.tile + x.lowerBound - left
                let target = sums.baseAddress! + ((line - first) * channels + channel) * width + x.lowerBound
                for i in 0..<x.count { target[i] += weight * weights[i] * source[i] }
            }
        }
        added += 1
        if column == columns.count - 1 { try finish(row, body) }
    }

    /// Hands out what the row of tiles was the last to reach, and moves the rest to the front.
    private func finish(_ row: Int, _ body: (UnsafeMutableBufferPointer<Float>) throws -> Void) rethrows {
        let end = row == rows.count - 1 ? rows.length : rows.used(row + 1).lowerBound
        let lines = end - first, kept = rows.used(row).upperBound - end, width = columns.length, lineCount = channels * width
        for line in 0..<lines {
            for channel in 0..<channels {
                (finished.baseAddress! + (channel * lines + line) * width).update(
                    from: sums.baseAddress! + line * lineCount + channel * width, count: width)
            }
        }
        sums.baseAddress!.update(from: sums.baseAddress! + lines * lineCount, count: kept * lineCount)
        (sums.baseAddress! + kept * lineCount).update(repeating: 0, count: sums.count - kept * lineCount)
        first = end
        if row == rows.count - 1 { (first, added) = (0, 0) }
        try body(UnsafeMutableBufferPointer(rebasing: finished[..<(lines * lineCount)]))
    }
}
