import CHDF5
import Foundation

/// An HDF5 file: groups of datasets (n-dimensional arrays of numbers) with attributes.
///
/// A file is either read, from disk or from bytes, or built: in memory, for an `image()` that the caller writes as he
/// likes, or on disk. No file is ever locked (network file systems often cannot), so whoever writes to disk writes to a
/// temporary name. All calls may come from any thread; they run one at a time.
///
/// Paths inside the file are absolute ("/group/dataset"; the leading slash may be left out), and groups on the way to a
/// new dataset are made.
public final class HDF5File: Sendable {
    /// The name that errors give this file.
    public let path: String
    let handle: HDF5Handle
    /// Link access properties with which no link leads out of the file.
    let insideFile: HDF5Handle

    /// Opens the file at `path` for reading.
    ///
    /// - Throws: `ImagingError` if it does not exist, cannot be read, or is no HDF5 file.
    public init(path: String) throws {
        // libhdf5's own messages for these cases are a paragraph.
        _ = try InputFile(path)
        self.path = path
        insideFile = try HDF5File.insideFile(path)
        handle = try withHDF5 {
            let access = try HDF5File.onDisk(path)
            return try HDF5Handle(H5Fopen(path, hdf5_read_only(), access.id), file: path, "open the file as HDF5")
        }
    }

    /// Opens a file whose bytes are in memory, for reading; `name` is what errors call it. The bytes are copied.
    ///
    /// - Throws: `ImagingError` if the bytes are no HDF5 file.
    public init(bytes: UnsafeRawBufferPointer, name: String) throws {
        path = name
        insideFile = try HDF5File.insideFile(name)
        handle = try HDF5File.open(bytes, name: name)
    }

    /// Opens a file whose bytes are in memory, for reading; `name` is what errors call it. The bytes are copied.
    ///
    /// - Throws: `ImagingError` if the bytes are no HDF5 file.
    public init(bytes: [UInt8], name: String) throws {
        path = name
        insideFile = try HDF5File.insideFile(name)
        handle = try bytes.span.bytes.withUnsafeBytes { try HDF5File.open($0, name: name) }
    }

    /// Begins a new file in memory; `image()` gives its bytes, and `name` is what errors call it.
    public init(inMemoryNamed name: String) throws {
        path = name
        insideFile = try HDF5File.insideFile(name)
        handle = try withHDF5 {
            let access = try HDF5File.inMemory(name)
            return try HDF5Handle(
                H5Fcreate(HDF5File.noFile(), hdf5_truncate(), hid_t(H5P_DEFAULT), access.id), file: name, "begin an HDF5 file in memory")
        }
    }

    /// Begins a new file on disk, replacing what is there; `name` is what errors call it.
    package init(creating path: String, name: String) throws {
        self.path = name
        insideFile = try HDF5File.insideFile(name)
        handle = try withHDF5 {
            let access = try HDF5File.onDisk(name)
            return try HDF5Handle(
                H5Fcreate(path, hdf5_truncate(), hid_t(H5P_DEFAULT), access.id), file: name, "begin an HDF5 file", kind: .inputOutput)
        }
    }

    /// The bytes of the file as it is now: what a file on disk with this content would hold. The same calls in the same
    /// order give the same bytes.
    public func image() throws -> [UInt8] {
        try withHDF5 {
            try flush()
            let size = H5Fget_file_image(handle.id, nil, 0)
            try hdf5Check(size, file: path, "take the file's image")
            return try [UInt8](unsafeUninitializedCapacity: size) { bytes, count in
                try hdf5Check(H5Fget_file_image(handle.id, bytes.baseAddress, size), file: path, "take the file's image")
                count = size
            }
        }
    }

    /// Lends the bytes that `image()` would copy, of a file in memory. The file must not be written to meanwhile.
    public func withImage<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result {
        let image = try withHDF5 {
            try flush()
            let size = H5Fget_file_image(handle.id, nil, 0)
            try hdf5Check(size, file: path, "take the file's image")
            // The handle of a file in memory is the place of its memory's address.
            var place: UnsafeMutableRawPointer?
            try hdf5Check(H5Fget_vfd_handle(handle.id, hid_t(H5P_DEFAULT), &place), file: path, "take the file's image")
            let bytes = place!.load(as: UnsafeMutableRawPointer.self)
            // As `H5Fget_file_image` does in its copy: an open file says so in its superblock. Byte 8 is the superblock's version, 0 for
            // all files that we begin in memory; libhdf5 does not read the flags again.
            guard bytes.load(fromByteOffset: 8, as: UInt8.self) == 0 else {
                throw ImagingError(.invalid, path, "cannot take the file's image: it has a superblock of another version than 0")
            }
            bytes.storeBytes(of: 0, toByteOffset: 20, as: UInt32.self)
            return UnsafeRawBufferPointer(start: bytes, count: size)
        }
        return try withExtendedLifetime(self) { try body(image) }
    }

    /// Hands everything written so far to the operating system.
    package func flush() throws {
        try withHDF5 { try hdf5Check(H5Fflush(handle.id, H5F_SCOPE_GLOBAL), file: path, "write the file", kind: .inputOutput) }
    }

    /// Leaves the file, with one of its datasets, open until the process ends: libhdf5 1.10 crashes when it closes a file
    /// whose last bytes it cannot write, as on a full disk.
    func abandon(_ dataset: HDF5Dataset?) {
        withHDF5 {
            _ = H5Iinc_ref(handle.id)
            if let dataset { _ = H5Iinc_ref(dataset.handle.id) }
        }
    }

