import Foundation

/// The pages of a dataset in an HDF5 file: two dimensions are (y, x), three (z, y, x), four (z, y, x, c), five (t, z, y, x, c)
/// with a single t, unless the attribute `axistags` (ilastik's) says otherwise.
final class HDF5PageSource: PageSource {
    let shape: VolumeShape
    let pixelType: PixelType
    let metadata: VolumeMetadata
    private let dataset: HDF5Dataset
    /// The dataset's dimension along which pages follow each other; nil if there is one page.
    private let pageAxis: Int?
    /// Its dimensions along which rows, pixels of a row and, if there are several, channels follow each other.
    private let rowAxis, pixelAxis: Int, channelAxis: Int?
    /// A page as a block of the dataset.
    private let block: [Int]

    /// How many bytes a byte of the file may become: chunks that are left out, as those of a mask are, count for nothing.
    static let greatestRatio = 65536

    static func isHDF5(_ file: InputFile) throws -> Bool {
        // The file may begin with a block of the user's, of 512 bytes or twice, four times … that.
        var position = 0
        while position + 8 <= min(file.size, 1 << 20) {
            if try file.bytes(at: position, count: 8) == [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A] { return true }
            position = position == 0 ? 512 : position * 2
        }
        return false
    }

    /// Opens `dataset` of `file`, or its only volume; `path` is what the user called both.
    init(path: String, file: String, dataset name: String?) throws {
        let hdf5 = try HDF5File(path: file)
        let name = try name ?? HDF5PageSource.onlyVolume(of: hdf5)
        let description = try hdf5.dataset(name)
        let sizes = description.shape
        guard let type = description.elementType else { throw ImagingError(.invalid, path, "\(name) does not hold numbers") }
        guard (2...5).contains(sizes.count), !sizes.contains(0) else {
            throw ImagingError(.invalid, path, "\(name) has shape \(sizes); (pages, height, width) is expected")
        }
        // Compressed or left out, no data that mean anything take less room than this.
        try description.requireStorage(ratio: Self.greatestRatio)
        let axes = try HDF5PageSource.axes(of: hdf5, name, rank: sizes.count)
        func axis(_ key: Character) -> Int? { axes.firstIndex(of: key) }
        guard axes.count == sizes.count, let x = axis("x"), let y = axis("y") else {
            throw ImagingError(
                .invalid, path, "the axistags of \(name) are \(String(axes)) for shape \(sizes); x and y are expected among them")
        }
        let pages = axis("z") ?? axis("t"), channel = axis("c")
        guard sizes.indices.allSatisfy({ [x, y, pages, channel].contains($0) || sizes[$0] == 1 }) else {
            throw ImagingError(
                .invalid, path,
                "\(name) has shape \(sizes) with axes \(String(axes)); besides pages, rows, columns and channels there must be one of each")
        }
        shape = VolumeShape(
            pages: pages.map { sizes[$0] } ?? 1, height: sizes[y], width: sizes[x], channels: channel.map { sizes[$0] } ?? 1)
        pixelType = type
        metadata = HDF5PageSource.metadata(hdf5, name)
        pageAxis = pages
        (rowAxis, pixelAxis, channelAxis) = (y, x, channel)
        let block = sizes.indices.map { $0 == pages ? 1 : sizes[$0] }
        self.block = block
        // All chunks that a page goes through are kept, so that the next page finds its part of them decoded.
        let chunk = description.chunk ?? block
        let chunks = zip(block, chunk).reduce(type.size) { $0 * (($1.0 + $1.1 - 1) / $1.1 * $1.1) }
        dataset = try hdf5.dataset(name, chunkCache: max(1 << 20, min(chunks, 256 << 20)))
    }

