import Foundation

/// A stack of images on disk, whose pages are decoded when they are asked for, from any thread.
///
/// The format is told by the file's content, not by its name: TIFF (also BigTIFF and ImageJ's stacks), HDF5, NPY, or a
/// single PNG. A dataset inside an HDF5 file is named after a colon, `cremi.h5:/volumes/raw`; without it the file's only
/// volume is read. A folder is the stack of the TIFF, PNG and NPY files in it, in natural order.
public final class VolumeReader: Sendable {
    /// The file, as the user named it.
    public let path: String
    /// Pages, rows, columns and channels.
    public let shape: VolumeShape
    /// The type of the samples in the file.
    public let pixelType: PixelType
    /// What the file says of the size of its pixels.
    public let metadata: VolumeMetadata
    /// The pages of each of the volumes that this one was put together from.
    public let sources: [Range<Int>]
    private let source: any PageSource

    /// Opens a stack and checks that its pages are there as far as that can be told without decoding them.
    ///
    /// - Throws: `ImagingError` if the file is missing, damaged, or of a kind that we do not read.
    public convenience init(_ path: String) throws {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
            try self.init(path: path, source: FolderPageSource(path))
        } else {
            let (name, dataset) = VolumeReader.split(path)
            try self.init(path: path, source: VolumeReader.source(InputFile(name), path: path, dataset: dataset))
        }
    }

    /// The stack in an open file, or, of HDF5, its only volume.
    ///
    /// - Throws: `ImagingError` as above.
    package convenience init(_ file: InputFile) throws {
        try self.init(path: file.path, source: VolumeReader.source(file, path: file.path, dataset: nil))
    }

    /// A stack from its pages; none may be larger than `ImageLimit` allows.
    init(path: String, source: any PageSource) throws {
        try ImageLimit.check(source.shape, path)
        (self.path, self.source) = (path, source)
        (shape, pixelType, metadata, sources) = (source.shape, source.pixelType, source.metadata, [0..<source.shape.pages])
    }

    /// The pages of a file, or of a dataset in it; `path` is what the user called both.
    private static func source(_ file: InputFile, path: String, dataset: String?) throws -> any PageSource {
        let source: any PageSource
        let start = try file.bytes(at: 0, count: min(file.size, 8))
        if TIFFDirectory.isTIFF(start) {
            source = try TIFFPageSource(file)
        } else if start.starts(with: NPYHeader.magic) {
            source = try NPYPageSource(file)
        } else if start.starts(with: PNG.magic) {
            source = try PNGPageSource(file)
        } else if try HDF5PageSource.isHDF5(file) {
            source =
                if let program = ReaderProcess.program {
                    try RemotePageSource(program: program, path: path, file: file, dataset: dataset)
                } else { try HDF5PageSource(path: path, file: file.path, dataset: dataset) }
        } else {
            let text = start.allSatisfy { (0x20..<0x7F).contains($0) || (0x09...0x0D).contains($0) }
            throw ImagingError(.invalid, path, "is not a TIFF, HDF5, NPY or PNG file\(text ? ", but text" : ""), whatever its name says")
        }
        if let dataset, !(source is HDF5PageSource || source is RemotePageSource) {
            throw ImagingError(.invalid, path, "only an HDF5 file has datasets; leave out :\(dataset)")
        }
        return source
    }

    /// Opens several stacks, at least one, as one: their pages follow each other.
    ///
    /// - Throws: `ImagingError` as above, and if their pages differ in size, channels or type.
    public convenience init(_ volumes: VolumePaths) throws {
        if volumes.paths.count == 1 { try self.init(volumes.paths[0]) } else { try self.init(stack: volumes) }
    }

    private init(stack volumes: VolumePaths) throws {
        path = volumes.description
        let stack = try StackPageSource(volumes.paths.map { try VolumeReader($0) })
        source = stack
        (shape, pixelType, metadata, sources) = (stack.shape, stack.pixelType, stack.metadata, stack.ranges)
    }

    /// The file that a page is in, and its number there.
    public func place(ofPage page: Int) -> (path: String, page: Int) { source.place(ofPage: page) ?? (path, page) }

    /// An error about what is in a page: `slices/7.png: page 0 holds …`.
    func failure(_ page: Int, _ text: String) -> ImagingError {
        let place = place(ofPage: page)
        return ImagingError(.invalid, place.path, "page \(place.page) \(text)")
    }

    /// Throws unless pages of `other` could follow those of this volume.
    func requireAlike(_ other: VolumeReader) throws {
        let (a, b) = (shape, other.shape)
        guard (a.height, a.width, a.channels) == (b.height, b.width, b.channels), pixelType == other.pixelType else {
            throw ImagingError(
                .invalid, other.path,
                "slices that are used together must be alike: here are \(b) of type \(other.pixelType), in \(path) \(a) of type \(pixelType)"
            )
        }
    }

    /// Decodes a page into `samples`: raw values, channel after channel, each row after row.
    ///
    /// - Throws: `ImagingError`, naming the page counted from 0, if it is damaged.
    public func readPage(_ page: Int, into samples: UnsafeMutableBufferPointer<Float>) throws {
        try readRows(0..<shape.height, ofPage: page, into: samples)
    }

    /// Decodes some rows of a page into `samples`: raw values, channel after channel, each row after row. Takes memory for these rows
    /// alone, and for what the file holds compressed as one piece with them.
    ///
    /// - Throws: `ImagingError`, naming the page counted from 0, if it is damaged.
    public func readRows(_ rows: Range<Int>, ofPage page: Int, into samples: UnsafeMutableBufferPointer<Float>) throws {
        precondition((0..<shape.pages).contains(page), "page \(page) of a volume of \(shape)")
        precondition(!rows.isEmpty && rows.lowerBound >= 0 && rows.upperBound <= shape.height, "rows \(rows) of a volume of \(shape)")
        precondition(
            samples.count == shape.channels * rows.count * shape.width,
            "a buffer of \(samples.count) samples for \(rows.count) rows of a volume of \(shape)")
        try source.readRows(rows, ofPage: page, into: samples.baseAddress!)
    }

    /// The file's name and what follows the colon after it, if anything does.
    private static func split(_ path: String) -> (file: String, dataset: String?) {
        guard !FileManager.default.fileExists(atPath: path) else { return (path, nil) }
        let colon = path.indices.first { path[$0] == ":" && FileManager.default.fileExists(atPath: String(path[..<$0])) }
        return colon.map { (String(path[..<$0]), String(path[path.index(after: $0)...])) } ?? (path, nil)
    }
}

/// One file format's part of `VolumeReader`.
protocol PageSource: Sendable {
    var shape: VolumeShape { get }
    var pixelType: PixelType { get }
    var metadata: VolumeMetadata { get }
    /// Decodes rows that exist, of a page that exists, into room for their samples: channel after channel, each row after row.
    func readRows(_ rows: Range<Int>, ofPage page: Int, into samples: UnsafeMutablePointer<Float>) throws
    /// The file that a page is in, and its number there; nil if that is the one that was opened.
    func place(ofPage page: Int) -> (path: String, page: Int)?
}

extension PageSource {
    func place(ofPage page: Int) -> (path: String, page: Int)? { nil }
}
