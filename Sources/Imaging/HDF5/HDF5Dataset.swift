import CHDF5

/// How a dataset's numbers lie in the file.
public enum HDF5Storage: Sendable {
    /// One run of bytes, not compressed.
    case contiguous
    /// Chunks of the given shape, each shuffled (byte planes apart) and compressed with gzip at `deflate` (1 fast … 9 small).
    case chunked([Int], deflate: Int)
}

/// An n-dimensional array of numbers in an HDF5 file, the last dimension varying fastest. It keeps its file open.
public final class HDF5Dataset: Sendable {
    /// The file that holds it.
    public let file: HDF5File
    /// Where it lies in the file.
    public let path: String
    /// Its dimensions; empty for a single number.
    public let shape: [Int]
    /// The type that its numbers have in the file; nil if they are none of ours (text, compounds, …). Booleans, which h5py
    /// stores as an enumeration, can be read as `UInt8` only.
    public let elementType: PixelType?
    /// The shape of its chunks; nil if its numbers lie in one run.
    public let chunk: [Int]?
    /// Bytes that its numbers take in the file; nil if they are gathered from other datasets.
    let storedBytes: Int?
    let handle: HDF5Handle
    private let typeInFile: HDF5Handle

    init(_ dataset: consuming HDF5Handle, at path: String, in file: HDF5File) throws {
        self.file = file
        self.path = path
        shape = try HDF5Dataset.shape(of: dataset, path, file)
        typeInFile = try HDF5Handle(H5Dget_type(dataset.id), file: file.path, "open \(path)")
        elementType = HDF5Dataset.elementType(typeInFile)
        let creation = try HDF5Handle(H5Dget_create_plist(dataset.id), file: file.path, "open \(path)")
        let layout = H5Pget_layout(creation.id)
        try HDF5Dataset.requireOwnNumbers(creation, layout, path, file)
        if layout == H5D_CHUNKED {
            var chunk = [hsize_t](repeating: 0, count: shape.count)
            try hdf5Check(H5Pget_chunk(creation.id, Int32(shape.count), &chunk), file: file.path, "open \(path)")
            self.chunk = chunk.map { Int($0) }
        } else {
            chunk = nil
        }
        storedBytes = layout == H5D_VIRTUAL ? nil : Int(clamping: H5Dget_storage_size(dataset.id))
        handle = dataset
    }

    /// The number of elements.
    public var count: Int { shape.reduce(1, *) }

    /// Reads the whole dataset.
    public func read<T: HDF5Element>(into values: UnsafeMutableBufferPointer<T>) throws {
        precondition(values.count == count, "\(path) has shape \(shape), the buffer \(values.count) elements")
        clear(values)
        try withHDF5 {
            let status = H5Dread(handle.id, memoryType(T.self), hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), values.baseAddress)
            try hdf5Check(status, file: file.path, "read \(path)")
        }
    }

    /// Reads the block of shape `block` that begins at `start`.
    public func read<T: HDF5Element>(start: [Int], block: [Int], into values: UnsafeMutableBufferPointer<T>) throws {
        precondition(values.count == block.reduce(1, *), "a block of shape \(block) does not fit a buffer of \(values.count) elements")
        clear(values)
        try withHDF5 {
            let blocks = try select(start, block)
            let status = H5Dread(handle.id, memoryType(T.self), blocks.memory.id, blocks.disk.id, hid_t(H5P_DEFAULT), values.baseAddress)
            try hdf5Check(status, file: file.path, "read \(path) at \(start)")
        }
    }

    /// Writes the whole dataset.
    public func write<T: HDF5Element>(_ values: UnsafeBufferPointer<T>) throws {
        precondition(values.count == count, "\(path) has shape \(shape), the buffer \(values.count) elements")
        try withHDF5 {
            let status = H5Dwrite(handle.id, T.hdf5Type, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), values.baseAddress)
            try hdf5Check(status, file: file.path, "write \(path)", kind: .inputOutput)
        }
    }

    /// Writes the block of shape `block` that begins at `start`.
    public func write<T: HDF5Element>(_ values: UnsafeBufferPointer<T>, start: [Int], block: [Int]) throws {
        precondition(values.count == block.reduce(1, *), "a block of shape \(block) does not fit a buffer of \(values.count) elements")
        try withHDF5 {
            let blocks = try select(start, block)
            let status = H5Dwrite(handle.id, T.hdf5Type, blocks.memory.id, blocks.disk.id, hid_t(H5P_DEFAULT), values.baseAddress)
            try hdf5Check(status, file: file.path, "write \(path) at \(start)", kind: .inputOutput)
        }
    }

    /// Makes room for values that are zero where libhdf5 leaves them: those that were never written, of a dataset without a fill value.
    private func clear<T: HDF5Element>(_ values: UnsafeMutableBufferPointer<T>) {
        _ = UnsafeMutableRawBufferPointer(values).initializeMemory(as: UInt8.self, repeating: 0)
    }

    /// Throws if the file holds less than a `ratio`th of the bytes that the dataset is said to have: it claims memory that it does not need.
    package func requireStorage(ratio: Int) throws {
        guard let storedBytes, let elementType else { return }
        guard shape.reduce(Double(elementType.size), { $0 * Double($1) }) <= Double(storedBytes) * Double(ratio) else {
            throw ImagingError(.invalid, file.path, "\(path) claims the shape \(shape) and holds \(storedBytes) bytes")
        }
    }

    /// The type to read into: the file's own for an enumeration, which libhdf5 does not convert.
    private func memoryType<T: HDF5Element>(_ type: T.Type) -> hid_t {
        elementType == .boolean && type == UInt8.self ? typeInFile.id : T.hdf5Type
    }

    /// Dataspaces for a block: as it lies in memory, and its place in the file.
    private func select(_ start: [Int], _ block: [Int]) throws -> Selection {
        precondition(
            start.count == shape.count && block.count == shape.count
                && zip(shape, zip(start, block)).allSatisfy { $1.0 >= 0 && $1.1 >= 0 && $1.0 + $1.1 <= $0 },
            "a block of shape \(block) at \(start) is not inside \(path) of shape \(shape)")
        let memory = try HDF5File.dataspace(block, file.path)
        let disk = try HDF5Handle(H5Dget_space(handle.id), file: file.path, "open \(path)")
        let offsets = start.map { hsize_t($0) }
        let counts = block.map { hsize_t($0) }
        try hdf5Check(H5Sselect_hyperslab(disk.id, H5S_SELECT_SET, offsets, nil, counts, nil), file: file.path, "select a part of \(path)")
        return Selection(memory: memory, disk: disk)
    }
}