    /// Whether there is a group or dataset at `object`, in this file.
    public func contains(_ object: String) -> Bool {
        withHDF5 {
            var prefix = ""
            // H5Lexists fails, rather than saying no, when a group on the way is missing.
            return object.split(separator: "/").allSatisfy {
                prefix += "/" + $0
                return H5Lexists(handle.id, prefix, insideFile.id) > 0 && H5Oexists_by_name(handle.id, prefix, insideFile.id) > 0
            }
        }
    }

    /// The first part of a path that is a link to another file.
    private func outwardLink(on object: String) -> String? {
        var prefix = ""
        for name in object.split(separator: "/") {
            prefix += "/" + name
            let leadsOut = hdf5_leads_out(handle.id, prefix, insideFile.id)
            if leadsOut != 0 { return leadsOut > 0 ? prefix : nil }
        }
        return nil
    }

    /// Whether there is a dataset at `object`.
    public func isDataset(_ object: String) throws -> Bool {
        try withHDF5 {
            // Named, because a handle that is only part of an expression is closed before the call it is passed to.
            let object = try open(object)
            return H5Iget_type(object.id) == H5I_DATASET
        }
    }

    /// The names of what is in `group`, sorted bytewise.
    public func links(in group: String = "/") throws -> [String] {
        try withHDF5 {
            let object = try open(group)
            var information = H5G_info_t()
            try hdf5Check(H5Gget_info(object.id, &information), file: path, "list \(group)")
            return try (0..<information.nlinks).map { index in
                func name(_ text: UnsafeMutablePointer<CChar>?, _ size: Int) throws -> Int {
                    let length = H5Lget_name_by_idx(
                        object.id, ".", H5_INDEX_NAME, H5_ITER_INC, index, text, size, hid_t(H5P_DEFAULT))
                    try hdf5Check(length, file: path, "list \(group)")
                    return length
                }
                let size = try name(nil, 0) + 1
                return try withUnsafeTemporaryAllocation(of: CChar.self, capacity: size) { text in
                    _ = try name(text.baseAddress, size)
                    return String(cString: text.baseAddress!)
                }
            }
        }
    }

    /// The paths of all datasets in the file, sorted bytewise; one that has several names appears once.
    public func datasets() throws -> [String] {
        try withHDF5 {
            var found: [String] = []
            let status = withUnsafeMutablePointer(to: &found) { found in
                H5Ovisit2(
                    handle.id, H5_INDEX_NAME, H5_ITER_INC,
                    { _, name, information, found in
                        if let name, information?.pointee.type == H5O_TYPE_DATASET {
                            found?.assumingMemoryBound(to: [String].self).pointee.append("/" + String(cString: name))
                        }
                        return 0
                    }, found, UInt32(H5O_INFO_BASIC))
            }
            try hdf5Check(status, file: path, "list the datasets")
            return found
        }
    }

    /// Makes an empty group, with the groups on the way to it.
    public func createGroup(_ group: String) throws {
        try withHDF5 {
            let links = try makeGroupsOnTheWay()
            _ = try HDF5Handle(
                H5Gcreate2(handle.id, group, links.id, hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT)), file: path, "make group \(group)")
        }
    }

    /// The object (group or dataset) at a path.
    func open(_ object: String) throws -> HDF5Handle {
        guard object == "/" || contains(object) else {
            if let link = outwardLink(on: object) {
                throw ImagingError(.invalid, path, "\(link) is a link to another file, which is not followed; name the other file itself")
            }
            throw ImagingError(.missing, path, "there is no \(object) in the file")
        }
        return try HDF5Handle(H5Oopen(handle.id, object, insideFile.id), file: path, "open \(object)")
    }

    /// Link creation properties that make the groups on the way to a new object.
    func makeGroupsOnTheWay() throws -> HDF5Handle {
        let links = try HDF5Handle(H5Pcreate(hdf5_link_creation()), file: path, "make a property list")
        try hdf5Check(H5Pset_create_intermediate_group(links.id, 1), file: path, "set a property")
        return links
    }

    private static func insideFile(_ name: String) throws -> HDF5Handle {
        try withHDF5 {
            let access = try HDF5Handle(H5Pcreate(hdf5_link_access()), file: name, "make a property list")
            try hdf5StayInFile(access, file: name)
            return access
        }
    }

    /// A name for a file in memory. It cannot exist, because libhdf5 tries to open it on disk, too, and is used once,
    /// because libhdf5 takes two files in memory of the same name for one.
    private static func noFile() -> String { "/dev/null/\(UUID().uuidString)" }

    private static func open(_ bytes: UnsafeRawBufferPointer, name: String) throws -> HDF5Handle {
        try withHDF5 {
            let access = try inMemory(name)
            // libhdf5 does not write to the bytes that it copies.
            let image = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
            try hdf5Check(H5Pset_file_image(access.id, image, bytes.count), file: name, "open the file as HDF5")
            return try HDF5Handle(H5Fopen(noFile(), hdf5_read_only(), access.id), file: name, "open the file as HDF5")
        }
    }

    /// Access properties for a file on disk, never locked.
    private static func onDisk(_ name: String) throws -> HDF5Handle {
        let access = try HDF5Handle(H5Pcreate(hdf5_file_access()), file: name, "make a property list")
        try hdf5Check(H5Pset_file_locking(access.id, false, true), file: name, "turn file locks off")
        return access
    }

    /// Access properties for a file that lives in memory only. The bounds of the format stay at their default: images
    /// in the format of `H5F_LIBVER_V18` or later that libhdf5 1.10.8 makes cannot be read back.
    private static func inMemory(_ name: String) throws -> HDF5Handle {
        let access = try HDF5Handle(H5Pcreate(hdf5_file_access()), file: name, "make a property list")
        try hdf5Check(H5Pset_fapl_core(access.id, 1 << 20, false), file: name, "keep the file in memory")
        return access
    }
}
