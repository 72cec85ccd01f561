import Foundation

/// A stack being written, page after page. The file appears under its name, whole, when `close()` returns; if that is
/// never called nothing is left behind.
public protocol VolumeWriter: AnyObject {
    /// Appends a page: channel after channel, each row after row. Integer types hold the values rounded to the nearest
    /// and limited to the type's range.
    ///
    /// - Throws: `ImagingError` if it cannot be written, or is not a number where the type has no room for that.
    func append(_ page: UnsafeBufferPointer<Float>) throws

    /// Finishes the file after its last page and brings it to the disk.
    ///
    /// - Throws: `ImagingError` if that fails; no file is left.
    func close() throws
}

/// Begins a volume in the format that `path`'s extension names: TIFF (`.tif`, `.tiff`: deflate, read by ImageJ and Fiji),
/// HDF5 (`.h5`, `.hdf5`, `.hdf`: gzip, read by Fiji and ilastik; the dataset is `/exported_data` unless named after a
/// colon, `out.h5:/name`), or NumPy (`.npy`: shape (pages, height, width, channels)).
///
/// - Parameters:
///   - pixelType: `.float32`, `.uint8` or `.uint16`.
///   - metadata: The size of the pixels, if known (NPY has no place for it).
///   - displayRange: The values that viewers show as black and white; nil leaves it to them.
/// - Throws: `ImagingError` if the extension is not one of these, or the folder is not there or not writable.
public func makeVolumeWriter(
    path: String, shape: VolumeShape, pixelType: PixelType, metadata: VolumeMetadata = VolumeMetadata(),
    displayRange: ClosedRange<Float>? = nil
) throws -> any VolumeWriter {
    let encoder = PageEncoder(path: path, shape: shape, pixelType: pixelType)
    func fileExtension(_ path: some StringProtocol) -> String { (String(path) as NSString).pathExtension.lowercased() }
    let hdf5 = ["h5", "hdf5", "hdf"]
    if let colon = path.indices.first(where: { path[$0] == ":" && hdf5.contains(fileExtension(path[..<$0])) }) {
        let dataset = String(path[path.index(after: colon)...])
        return try HDF5VolumeWriter(encoder, file: String(path[..<colon]), dataset: dataset, metadata: metadata, displayRange: displayRange)
    }
    switch fileExtension(path) {
    case "tif", "tiff": return try TIFFWriter(encoder, metadata: metadata, displayRange: displayRange)
    case "npy": return try NPYWriter(encoder)
    case let name where hdf5.contains(name):
        return try HDF5VolumeWriter(encoder, file: path, dataset: "/exported_data", metadata: metadata, displayRange: displayRange)
    case let name:
        throw ImagingError(
            .usage, path,
            "the extension \(name.isEmpty ? "is missing" : ".\(name) is not known"); it chooses the format: .tif, .tiff, .h5, .hdf5, .hdf or .npy"
        )
    }
}

/// What all writers do with a page: count it, check it, and put its samples into the order and type of the file.
final class PageEncoder {
    let path: String
    let shape: VolumeShape
    let pixelType: PixelType
    /// Pages encoded so far.
    private(set) var pages = 0
    private var bytes: [UInt8]

    init(path: String, shape: VolumeShape, pixelType: PixelType) {
        precondition([.float32, .uint8, .uint16].contains(pixelType), "volumes of type \(pixelType) are not written")
        precondition(min(shape.pages, shape.height, shape.width, shape.channels) > 0, "a volume of \(shape) is not written")
        (self.path, self.shape, self.pixelType) = (path, shape, pixelType)
        bytes = [UInt8](repeating: 0, count: shape.pageCount * pixelType.size)
    }

    /// Hands `body` the next page's bytes, the samples of a pixel side by side.
    func encode(_ page: UnsafeBufferPointer<Float>, _ body: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
        precondition(page.count == shape.pageCount, "a page of \(page.count) samples for a volume of \(shape)")
        precondition(pages < shape.pages, "page \(pages) for a volume of \(shape)")
        let channels = shape.channels, plane = shape.height * shape.width
        func store<Sample: FixedWidthInteger>(_ bytes: UnsafeMutableRawBufferPointer, _ value: (Float) throws -> Sample) rethrows {
            let samples = bytes.bindMemory(to: Sample.self)
            for channel in 0..<channels {
                for i in 0..<plane { samples[i * channels + channel] = try value(page[channel * plane + i]) }
            }
        }
        func integer<Sample: FixedWidthInteger>(_ value: Float) throws -> Sample {
            guard !value.isNaN else { throw ImagingError(.invalid, path, "page \(pages) holds a value that is not a number") }
            return Sample(min(max(value.rounded(), Float(Sample.min)), Float(Sample.max)))
        }
        try bytes.withUnsafeMutableBytes {
            switch pixelType {
            case .uint8: try store($0) { try integer($0) as UInt8 }
            case .uint16: try store($0) { try integer($0) as UInt16 }
            default: store($0) { $0.bitPattern }
            }
            try body($0)
        }
        pages += 1
    }

    /// To be called when the file is closed.
    func checkComplete() { precondition(pages == shape.pages, "\(path) was closed after \(pages) pages; it was to have \(shape)") }
}
