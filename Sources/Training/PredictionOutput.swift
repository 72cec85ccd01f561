import Imaging

/// What rank 0 makes of the tiles, in their order: rows of pages, in the type that was asked for, in a file.
final class PredictionOutput {
    private let assembly: TileAssembly
    private let writer: any VolumeWriter
    private let threshold: Float?
    /// What probability 1 is stored as.
    private let scale: Float
    /// The classes whose values are written instead of probabilities.
    private let labels: LabelClasses?
    /// What finds the objects that are written instead.
    private let objects: PageObjects?

    init(_ options: PredictionOptions, classes: LabelClasses?, volume: VolumeReader, tiles: PredictionTiles) throws {
        assembly = TileAssembly(rows: tiles.rows, columns: tiles.columns, channels: tiles.inference.outputChannels)
        threshold = options.threshold
        objects =
            options.type == .objects
            ? PageObjects(height: volume.shape.height, width: volume.shape.width, threshold: options.threshold ?? 0.5) : nil
        labels = options.type == .labels ? classes : nil
        let type = options.outputType(classes)
        scale = type.maximum ?? 1
        let shape = VolumeShape(
            pages: volume.shape.pages, height: volume.shape.height, width: volume.shape.width,
            channels: labels == nil ? assembly.channels : 1)
        writer = try makeVolumeWriter(
            path: options.output, shape: shape, pixelType: type, metadata: volume.metadata,
            displayRange: objects == nil ? 0...(labels.map { Float($0.greatestValue) } ?? scale) : nil, isHyperstack: true,
            isOME: options.isOME)
    }

    /// Bytes beside the writer's.
    var memoryBytes: Int { assembly.memoryBytes + (objects?.memoryBytes ?? 0) }

    /// Adds the next tile.
    func add(_ tile: UnsafeMutableBufferPointer<Float>) throws {
        try assembly.add(UnsafeBufferPointer(tile)) { rows in
            if let labels {
                let indices = LabelClasses.mostProbable(rows, classes: labels.count)
                for i in indices.indices { indices[i] = Float(labels.classes[Int(indices[i])].value) }
                return try writer.append(UnsafeBufferPointer(indices))
            }
            if let objects {
                if let page = try objects.add(UnsafeBufferPointer(rows)) { try page.withUnsafeBufferPointer(writer.append) }
                return
            }
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
