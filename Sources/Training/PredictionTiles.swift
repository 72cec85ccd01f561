import Imaging
import Kernels

/// The tiles that a prediction cuts each page into, and the networks planned for them.
struct PredictionTiles: CustomStringConvertible {
    let inference: TileInference
    let rows, columns: TileAxis

    /// Throws `TrainingError` of kind `usage` when tile and overlap do not fit the networks.
    init(_ options: PredictionOptions, _ trained: [TileInference.Trained], shape: VolumeShape, device: Device) throws {
        // The poolings of a tile must fall on the pixels that those of the whole page would.
        let multiple = trained.map { 1 << $0.configuration.depth }.max()!
        if case .size(let height, let width) = options.tile, height % multiple != 0 || width % multiple != 0 {
            let next = roundedUp(max(height, width), to: multiple)
            throw TrainingError(
                .usage, "--tile \(options.tile) is not a multiple of \(multiple), which the network's depth needs; the next is \(next)")
        }
        let size = options.tile.size(height: shape.height, width: shape.width)
        inference = try TileInference(
            trained, channels: shape.channels, height: roundedUp(size.height, to: multiple), width: roundedUp(size.width, to: multiple),
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
