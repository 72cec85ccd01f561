import Imaging

/// What rank 0 makes of the tiles, in their order: rows of pages, in the type that was asked for, in a file.
final class PredictionOutput {
    private let assembly: TileAssembly
    private let writer: any VolumeWriter
    private let threshold: Float?
    /// What probability 1 is stored as.
    private let scale: Float

    init(_ options: PredictionOptions, volume: VolumeReader, tiles: PredictionTiles) throws {
        assembly = TileAssembly(rows: tiles.rows, columns: tiles.columns, channels: tiles.inference.outputChannels)
        threshold = options.threshold
        scale = options.outputType.maximum ?? 1
        let shape = VolumeShape(
            pages: volume.shape.pages, height: volume.shape.height, width: volume.shape.width, channels: assembly.channels)
        writer = try makeVolumeWriter(
            path: options.output, shape: shape, pixelType: options.outputType, metadata: volume.metadata, displayRange: 0...scale)
    }

    /// Bytes beside the writer's.
    var memoryBytes: Int { assembly.memoryBytes }

    /// Adds the next tile.
    func add(_ tile: UnsafeMutableBufferPointer<Float>) throws {
        try assembly.add(UnsafeBufferPointer(tile)) { rows in
            if let threshold {
                for i in rows.indices { rows[i] = rows[i] > threshold ? scale : 0 }
            } else if scale != 1 {
                for i in rows.indices { rows[i] *= scale }
            }
            try writer.append(UnsafeBufferPointer(rows))
        }
    }

    /// Finishes the file.
    func close() throws { try writer.close() }
}