extension HDF5File {
    /// Opens the dataset at `path`, whose chunks the library keeps decoded up to `chunkCache` bytes.
    ///
    /// - Throws: `ImagingError` if there is no dataset at `path`.
    public func dataset(_ path: String, chunkCache: Int = 1 << 20) throws -> HDF5Dataset {
        try withHDF5 {
            guard try isDataset(path) else { throw ImagingError(.invalid, self.path, "\(path) is a group, not a dataset") }
            let access = try HDF5Handle(H5Pcreate(hdf5_dataset_access()), file: self.path, "make a property list")
            // 0.75: the library's default preference for giving up chunks that were read to the end.
            try hdf5Check(H5Pset_chunk_cache(access.id, 12421, chunkCache, 0.75), file: self.path, "set a property")
            try hdf5StayInFile(access, file: self.path)
            return try HDF5Dataset(HDF5Handle(H5Dopen2(handle.id, path, access.id), file: self.path, "open \(path)"), at: path, in: self)
        }
    }

    /// Makes a dataset of zeros; `shape` is empty for a single number.
    ///
    /// - Throws: `ImagingError` if there is something at `path` already.
    public func createDataset<T: HDF5Element>(
        _ path: String, shape: [Int], of type: T.Type, storage: HDF5Storage = .contiguous
    ) throws -> HDF5Dataset {
        try withHDF5 {
            let space = try HDF5File.dataspace(shape, self.path)
            let links = try makeGroupsOnTheWay()
            let creation = try HDF5Handle(H5Pcreate(hdf5_dataset_creation()), file: self.path, "make a property list")
            // Without this the time of writing is in the file, and no two runs write the same bytes.
            try hdf5Check(H5Pset_obj_track_times(creation.id, false), file: self.path, "set a property")
            if case .chunked(let chunk, let deflate) = storage {
                precondition(chunk.count == shape.count, "chunks of shape \(chunk) for a dataset of shape \(shape)")
                try hdf5Check(
                    H5Pset_chunk(creation.id, Int32(chunk.count), chunk.map { hsize_t($0) }), file: self.path, "set chunks \(chunk)")
                try hdf5Check(H5Pset_shuffle(creation.id), file: self.path, "set the shuffle filter")
                try hdf5Check(H5Pset_deflate(creation.id, UInt32(deflate)), file: self.path, "set gzip \(deflate)")
            }
            let id = H5Dcreate2(handle.id, path, T.hdf5Type, space.id, links.id, creation.id, hid_t(H5P_DEFAULT))
            return try HDF5Dataset(HDF5Handle(id, file: self.path, "make dataset \(path)"), at: path, in: self)
        }
    }

