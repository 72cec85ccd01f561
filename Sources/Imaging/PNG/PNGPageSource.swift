import CPNG

/// The one page of a PNG image.
final class PNGPageSource: PageSource {
    let shape: VolumeShape
    let pixelType: PixelType
    let metadata = VolumeMetadata()
    private let file: InputFile
    private let isInterlaced: Bool

    init(_ file: InputFile) throws {
        self.file = file
        let layout = try PNGPageSource.decode(file, rows: nil)
        guard layout.has_palette == 0, layout.has_alpha == 0 else {
            throw ImagingError(
                .invalid, file.path,
                "the PNG image has \(layout.has_alpha != 0 ? "an alpha channel" : "a colour palette"); save it as plain grey or RGB")
        }
        shape = VolumeShape(pages: 1, height: Int(layout.height), width: Int(layout.width), channels: Int(layout.channels))
        pixelType = layout.bits == 16 ? .uint16 : .uint8
        isInterlaced = layout.is_interlaced != 0
        // Deflate packs no better than 1032 to 1, and a PNG may store 8 pixels of ours in a byte.
        guard shape.pageCount <= file.size * 8 * 1032 else {
            throw ImagingError(
                .invalid, file.path, "the PNG image is damaged: it claims \(shape.width)×\(shape.height) pixels in \(file.size) bytes")
        }
    }

    func readRows(_ rows: Range<Int>, ofPage page: Int, into samples: UnsafeMutablePointer<Float>) throws {
        let rowBytes = shape.width * shape.channels * pixelType.size
        // An interlaced image is whole only at the end; of others, the rows that nobody wants all go to one place.
        let kept = isInterlaced ? 0..<shape.height : rows
        let pixels = UnsafeMutablePointer<UInt8>.allocate(capacity: rowBytes * (kept.count + 1))
        defer { pixels.deallocate() }
        var places: [UnsafeMutablePointer<UInt8>?] = (0..<shape.height).map {
            pixels + (kept.contains($0) ? $0 - kept.lowerBound : kept.count) * rowBytes
        }
        let layout = try places.withUnsafeMutableBufferPointer { try PNGPageSource.decode(file, rows: $0.baseAddress) }
        precondition(layout.width == shape.width && layout.height == shape.height)
        let wanted = pixels + (rows.lowerBound - kept.lowerBound) * rowBytes, count = rows.count * shape.width
        for channel in 0..<shape.channels {
            // PNG is big-endian.
            pixelType.convert(
                wanted + channel * pixelType.size, stride: shape.channels, swapped: true, into: samples + channel * count, count: count)
        }
    }

    /// The image's layout, and its pixels if there are rows for them.
    private static func decode(_ file: InputFile, rows: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) throws -> png_layout {
        let bytes = try file.bytes(at: 0, count: file.size)
        var layout = png_layout()
        try bytes.withUnsafeBufferPointer { bytes in
            var input = png_input()
            input.bytes = bytes.baseAddress
            input.size = bytes.count
            guard png_decode(&input, &layout, rows) == 1 else {
                let reason = withUnsafeBytes(of: &input.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
                throw ImagingError(.invalid, file.path, "cannot decode the PNG image: \(reason)")
            }
        }
        return layout
    }
}
