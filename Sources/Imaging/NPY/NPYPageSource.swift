/// The pages of a NumPy array of shape (height, width), (pages, height, width) or (pages, height, width, channels).
final class NPYPageSource: PageSource {
    let shape: VolumeShape
    var pixelType: PixelType { header.pixelType }
    let metadata = VolumeMetadata()
    private let file: InputFile
    private let header: NPYHeader

    init(_ file: InputFile) throws {
        self.file = file
        header = try NPYHeader(file)
        let sizes = header.shape
        guard (2...4).contains(sizes.count), !sizes.contains(0) else {
            throw ImagingError(
                .invalid, file.path, "has shape \(sizes); (pages, height, width) or (pages, height, width, channels) is expected")
        }
        let isPage = sizes.count == 2
        shape = VolumeShape(
            pages: isPage ? 1 : sizes[0], height: sizes[isPage ? 0 : 1], width: sizes[isPage ? 1 : 2],
            channels: sizes.count == 4 ? sizes[3] : 1)
    }

    func readRows(_ rows: Range<Int>, ofPage page: Int, into samples: UnsafeMutablePointer<Float>) throws {
        let size = pixelType.size
        if header.isFortranOrder {
            // Numbers of one page lie `pages` apart: every page goes through the whole file, one column at a time.
            let pages = shape.pages, column = pages * shape.height
            var bytes = [UInt8](repeating: 0, count: column * size)
            var values = [Float](repeating: 0, count: shape.height)
            for channel in 0..<shape.channels {
                for x in 0..<shape.width {
                    try bytes.withUnsafeMutableBytes {
                        try file.read(at: header.size + (channel * shape.width + x) * column * size, into: $0)
                        pixelType.convert(
                            $0.baseAddress! + page * size, stride: pages, swapped: header.isSwapped, into: &values, count: shape.height)
                    }
                    for (row, y) in rows.enumerated() { samples[(channel * rows.count + row) * shape.width + x] = values[y] }
                }
            }
            return
        }
        let rowBytes = shape.width * shape.channels * size
        // A megabyte at a time: the bytes must not take the memory of the samples again.
        let step = max(1, (1 << 20) / rowBytes)
        for first in stride(from: 0, to: rows.count, by: step) {
            let count = min(step, rows.count - first), row = page * shape.height + rows.lowerBound + first
            try file.bytes(at: header.size + row * rowBytes, count: count * rowBytes).withUnsafeBytes {
                for channel in 0..<shape.channels {
                    pixelType.convert(
                        $0.baseAddress! + channel * size, stride: shape.channels, swapped: header.isSwapped,
                        into: samples + (channel * rows.count + first) * shape.width, count: count * shape.width)
                }
            }
        }
    }
}
