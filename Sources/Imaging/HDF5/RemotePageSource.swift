/// The pages of a dataset in an HDF5 file that a process of its own reads: an `HDF5PageSource` over there.
final class RemotePageSource: PageSource {
    let shape: VolumeShape
    let pixelType: PixelType
    let metadata: VolumeMetadata
    private let process: ReaderProcess

    /// Samples that are asked for at once, so that neither side holds much more of a page than who wants it: 64 MiB.
    private static let blockCount = 1 << 24

    /// What is said of a volume.
    struct Description: Codable {
        let shape: VolumeShape
        let pixelType: PixelType
        let metadata: VolumeMetadata
    }

    /// Opens `dataset` of `file`, or its only volume; `path` is what the user called both.
    convenience init(program: String, path: String, file: InputFile, dataset: String?) throws {
        let words = ["volume", path, file.path] + (dataset.map { [$0] } ?? [])
        try self.init(ReaderProcess(program: program, service: words, path: path), fileSize: file.size)
    }

    /// What `process` reads from a file of `fileSize` bytes. It says what a file made it say: nothing of it is believed.
    init(_ process: ReaderProcess, fileSize: Int) throws {
        self.process = process
        let description = try process.description(Description.self)
        (shape, pixelType, metadata) = (description.shape, description.pixelType, description.metadata)
        let sizes = [shape.pages, shape.height, shape.width, shape.channels], size = pixelType.size
        guard sizes.allSatisfy({ $0 > 0 }),
            sizes.reduce(Double(size), { $0 * Double($1) }) <= Double(fileSize) * Double(HDF5PageSource.greatestRatio)
        else {
            throw ImagingError(.invalid, process.path, "claims the shape \(sizes) and holds \(fileSize) bytes")
        }
    }

    func readRows(_ rows: Range<Int>, ofPage page: Int, into samples: UnsafeMutablePointer<Float>) throws {
        let plane = rows.count * shape.width, rowsAtOnce = max(1, Self.blockCount / (shape.channels * shape.width))
        func read(_ rows: Range<Int>, _ values: UnsafeMutableBufferPointer<Float>) throws {
            try process.read([page, rows.lowerBound, rows.upperBound], into: values)
        }
        if rowsAtOnce >= rows.count {
            return try read(rows, UnsafeMutableBufferPointer(start: samples, count: shape.channels * plane))
        }
        for first in stride(from: rows.lowerBound, to: rows.upperBound, by: rowsAtOnce) {
            let part = first..<min(first + rowsAtOnce, rows.upperBound), count = part.count * shape.width
            try withUnsafeTemporaryAllocation(of: Float.self, capacity: shape.channels * count) { values in
                try read(part, values)
                for channel in 0..<shape.channels {
                    samples.advanced(by: channel * plane + (first - rows.lowerBound) * shape.width)
                        .update(from: values.baseAddress! + channel * count, count: count)
                }
            }
        }
    }
}

extension ReaderService {
    /// The service `volume`: what is said of a volume, and the rows of a page, asked for as page, first row, row after the last one.
    package static func volume(_ arguments: ArraySlice<String>) throws -> ReaderService {
        let words = Array(arguments)
        let source = try HDF5PageSource(path: words[0], file: words[1], dataset: words.count > 2 ? words[2] : nil), shape = source.shape
        let description = RemotePageSource.Description(shape: shape, pixelType: source.pixelType, metadata: source.metadata)
        return try ReaderService(describedBy: description, requestCount: 3) { request in
            let count = shape.channels * (request[2] - request[1]) * shape.width
            return try [Float](unsafeUninitializedCapacity: count) { values, initialized in
                try source.readRows(request[1]..<request[2], ofPage: request[0], into: values.baseAddress!)
                initialized = count
            }
        }
    }

    /// The service `volumes`: the names of the datasets of a file that can be volumes.
    package static func volumes(_ arguments: ArraySlice<String>) throws -> ReaderService {
        try ReaderService(describedBy: HDF5PageSource.names(of: HDF5File(path: arguments.first!)), requestCount: 0) { _ in [] }
    }
}

extension VolumeReader {
    /// The volume of a file of `fileSize` bytes that `process` reads.
    ///
    /// - Throws: `ImagingError`.
    package convenience init(_ process: ReaderProcess, fileSize: Int) throws {
        try self.init(path: process.path, source: RemotePageSource(process, fileSize: fileSize))
    }

    /// The datasets of an HDF5 file that can be volumes.
    ///
    /// - Throws: `ImagingError` if it cannot be read.
    package static func datasets(ofHDF5 path: String) throws -> [String] {
        guard let program = ReaderProcess.program else { return try HDF5PageSource.names(of: HDF5File(path: path)) }
        return try ReaderProcess(program: program, service: ["volumes", path], path: path).description([String].self)
    }
}
