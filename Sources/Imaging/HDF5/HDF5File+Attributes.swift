import CHDF5
import Foundation

extension HDF5File {
    /// How text is stored in an attribute.
    public enum TextStorage: Sendable {
        /// Padded with zero bytes to the longest text: what every version of Keras and h5py reads.
        case fixedLength
        /// Each of its own length, marked as UTF-8: what h5py hands to Python as `str`, as ilastik wants it.
        case variableLength
    }

    /// Sets an attribute of `object` to a text, replacing what it was.
    public func setAttribute(_ name: String, of object: String = "/", to text: String, storage: TextStorage = .fixedLength) throws {
        try setText(name, of: object, to: [text], shape: [], storage)
    }

    /// Sets an attribute of `object` to an array of texts, replacing what it was.
    public func setAttribute(_ name: String, of object: String = "/", to texts: [String], storage: TextStorage = .fixedLength) throws {
        try setText(name, of: object, to: texts, shape: [texts.count], storage)
    }

    /// Sets an attribute of `object` to a number, replacing what it was.
    public func setAttribute<T: HDF5Element>(_ name: String, of object: String = "/", to number: T) throws {
        try withUnsafePointer(to: number) { try setAttribute(name, of: object, shape: [], type: T.hdf5Type, $0) }
    }

    /// Sets an attribute of `object` to an array of numbers, replacing what it was.
    public func setAttribute<T: HDF5Element>(_ name: String, of object: String = "/", to numbers: [T]) throws {
        try numbers.withUnsafeBytes { try setAttribute(name, of: object, shape: [numbers.count], type: T.hdf5Type, $0.baseAddress) }
    }

    /// Whether `object` exists and has an attribute of this name.
    public func hasAttribute(_ name: String, of object: String = "/") -> Bool {
        withHDF5 { (object == "/" || contains(object)) && H5Aexists_by_name(handle.id, object, name, insideFile.id) > 0 }
    }

