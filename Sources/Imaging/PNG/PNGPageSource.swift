import CPNG

/// The one page of a PNG image.
final class PNGPageSource: PageSource {
    let shape: VolumeShape
    let pixelType: PixelType
    let metadata = VolumeMetadata()
    private let file: InputFile
    private let layout: png_layout

    init(_ file: InputFile) throws {
        self.file = file
        var layout = png_layout()
        try PNGPageSource.decode(file, &layout, rows: nil)
        guard layout.has_palette == 0, layout.has_alpha == 0 else {
            throw ImagingError(
                .invalid, file.path,
                "the PNG image has \(layout.has_alpha != 0 ? "an alpha channel" : "a colour palette"); save it as plain grey or RGB")
        }
        // A PNG is deflated, and may store 8 pixels of ours in a byte.
        guard
            Double(layout.width) * Double(layout.height) * Double(layout.channels) <= Double(file.size) * Double(8 * Deflate.greatestRatio)
        else {
            throw ImagingError(
                .invalid, file.path, "the PNG image is damaged: it claims \(layout.width)×\(layout.height) pixels in \(file.size) bytes")
        }
        shape = VolumeShape(pages: 1, height: Int(layout.height), width: Int(layout.width), channels: Int(layout.channels))
        pixelType = layout.bits == 16 ? .uint16 : .uint8
        self.layout = layout
    }

    func readRows(_ rows: Range<Int>, ofPage page: Int, into samples: UnsafeMutablePointer<Float>) throws {
        let rowBytes = shape.width * shape.channels * pixelType.size
        // An interlaced image is whole only at the end; of others, the rows that nobody wants all go to one place.
        let kept = layout.is_interlaced != 0 ? 0..<shape.height : rows
        let pixels = UnsafeMutablePointer<UInt8>.allocate(capacity: rowBytes * (kept.count + 1))
        pixels.initialize(repeating: 0, count: rowBytes * (kept.count + 1))
        defer { pixels.deallocate() }
        var places: [UnsafeMutablePointer<UInt8>?] = (0..<shape.height).map {
            pixels + (kept.contains($0) ? $0 - kept.lowerBound : kept.count) * rowBytes
        }
        var layout = layout
        try places.withUnsafeMutableBufferPointer { try PNGPageSource.decode(file, &layout, rows: $0.baseAddress) }
        let wanted = pixels + (rows.lowerBound - kept.lowerBound) * rowBytes, count = rows.count * shape.width
        for channel in 0..<shape.channels {
            // PNG is big-endian.
            pixelType.convert(
                wanted + channel * pixelType.size, stride: shape.channels, swapped: true, into: samples + channel * count, count: count)
        }
    }

    /// Throws if a chunk is longer than what is left of the file: libpng takes memory for the length that a chunk says it has.
    private static func checkChunks(_ bytes: [UInt8], _ file: InputFile) throws {
        var position = PNG.magic.count
        // A chunk has a length, a name, that many bytes, and a checksum. What comes after IEND is nothing to libpng.
        while position < bytes.count {
            let length = bytes[position...].prefix(4).reduce(0) { $0 << 8 | Int($1) }
            guard length <= bytes.count - position - 12 else {
                throw ImagingError(
                    .invalid, file.path,
                    "cannot decode the PNG image: the file ends early, or is damaged: it claims \(length) bytes from byte \(position + 8) on"
                )
            }
            if bytes[position + 4..<position + 8].elementsEqual("IEND".utf8) { return }
            position += 12 + length
        }
    }

    /// The image's layout; or its pixels, if there are rows for those of an image of `layout`.
    private static func decode(
        _ file: InputFile, _ layout: inout png_layout, rows: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?
    ) throws {
        let bytes = try file.bytes(at: 0, count: file.size)
        try checkChunks(bytes, file)
        try bytes.withUnsafeBufferPointer { bytes in
            var input = png_input()
            input.bytes = bytes.baseAddress
            input.size = bytes.count
            guard png_decode(&input, &layout, rows) == 1 else {
                let reason = withUnsafeBytes(of: &input.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
                throw ImagingError(.invalid, file.path, "cannot decode the PNG image: \(reason)")
            }
        }
    }
}
