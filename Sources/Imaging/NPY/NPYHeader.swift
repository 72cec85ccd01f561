/// What stands before the numbers of an NPY file (format versions 1 to 3): their type, order and shape.
package struct NPYHeader: Equatable {
    static let magic: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]  // "\x93NUMPY"

    let pixelType: PixelType
    /// Whether the bytes of each number are the other way round than on this machine.
    let isSwapped: Bool
    /// Whether the first index varies fastest, not the last.
    let isFortranOrder: Bool
    let shape: [Int]
    /// Where the numbers begin.
    let size: Int

    /// Reads the header and checks that the numbers which it announces are there.
    ///
    /// - Throws: `ImagingError` if the header is not one of NumPy's, or announces numbers that we do not read or that are not there.
    init(_ file: InputFile) throws {
        func invalid(_ what: String) -> ImagingError { ImagingError(.invalid, file.path, what) }
        let start = try file.bytes(at: 0, count: min(file.size, 12))
        guard start.count == 12, (1...3).contains(start[6]) else {
            throw invalid("the NPY file has a damaged header or an unknown version")
        }
        let prefix = start[6] == 1 ? 10 : 12
        let length = start[8..<prefix].reversed().reduce(0) { $0 << 8 | Int($1) }
        guard length <= min(1 << 16, file.size - prefix) else { throw invalid("the NPY file is truncated: its header has \(length) bytes") }
        size = prefix + length
        let text = try file.bytes(at: prefix, count: length)
        guard let descr = Self.value(of: "descr", in: text).flatMap({ Self.text($0, between: "'", and: "'") }),
            let order = Self.value(of: "fortran_order", in: text).flatMap({ value in
                ["True", "False"].first { value.starts(with: $0.utf8) }
            }),
            let numbers = Self.value(of: "shape", in: text).flatMap({ Self.text($0, between: "(", and: ")") }),
            numbers.utf8.allSatisfy({ "0123456789, ".utf8.contains($0) })
        else { throw invalid("the NPY file holds records or Python objects; arrays of numbers are supported") }
        guard let type = NPYHeader.types[descr.dropFirst()] else {
            throw invalid(
                "the NPY file holds numbers of type '\(descr)'; supported are \(NPYHeader.types.keys.sorted().joined(separator: ", "))")
        }
        (pixelType, isSwapped, isFortranOrder) = (type, descr.first == ">", order == "True")
        // A comma may follow the last size, and does where there is only one.
        let sizes = numbers.split(separator: ",").map { $0.filter { $0 != " " } }.filter { !$0.isEmpty }
        shape = try sizes.map { text in
            guard let size = Int(text) else { throw invalid("the NPY file claims the shape (\(numbers)), which no memory holds") }
            return size
        }
        let announced = shape.reduce(Double(type.size)) { $0 * Double($1) }
        guard announced <= Double(file.size - size) else {
            throw invalid(
                "the NPY file is truncated: shape \(shape) needs \(Int(min(announced, 0x1p60))) bytes, \(file.size - size) are there")
        }
    }

    /// What follows the first `'key':` of a Python dictionary's text and the blanks after it; nil if there is none.
    private static func value(of key: String, in text: [UInt8]) -> ArraySlice<UInt8>? {
        guard let place = text.firstRange(ofText: "'\(key)'") else { return nil }
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        var rest = text[place.upperBound...].drop(while: isBlank)
        return rest.popFirst() == UInt8(ascii: ":") ? rest.drop(while: isBlank) : nil
    }

    /// What stands between the first byte, which must be `start`, and the next `end`.
    private static func text(_ bytes: ArraySlice<UInt8>, between start: Unicode.Scalar, and end: Unicode.Scalar) -> String? {
        let rest = bytes.dropFirst()
        guard bytes.first == UInt8(ascii: start), let close = rest.firstIndex(of: UInt8(ascii: end)) else { return nil }
        return String(decoding: rest[..<close], as: UTF8.self)
    }

    private static let types: [Substring: PixelType] = [
        "b1": .boolean, "u1": .uint8, "u2": .uint16, "u4": .uint32, "u8": .uint64, "i1": .int8, "i2": .int16, "i4": .int32, "i8": .int64,
        "f2": .float16, "f4": .float32, "f8": .float64,
    ]

    /// The header, as NumPy writes it, of an array whose last index varies fastest.
    package static func bytes(_ pixelType: PixelType, shape: [Int]) -> [UInt8] {
        let code = types.first { $0.value == pixelType }!.key
        let sizes = shape.map { String($0) }.joined(separator: ", ") + (shape.count == 1 ? "," : "")
        var text = "{'descr': '\(pixelType.size == 1 ? "|" : "<")\(code)', 'fortran_order': False, 'shape': (\(sizes)), }"
        // Ten bytes go before the text; the numbers begin at a multiple of 64.
        text += String(repeating: " ", count: 63 - (10 + text.utf8.count) % 64) + "\n"
        return magic + [1, 0, UInt8(text.utf8.count & 0xFF), UInt8(text.utf8.count >> 8)] + text.utf8
    }
}