    /// The names of the attributes of `object`, sorted bytewise.
    public func attributes(of object: String = "/") throws -> [String] {
        try withHDF5 {
            let object = try open(object)
            var names: [String] = []
            var position: hsize_t = 0
            let status = withUnsafeMutablePointer(to: &names) { names in
                H5Aiterate2(
                    object.id, H5_INDEX_NAME, H5_ITER_INC, &position,
                    { _, name, _, names in
                        if let name { names?.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name)) }
                        return 0
                    }, names)
            }
            try hdf5Check(status, file: path, "list attributes")
            return names
        }
    }

    /// An attribute that is a single text.
    public func text(_ name: String, of object: String = "/") throws -> String {
        let texts = try texts(name, of: object)
        guard texts.count == 1 else {
            throw ImagingError(.invalid, path, "attribute \(name) of \(object) holds \(texts.count) texts, not one")
        }
        return texts[0]
    }

    /// An attribute that is an array of texts, of fixed or variable length, however padded. An empty array may be of any type.
    public func texts(_ name: String, of object: String = "/") throws -> [String] {
        try withHDF5 {
            let attribute = try openAttribute(name, of: object)
            let count = try elements(of: attribute, name, object)
            if count == 0 { return [] }
            let type = try HDF5Handle(H5Aget_type(attribute.id), file: path, "read attribute \(name) of \(object)")
            guard H5Tget_class(type.id) == H5T_STRING else {
                throw ImagingError(.invalid, path, "attribute \(name) of \(object) is not text")
            }
            func read(_ buffer: UnsafeMutableRawPointer?) throws {
                try hdf5Check(H5Aread(attribute.id, type.id, buffer), file: path, "read attribute \(name) of \(object)")
            }
            if H5Tis_variable_str(type.id) > 0 {
                var texts = [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
                try read(&texts)
                let space = try HDF5Handle(H5Aget_space(attribute.id), file: path, "read attribute \(name) of \(object)")
                defer { H5Dvlen_reclaim(type.id, space.id, hid_t(H5P_DEFAULT), &texts) }
                return texts.map { $0.map { String(cString: $0) } ?? "" }
            }
            let size = H5Tget_size(type.id)
            guard Double(count) * Double(size) <= Self.longestAttribute else {
                throw ImagingError(.invalid, path, "attribute \(name) of \(object) claims \(count) texts of \(size) bytes")
            }
            var bytes = [UInt8](repeating: 0, count: count * size)
            try read(&bytes)
            let padding: UInt8 = H5Tget_strpad(type.id) == H5T_STR_SPACEPAD ? 0x20 : 0
            return (0..<count).map { index in
                var text = bytes[index * size..<(index + 1) * size]
                if padding == 0, let end = text.firstIndex(of: 0) { text = text[..<end] }
                while text.last == padding { text.removeLast() }
                return String(decoding: text, as: UTF8.self)
            }
        }
    }

    /// An attribute that is a single number, converted to `type`.
    public func number<T: HDF5Element>(_ name: String, of object: String = "/", as type: T.Type = T.self) throws -> T {
        let numbers = try numbers(name, of: object, as: type)
        guard numbers.count == 1 else {
            throw ImagingError(.invalid, path, "attribute \(name) of \(object) holds \(numbers.count) numbers, not one")
        }
        return numbers[0]
    }

    /// An attribute that is an array of numbers, converted to `type`.
    public func numbers<T: HDF5Element>(_ name: String, of object: String = "/", as type: T.Type = T.self) throws -> [T] {
        try withHDF5 {
            let attribute = try openAttribute(name, of: object)
            let size = try elements(of: attribute, name, object)
            if size == 0 { return [] }
            return try [T](unsafeUninitializedCapacity: size) { numbers, count in
                try hdf5Check(H5Aread(attribute.id, T.hdf5Type, numbers.baseAddress), file: path, "read attribute \(name) of \(object)")
                count = size
            }
        }
    }

    private func setText(_ name: String, of object: String, to texts: [String], shape: [Int], _ storage: TextStorage) throws {
        try withHDF5 {
            let type = try HDF5Handle(H5Tcopy(hdf5_c_string()), file: path, "make a text type")
            let size = storage == .variableLength ? hdf5_variable_length() : max(1, texts.map(\.utf8.count).max() ?? 1)
            try hdf5Check(H5Tset_size(type.id, size), file: path, "make a text type of \(size) bytes")
            let ascii = storage == .fixedLength && texts.allSatisfy { $0.utf8.allSatisfy { $0 < 128 } }
            try hdf5Check(H5Tset_cset(type.id, ascii ? H5T_CSET_ASCII : H5T_CSET_UTF8), file: path, "make a text type")
            switch storage {
            case .fixedLength:
                try hdf5Check(H5Tset_strpad(type.id, H5T_STR_NULLPAD), file: path, "make a text type")
                var bytes = [UInt8](repeating: 0, count: max(1, texts.count * size))
                for (index, text) in texts.enumerated() {
                    bytes.replaceSubrange(index * size..<index * size + text.utf8.count, with: text.utf8)
                }
                try setAttribute(name, of: object, shape: shape, type: type.id, bytes)
            case .variableLength:
                let copies = texts.map { strdup($0) }
                defer { copies.forEach { free($0) } }
                try copies.withUnsafeBytes { try setAttribute(name, of: object, shape: shape, type: type.id, $0.baseAddress) }
            }
        }
    }

    private func setAttribute(_ name: String, of object: String, shape: [Int], type: hid_t, _ values: UnsafeRawPointer?) throws {
        try withHDF5 {
            let owner = try open(object)
            if H5Aexists(owner.id, name) > 0 {
                try hdf5Check(H5Adelete(owner.id, name), file: path, "replace attribute \(name) of \(object)")
            }
            let space = try HDF5File.dataspace(shape, path)
            let attribute = try HDF5Handle(
                H5Acreate2(owner.id, name, type, space.id, hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT)), file: path,
                "make attribute \(name) of \(object)")
            if shape.reduce(1, *) > 0 {
                try hdf5Check(H5Awrite(attribute.id, type, values), file: path, "write attribute \(name) of \(object)")
            }
        }
    }

    private func openAttribute(_ name: String, of object: String) throws -> HDF5Handle {
        guard hasAttribute(name, of: object) else { throw ImagingError(.missing, path, "\(object) has no attribute \(name)") }
        return try HDF5Handle(
            H5Aopen_by_name(handle.id, object, name, hid_t(H5P_DEFAULT), insideFile.id), file: path,
            "open attribute \(name) of \(object)")
    }

    private func elements(of attribute: borrowing HDF5Handle, _ name: String, _ object: String) throws -> Int {
        let space = try HDF5Handle(H5Aget_space(attribute.id), file: path, "read attribute \(name) of \(object)")
        let count = H5Sget_simple_extent_npoints(space.id)
        try hdf5Check(count, file: path, "read attribute \(name) of \(object)")
        guard Double(count) <= Self.longestAttribute else {
            throw ImagingError(.invalid, path, "attribute \(name) of \(object) claims \(count) values")
        }
        return Int(count)
    }

    /// Bytes of an attribute that is taken for one: 64 MiB.
    private static let longestAttribute = 0x1p26
}
