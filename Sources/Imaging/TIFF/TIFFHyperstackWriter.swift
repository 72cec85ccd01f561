import Foundation

/// Writes the channels of each page as images of their own, one after another: an ImageJ hyperstack, for channels that are not colours.
///
/// Rows come with all of their channels; what the file is not ready for waits in a file without a name, so that no page need fit into memory.
final class TIFFHyperstackWriter: VolumeWriter {
    private let images: TIFFWriter
    private let shape: VolumeShape
    private let path: String
    /// Rows of the page that is begun.
    private var rows = 0
    /// All channels of that page but the first, in single precision; gone when it is closed.
    private let waiting: AtomicFile

    init(path: String, shape: VolumeShape, pixelType: PixelType, metadata: VolumeMetadata, description: String) throws {
        (self.shape, self.path) = (shape, path)
        let flat = VolumeShape(pages: shape.pages * shape.channels, height: shape.height, width: shape.width)
        images = try TIFFWriter(
            PageEncoder(path: path, shape: flat, pixelType: pixelType), metadata: metadata, description: description)
        waiting = try AtomicFile(path)
        unlink(waiting.temporaryPath)
    }

    func append(_ rows: UnsafeBufferPointer<Float>) throws {
        let count = rows.count / (shape.channels * shape.width), plane = count * shape.width
        precondition(
            rows.count == shape.channels * plane && self.rows + count <= shape.height,
            "\(rows.count) samples after row \(self.rows) of \(shape)")
        try images.append(UnsafeBufferPointer(rebasing: rows[..<plane]))
        for channel in 1..<shape.channels {
            let part = UnsafeBufferPointer(rebasing: rows[channel * plane..<(channel + 1) * plane])
            try move(UnsafeMutableRawBufferPointer(mutating: UnsafeRawBufferPointer(part)), channel, row: self.rows) {
                pwrite($0, $1, $2, $3)
            }
        }
        self.rows += count
        if self.rows == shape.height { try appendWaiting() }
    }

    func close() throws { try images.close() }

    private func appendWaiting() throws {
        rows = 0
        let step = max(1, (1 << 18) / shape.width)
        try withUnsafeTemporaryAllocation(of: Float.self, capacity: min(step, shape.height) * shape.width) { buffer in
            for channel in 1..<shape.channels {
                for row in stride(from: 0, to: shape.height, by: step) {
                    let part = UnsafeMutableBufferPointer(rebasing: buffer[..<(min(step, shape.height - row) * shape.width)])
                    try move(UnsafeMutableRawBufferPointer(part), channel, row: row) { pread($0, $1, $2, $3) }
                    try images.append(UnsafeBufferPointer(part))
                }
            }
        }
    }

    /// Moves rows of a channel to or from their place in the file.
    private func move(
        _ bytes: UnsafeMutableRawBufferPointer, _ channel: Int, row: Int, _ call: (Int32, UnsafeMutableRawPointer, Int, off_t) -> Int
    ) throws {
        let start = ((channel - 1) * shape.height + row) * shape.width * MemoryLayout<Float>.size
        var done = 0
        while done < bytes.count {
            let count = call(waiting.descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(start + done))
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                throw ImagingError(.inputOutput, path, "cannot keep the channels of a page beside the file: \(systemError())")
            }
            done += count
        }
    }
}
