import Imaging
import Kernels

/// The tiles that a prediction cuts each page into, and the networks planned for them.
struct PredictionTiles: CustomStringConvertible {
    let inference: TileInference
    let rows, columns: TileAxis

    /// Throws `TrainingError` of kind `usage` when tile and overlap do not fit the networks.
    init(_ options: PredictionOptions, _ trained: [TileInference.Trained], shape: VolumeShape, device: Device) throws {
        // The poolings of a tile must fall on the pixels that those of the whole page would: of several networks the strictest rule counts.
        let rule = try trained.map { try $0.configuration.inputSize }.max { $0.multiple < $1.multiple }!, multiple = rule.multiple
        let size = options.tile.size(height: shape.height, width: shape.width)
        // A tile's output is at least the distance at which tiles begin.
        let least = rule.input(showing: multiple)
        if case .size(let height, let width) = options.tile, !rule.fits(height) || !rule.fits(width) || min(height, width) < least {
            let sides = rule.remainder == 0 ? "a multiple of \(multiple)" : "one of \(least), \(least + multiple), …"
            throw TrainingError(
                .usage,
                "--tile \(options.tile) is not \(sides), which the network's depth needs; the next is \(max(least, rule.atLeast(max(height, width))))"
            )
        }
        /// A whole page's tile also has what the network's output lacks.
        func side(_ tile: Int, _ page: Int) -> Int { max(least, tile == page ? rule.input(showing: page) : rule.atLeast(tile)) }
        inference = try TileInference(
            trained, channels: shape.channels, height: side(size.height, shape.height), width: side(size.width, shape.width),
            orientations: options.augmentations, device: device)
        func axis(_ length: Int, _ tile: Int) throws -> TileAxis {
            TileAxis(
                length: length, tile: tile, overlap: try options.overlap(of: tile, multiple: multiple, length: length), alignment: multiple)
        }
        rows = try axis(shape.height, inference.outputHeight)
        columns = try axis(shape.width, inference.outputWidth)
    }

    /// Tiles of a page.
    var count: Int { rows.count * columns.count }

    /// The image's row and column at which a tile's first pixel lies; outside of the image where the network has a margin.
    func corner(_ tile: Int) -> (row: Int, column: Int) {
        let margin = inference.margin
        return (rows.starts[tile / columns.count] - margin.rows, columns.starts[tile % columns.count] - margin.columns)
    }

    var description: String {
        count == 1
            ? "each page whole" : "\(rows.count)×\(columns.count) tiles of \(inference.height)×\(inference.width) a page (height × width)"
    }
}
