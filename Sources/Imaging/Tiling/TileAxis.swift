/// How tiles of one length cover one axis of an image, and how much each counts for a pixel.
///
/// Tiles begin at multiples of an alignment and lie as evenly as that allows; the last one may reach beyond the image. Where two
/// neighbours overlap a seam runs through the middle: on one side of it the one tile counts alone, on the other the other, and in a ramp
/// of an eighth of the overlap across it they blend smoothly. What lies near the edge of a tile, where the network saw too little of the
/// surroundings, so counts for nothing.
///
/// The weights of a pixel are multiples of 2⁻¹² and sum to 1 exactly, and so do their products over two axes, multiples of 2⁻²⁴.
package struct TileAxis: Equatable, Sendable {
    /// Pixels of the image.
    package let length: Int
    /// Pixels of a tile.
    package let tile: Int
    /// The first pixel of each tile.
    package let starts: [Int]
    /// The weights of the later of two tiles in the ramp between them.
    private let ramp: [Float]

    /// Covers `length` pixels by tiles of `tile`, neighbours of which share at least `overlap`, rounded up so that tiles may begin at
    /// multiples of `alignment`. The overlap is from 0 to `tile` − `alignment`.
    package init(length: Int, tile: Int, overlap: Int, alignment: Int) {
        precondition(
            length > 0 && alignment > 0 && tile >= alignment && (0...tile - alignment).contains(overlap),
            "TileAxis: tiles of \(tile) with an overlap of \(overlap), aligned to \(alignment), over \(length) pixels")
        self.length = length
        self.tile = tile
        let step = (tile - overlap) / alignment * alignment
        // From the first pixel of the first tile to the first of the last.
        let span = max(0, (length - tile + alignment - 1) / alignment * alignment)
        let gaps = (span + step - 1) / step
        let starts = (0...gaps).map { gaps == 0 ? 0 : $0 * span / gaps / alignment * alignment }
        // Two seams of a tile are half of the distance of its neighbours apart.
        let distance = starts.indices.dropFirst(2).map { (starts[$0] - starts[$0 - 2]) / 2 }.min() ?? tile
        let width = min(overlap / 8, distance) / 2 * 2
        var ramp = [Float](repeating: 0, count: width)
        for i in 0..<width / 2 {
            let t = (Double(i) + 0.5) / Double(width)
            ramp[i] = Float((4096 * t * t * (3 - 2 * t)).rounded() / 4096)
            ramp[width - 1 - i] = 1 - ramp[i]
        }
        (self.starts, self.ramp) = (starts, ramp)
    }

    /// The number of tiles.
    package var count: Int { starts.count }

    /// The pixels of the image for which tile `index` counts.
    package func used(_ index: Int) -> Range<Int> {
        (index == 0 ? 0 : rampStart(index - 1))..<(index == count - 1 ? length : rampStart(index) + ramp.count)
    }

    /// How much tile `index` counts for the pixel, one that it is used for.
    package func weight(_ index: Int, _ pixel: Int) -> Float {
        if index > 0 {
            let place = pixel - rampStart(index - 1)
            if place < ramp.count { return ramp[place] }
        }
        if index < count - 1 {
            let place = pixel - rampStart(index)
            if place >= 0 { return 1 - ramp[place] }
        }
        return 1
    }

    /// The first pixel of the ramp between tile `index` and the next one.
    private func rampStart(_ index: Int) -> Int { (starts[index] + starts[index + 1] + tile - ramp.count) / 2 }
}
