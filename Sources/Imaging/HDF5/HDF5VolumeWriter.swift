/// Writes a dataset (z, y, x), or (z, y, x, c) if there are several channels, that Fiji and ilastik read.
final class HDF5VolumeWriter: VolumeWriter {
    private let encoder: PageEncoder
    private let file: AtomicFile
    private var hdf5: HDF5File?
    private var dataset: HDF5Dataset?

    init(
        _ encoder: PageEncoder, file path: String, dataset name: String, metadata: VolumeMetadata, displayRange: ClosedRange<Float>?
    ) throws {
        self.encoder = encoder
        file = try AtomicFile(path)
        let hdf5 = try HDF5File(creating: file.temporaryPath, name: path)
        self.hdf5 = hdf5
        let shape = encoder.shape, channels = shape.channels > 1 ? [shape.channels] : []
        let chunk = [1, min(512, shape.height), min(512, shape.width)] + channels
        // Whole chunks: a part of one would be written, read and written again.
        encoder.blockRows = chunk[1]
        let sizes = [shape.pages, shape.height, shape.width] + channels
        let storage = HDF5Storage.chunked(chunk, deflate: 4)
        switch encoder.pixelType {
        case .uint8: dataset = try hdf5.createDataset(name, shape: sizes, of: UInt8.self, storage: storage)
        case .uint16: dataset = try hdf5.createDataset(name, shape: sizes, of: UInt16.self, storage: storage)
        case .int32: dataset = try hdf5.createDataset(name, shape: sizes, of: Int32.self, storage: storage)
        default: dataset = try hdf5.createDataset(name, shape: sizes, of: Float.self, storage: storage)
        }
        // 1: channels, 2: space.
        let axes = (channels.isEmpty ? ["z", "y", "x"] : ["z", "y", "x", "c"])
            .map { #"{"key": "\#($0)", "typeFlags": \#($0 == "c" ? 1 : 2), "resolution": 0, "description": ""}"# }
        // ilastik wants a Python str, which h5py makes of text of variable length alone.
        try hdf5.setAttribute("axistags", of: name, to: #"{"axes": [\#(axes.joined(separator: ", "))]}"#, storage: .variableLength)
        if let sizes = metadata.elementSizeInMicrometres { try hdf5.setAttribute("element_size_um", of: name, to: sizes.map { Float($0) }) }
        if let displayRange { try hdf5.setAttribute("drange", of: name, to: [displayRange.lowerBound, displayRange.upperBound]) }
    }

    deinit {
        // Not closed: something went wrong, and the file is about to be removed.
        hdf5?.abandon(dataset)
    }

    func append(_ rows: UnsafeBufferPointer<Float>) throws {
        guard let dataset else { preconditionFailure("\(encoder.path) is closed") }
        try encoder.encode(rows) {
            let start = [$0.page, $0.rows.lowerBound] + [Int](repeating: 0, count: dataset.shape.count - 2)
            let block = [1, $0.rows.count] + dataset.shape[2...], bytes = $0.bytes
            switch encoder.pixelType {
            case .uint8: try dataset.write(UnsafeBufferPointer(bytes.bindMemory(to: UInt8.self)), start: start, block: block)
            case .uint16: try dataset.write(UnsafeBufferPointer(bytes.bindMemory(to: UInt16.self)), start: start, block: block)
            case .int32: try dataset.write(UnsafeBufferPointer(bytes.bindMemory(to: Int32.self)), start: start, block: block)
            default: try dataset.write(UnsafeBufferPointer(bytes.bindMemory(to: Float.self)), start: start, block: block)
            }
        }
    }

    func close() throws {
        encoder.checkComplete()
        try hdf5?.flush()
        (dataset, hdf5) = (nil, nil)
        // Closing tells nothing; that the file opens does.
        _ = try HDF5File(path: file.temporaryPath)
        try file.commit()
    }
}
