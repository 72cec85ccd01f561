/// Writes a NumPy array of shape (pages, height, width, channels).
final class NPYWriter: VolumeWriter {
    private let encoder: PageEncoder
    private let file: AtomicFile

    init(_ encoder: PageEncoder) throws {
        self.encoder = encoder
        file = try AtomicFile(encoder.path)
        let shape = encoder.shape
        encoder.blockRows = min(shape.height, max(1, (256 << 10) / encoder.rowBytes))
        try NPYHeader.bytes(encoder.pixelType, shape: [shape.pages, shape.height, shape.width, shape.channels]).withUnsafeBytes(file.write)
    }

    func append(_ rows: UnsafeBufferPointer<Float>) throws {
        try encoder.encode(rows) { try file.write(UnsafeRawBufferPointer($0.bytes)) }
    }

    func close() throws {
        encoder.checkComplete()
        try file.commit()
    }
}
