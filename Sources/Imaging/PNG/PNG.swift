import CPNG
import Foundation

/// PNG images, for looking at: 8 bits a sample.
public enum PNG {
    static let magic: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    /// Writes a grey image (0 black … 255 white), rows from the top. The file appears whole or not at all.
    ///
    /// - Throws: `ImagingError` if the file cannot be written.
    public static func write(grey pixels: [UInt8], width: Int, height: Int, to path: String) throws {
        precondition(pixels.count == width * height, "\(pixels.count) samples for a grey image of \(width)×\(height)")
        try write(pixels, width, height, format: 0, path)
    }

    /// Writes a colour image of red, green, blue triples, rows from the top. The file appears whole or not at all.
    ///
    /// - Throws: `ImagingError` if the file cannot be written.
    public static func write(rgb pixels: [UInt8], width: Int, height: Int, to path: String) throws {
        precondition(pixels.count == width * height * 3, "\(pixels.count) samples for an RGB image of \(width)×\(height)")
        try write(pixels, width, height, format: UInt32(PNG_FORMAT_FLAG_COLOR), path)
    }

    /// A colour image of red, green, blue triples (3 channels) or a grey one (1 channel), rows from the top, as a PNG file's bytes; for
    /// pictures of a size that PNG allows.
    package static func encode(_ pixels: [UInt8], width: Int, height: Int, channels: Int) -> [UInt8] {
        precondition(
            pixels.count == width * height * channels && [1, 3].contains(channels),
            "\(pixels.count) samples for an image of \(width)×\(height)×\(channels)")
        do {
            return try encode(pixels, width, height, format: channels == 3 ? UInt32(PNG_FORMAT_FLAG_COLOR) : 0)
        } catch {
            preconditionFailure("a picture of \(width)×\(height): \(error.reason)")
        }
    }

    private static func write(_ pixels: [UInt8], _ width: Int, _ height: Int, format: UInt32, _ path: String) throws {
        let file = try AtomicFile(path)
        let bytes: [UInt8]
        do {
            bytes = try encode(pixels, width, height, format: format)
        } catch {
            throw ImagingError(.invalid, path, "cannot encode a PNG image of \(width)×\(height): \(error.reason)")
        }
        try bytes.withUnsafeBytes { try file.write($0) }
        try file.commit()
    }

    /// libpng's words.
    private struct EncodingFailure: Error { let reason: String }

    private static func encode(_ pixels: [UInt8], _ width: Int, _ height: Int, format: UInt32) throws(EncodingFailure) -> [UInt8] {
        var image = png_image()
        image.version = UInt32(PNG_IMAGE_VERSION)
        (image.width, image.height, image.format) = (UInt32(width), UInt32(height), format)
        func failure() -> EncodingFailure {
            EncodingFailure(reason: withUnsafeBytes(of: &image.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        // A first call without room tells how many bytes the image may take at most.
        var size = png_alloc_size_t()
        guard png_image_write_to_memory(&image, nil, &size, 0, pixels, 0, nil) == 1 else { throw failure() }
        var bytes = [UInt8](repeating: 0, count: size)
        guard png_image_write_to_memory(&image, &bytes, &size, 0, pixels, 0, nil) == 1 else { throw failure() }
        return Array(bytes[..<size])
    }
}