    /// Writes a new dataset.
    public func write<T: HDF5Element>(
        _ values: UnsafeBufferPointer<T>, shape: [Int], to path: String, storage: HDF5Storage = .contiguous
    ) throws {
        try createDataset(path, shape: shape, of: T.self, storage: storage).write(values)
    }

    /// Writes a new dataset.
    public func write<T: HDF5Element>(_ values: [T], shape: [Int], to path: String, storage: HDF5Storage = .contiguous) throws {
        try values.withUnsafeBufferPointer { try write($0, shape: shape, to: path, storage: storage) }
    }

    /// Reads a whole dataset, converted to `type`; `dataset(path).shape` tells its shape.
    public func read<T: HDF5Element>(_ path: String, as type: T.Type = T.self) throws -> [T] {
        let dataset = try dataset(path)
        try dataset.requireStorage(ratio: 65536)
        return try [T](unsafeUninitializedCapacity: dataset.count) { values, count in
            try dataset.read(into: UnsafeMutableBufferPointer(rebasing: values[..<dataset.count]))
            count = dataset.count
        }
    }

    /// A dataspace of the given shape: a scalar one if it is empty.
    static func dataspace(_ shape: [Int], _ file: String) throws -> HDF5Handle {
        let id = shape.isEmpty ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(shape.count), shape.map { hsize_t($0) }, nil)
        return try HDF5Handle(id, file: file, "describe an array of shape \(shape)")
    }
}

extension HDF5Dataset {
    /// Where a block lies in memory and in the file.
    private struct Selection: ~Copyable {
        let memory: HDF5Handle
        let disk: HDF5Handle
    }

    private static func shape(of dataset: borrowing HDF5Handle, _ path: String, _ file: HDF5File) throws -> [Int] {
        let space = try HDF5Handle(H5Dget_space(dataset.id), file: file.path, "open \(path)")
        let rank = H5Sget_simple_extent_ndims(space.id)
        try hdf5Check(rank, file: file.path, "open \(path)")
        var shape = [hsize_t](repeating: 0, count: Int(rank))
        try hdf5Check(H5Sget_simple_extent_dims(space.id, &shape, nil), file: file.path, "open \(path)")
        // A dataspace with no elements at all has rank 0 like a scalar, but is none.
        if H5Sget_simple_extent_type(space.id) == H5S_NULL { return [0] }
        guard shape.reduce(1, { $0 * Double($1) }) < 0x1p48 else {
            throw ImagingError(.invalid, file.path, "\(path) claims the shape \(shape), which no memory holds")
        }
        return shape.map { Int($0) }
    }

    /// Throws if the dataset's numbers lie in other files: one that somebody sends must not name another one that is read in its place.
    private static func requireOwnNumbers(
        _ creation: borrowing HDF5Handle, _ layout: H5D_layout_t, _ path: String, _ file: HDF5File
    ) throws {
        func outside(_ name: String) -> ImagingError {
            ImagingError(
                .invalid, file.path, "the numbers of \(path) lie in \(name), which is not followed; copy them into the file (h5repack does)"
            )
        }
        guard H5Pget_external_count(creation.id) <= 0 else { throw outside("files of their own") }
        guard layout == H5D_VIRTUAL else { return }
        var count = 0
        try hdf5Check(H5Pget_virtual_count(creation.id, &count), file: file.path, "open \(path)")
        for index in 0..<count {
            let length = H5Pget_virtual_filename(creation.id, index, nil, 0)
            try hdf5Check(length, file: file.path, "open \(path)")
            var text = [CChar](repeating: 0, count: length + 1)
            try hdf5Check(H5Pget_virtual_filename(creation.id, index, &text, text.count), file: file.path, "open \(path)")
            let name = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            // A dot is the file itself.
            if name != "." { throw outside("the file \(name)") }
        }
    }

    private static func elementType(_ type: borrowing HDF5Handle) -> PixelType? {
        let size = H5Tget_size(type.id)
        switch (H5Tget_class(type.id), H5Tget_sign(type.id)) {
        case (H5T_INTEGER, H5T_SGN_NONE): return [1: .uint8, 2: .uint16, 4: .uint32, 8: .uint64][size]
        case (H5T_INTEGER, _): return [1: .int8, 2: .int16, 4: .int32, 8: .int64][size]
        case (H5T_FLOAT, _): return [2: .float16, 4: .float32, 8: .float64][size]
        case (H5T_ENUM, _): return size == 1 && H5Tget_nmembers(type.id) == 2 ? .boolean : nil
        default: return nil
        }
    }
}