    func readRows(_ rows: Range<Int>, ofPage page: Int, into samples: UnsafeMutablePointer<Float>) throws {
        let start = block.indices.map { $0 == pageAxis ? page : $0 == rowAxis ? rows.lowerBound : 0 }
        var block = block
        block[rowAxis] = rows.count
        // How far apart neighbouring channels, rows and pixels are in the block.
        func stride(_ axis: Int) -> Int { block[(axis + 1)...].reduce(1, *) }
        let channelStride = channelAxis.map(stride) ?? 0, rowStride = stride(rowAxis), pixelStride = stride(pixelAxis)
        let plane = rows.count * shape.width, count = shape.channels * plane
        if pixelStride == 1, rowStride == shape.width, shape.channels == 1 || channelStride == plane {
            return try read(start, block, into: UnsafeMutableBufferPointer(start: samples, count: count))
        }
        try withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { values in
            try read(start, block, into: values)
            for channel in 0..<shape.channels {
                for y in 0..<rows.count {
                    for x in 0..<shape.width {
                        samples[channel * plane + y * shape.width + x] =
                            values[channel * channelStride + y * rowStride + x * pixelStride]
                    }
                }
            }
        }
    }

    private func read(_ start: [Int], _ block: [Int], into samples: UnsafeMutableBufferPointer<Float>) throws {
        guard pixelType == .boolean else { return try dataset.read(start: start, block: block, into: samples) }
        try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: samples.count) { bytes in
            try dataset.read(start: start, block: block, into: bytes)
            pixelType.convert(bytes.baseAddress!, stride: 1, into: samples.baseAddress!, count: samples.count)
        }
    }

    /// The one dataset that can be a volume, three-dimensional ones before others.
    private static func onlyVolume(of file: HDF5File) throws -> String {
        let volumes = try Self.volumes(of: file)
        let stacks = volumes.filter { $0.shape.count == 3 }
        if volumes.count == 1 { return volumes[0].path }
        if stacks.count == 1 { return stacks[0].path }
        guard let first = (stacks + volumes).first else { throw ImagingError(.invalid, file.path, "the HDF5 file holds no volume") }
        let names = volumes.prefix(8).map(\.path).joined(separator: ", ") + (volumes.count > 8 ? ", …" : "")
        throw ImagingError(
            .invalid, file.path, "the HDF5 file holds \(volumes.count) volumes (\(names)); name one, as in \(file.path):\(first.path)")
    }

    /// The datasets that can be volumes.
    private static func volumes(of file: HDF5File) throws -> [HDF5Dataset] {
        try file.datasets().map { try file.dataset($0) }.filter { $0.elementType != nil && (2...5).contains($0.shape.count) }
    }

    /// Their names.
    static func names(of file: HDF5File) throws -> [String] { try volumes(of: file).map(\.path) }

    private static func axes(of file: HDF5File, _ dataset: String, rank: Int) throws -> [Character] {
        struct AxisTags: Decodable {
            struct Axis: Decodable { let key: String }
            let axes: [Axis]
        }
        guard file.hasAttribute("axistags", of: dataset) else { return Array(["yx", "zyx", "zyxc", "tzyxc"][rank - 2]) }
        do {
            let tags = try JSONDecoder().decode(AxisTags.self, from: Data(try file.text("axistags", of: dataset).utf8))
            return tags.axes.map { $0.key.first ?? " " }
        } catch is DecodingError {
            throw ImagingError(.invalid, file.path, "the attribute axistags of \(dataset) is not the JSON text that ilastik writes")
        }
    }

    /// `element_size_um` of the Fiji plugins or `resolution` (nm) of CREMI: three numbers z, y, x.
    private static func metadata(_ file: HDF5File, _ dataset: String) -> VolumeMetadata {
        for (name, unit) in [("element_size_um", "µm"), ("resolution", "nm")] {
            if let sizes = try? file.numbers(name, of: dataset, as: Double.self), sizes.count == 3, sizes.allSatisfy({ $0 > 0 }) {
                return VolumeMetadata(pixelWidth: sizes[2], pixelHeight: sizes[1], zSpacing: sizes[0], unit: unit)
            }
        }
        return VolumeMetadata()
    }
}
