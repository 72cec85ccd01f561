import Foundation

/// A stack being written, page after page. The file appears under its name, whole, when `close()` returns; if that is
/// never called nothing is left behind.
public protocol VolumeWriter: AnyObject {
    /// Appends the next rows of the page that is begun, or of a new one, up to the whole page: channel after channel, each row after
    /// row. Integer types hold the values rounded to the nearest and limited to the type's range.
    ///
    /// - Throws: `ImagingError` if they cannot be written, or a value is not a number where the type has no room for that.
    func append(_ rows: UnsafeBufferPointer<Float>) throws

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
///   - path: The file, whose extension tells the format.
///   - shape: Pages, height, width and channels that will be written.
///   - pixelType: `.float32`, `.uint8`, `.uint16` or, for whole numbers up to 2²⁴, `.int32`.
///   - metadata: The size of the pixels, if known (NPY has no place for it).
///   - displayRange: The values that viewers show as black and white; nil leaves it to them.
///   - isHyperstack: Whether the channels are no colours: TIFF then holds those of a page as images one after another, as an ImageJ
///     hyperstack does, and may have any number of them.
///   - isOME: Whether a TIFF file is described by OME-XML instead of ImageJ's text, as one called `.ome.tif` always is.
/// - Throws: `ImagingError` if the extension is not one of these, or the folder is not there or not writable.
public func makeVolumeWriter(
    path: String, shape: VolumeShape, pixelType: PixelType, metadata: VolumeMetadata = VolumeMetadata(),
    displayRange: ClosedRange<Float>? = nil, isHyperstack: Bool = false, isOME: Bool = false
) throws -> any VolumeWriter {
    let encoder = PageEncoder(path: path, shape: shape, pixelType: pixelType)
    func fileExtension(_ path: some StringProtocol) -> String { (String(path) as NSString).pathExtension.lowercased() }
    let hdf5 = ["h5", "hdf5", "hdf"], isTIFF = ["tif", "tiff"].contains(fileExtension(path))
    if isOME && !isTIFF { throw ImagingError(.usage, path, "OME-XML is for TIFF files: .ome.tif or .tif") }
    if let colon = path.indices.first(where: { path[$0] == ":" && hdf5.contains(fileExtension(path[..<$0])) }) {
        let dataset = String(path[path.index(after: colon)...])
        return try HDF5VolumeWriter(encoder, file: String(path[..<colon]), dataset: dataset, metadata: metadata, displayRange: displayRange)
    }
    switch fileExtension(path) {
    case "tif", "tiff":
        let isHyperstack = isHyperstack && shape.channels > 1
        let isOME = isOME || fileExtension((path as NSString).deletingPathExtension) == "ome"
        let description =
            isOME
            ? OMEDescription.text(
                name: (path as NSString).lastPathComponent, shape: shape, isHyperstack: isHyperstack, pixelType: pixelType,
                metadata: metadata)
            : ImageJDescription.text(
                pages: shape.pages, channels: isHyperstack ? shape.channels : 1, metadata: metadata, range: displayRange)
        if isHyperstack {
            return try TIFFHyperstackWriter(path: path, shape: shape, pixelType: pixelType, metadata: metadata, description: description)
        }
        return try TIFFWriter(encoder, metadata: metadata, description: description)
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

/// What all writers do with rows: count them, check them, put their samples into the order and type of the file, and collect them into
/// the blocks that the format stores as one piece. It holds one block, never a page.
final class PageEncoder {
    /// Some rows of one page as the file has them, the samples of a pixel side by side.
    struct Block {
        let page: Int
        let rows: Range<Int>
        let bytes: UnsafeMutableRawBufferPointer
    }

    let path: String
    let shape: VolumeShape
    let pixelType: PixelType
    /// Rows of a block, but for the last of a page; what the writer's format wants.
    var blockRows = 1 {
        didSet { bytes = [UInt8](repeating: 0, count: blockRows * rowBytes) }
    }
    /// Pages encoded in full.
    private(set) var pages = 0
    /// Rows of the page after them that are here.
    private var row = 0
    private var bytes: [UInt8] = []

    /// Bytes of one row of the file.
    var rowBytes: Int { shape.width * shape.channels * pixelType.size }

    init(path: String, shape: VolumeShape, pixelType: PixelType) {
        precondition([.float32, .uint8, .uint16, .int32].contains(pixelType), "volumes of type \(pixelType) are not written")
        precondition(min(shape.pages, shape.height, shape.width, shape.channels) > 0, "a volume of \(shape) is not written")
        (self.path, self.shape, self.pixelType) = (path, shape, pixelType)
    }

    /// Takes rows and hands `body` each block that they complete.
    func encode(_ rows: UnsafeBufferPointer<Float>, _ body: (Block) throws -> Void) throws {
        let count = rows.count / (shape.channels * shape.width)
        precondition(rows.count == count * shape.channels * shape.width, "\(rows.count) samples are no whole rows of a volume of \(shape)")
        precondition(pages < shape.pages && row + count <= shape.height, "\(count) rows after row \(row) of page \(pages) of \(shape)")
        for index in 0..<count {
            let place = row % blockRows
            try store(rows.baseAddress! + index * shape.width, planeStride: count * shape.width, at: place * rowBytes)
            row += 1
            guard row == shape.height || place == blockRows - 1 else { continue }
            try bytes.withUnsafeMutableBytes {
                let used = UnsafeMutableRawBufferPointer(rebasing: $0[..<((place + 1) * rowBytes)])
                try body(Block(page: pages, rows: row - place - 1..<row, bytes: used))
            }
        }
        if row == shape.height { (pages, row) = (pages + 1, 0) }
    }

    /// To be called when the file is closed.
    func checkComplete() { precondition(pages == shape.pages, "\(path) was closed after \(pages) pages; it was to have \(shape)") }

    /// Puts one row, whose channels lie `planeStride` samples apart, at a place of the block.
    private func store(_ row: UnsafePointer<Float>, planeStride: Int, at offset: Int) throws {
        let channels = shape.channels, width = shape.width
        func store<Sample: FixedWidthInteger>(_ bytes: UnsafeMutableRawBufferPointer, _ value: (Float) throws -> Sample) rethrows {
            let samples = UnsafeMutableRawBufferPointer(rebasing: bytes[offset...]).bindMemory(to: Sample.self)
            for channel in 0..<channels {
                for x in 0..<width { samples[x * channels + channel] = try value(row[channel * planeStride + x]) }
            }
        }
        func integer<Sample: FixedWidthInteger>(_ value: Float) throws -> Sample {
            guard !value.isNaN else { throw ImagingError(.invalid, path, "page \(pages) holds a value that is not a number") }
            return Sample(min(max(value.rounded(), Float(Sample.min)), Float(Sample.max)))
        }
        func wideInteger(_ value: Float) throws -> Int32 {
            guard let number = Int32(exactly: value.rounded()), abs(number) <= 1 << 24 else {
                throw ImagingError(.invalid, path, "page \(pages) holds \(value): whole numbers up to \(1 << 24) can be written as int32")
            }
            return number
        }
        try bytes.withUnsafeMutableBytes {
            switch pixelType {
            case .uint8: try store($0) { try integer($0) as UInt8 }
            case .uint16: try store($0) { try integer($0) as UInt16 }
            case .int32: try store($0, wideInteger)
            default: store($0) { $0.bitPattern }
            }
        }
    }
}
