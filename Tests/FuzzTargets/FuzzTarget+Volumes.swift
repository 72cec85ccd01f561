import Imaging

/// Samples that are looked at of each page of a volume, and pages, at most.
private let sampleLimit = 1 << 18, pageLimit = 8

/// Reads a volume's pages, whole and in two parts, which must be the same bits unless `isSteady` is false.
func readPages(_ volume: VolumeReader, isSteady: Bool = true) throws {
    let shape = volume.shape
    guard shape.pages > 0, shape.height > 0, shape.width > 0, shape.channels > 0, shape.pageCount <= ImageLimit.samples else {
        throw FuzzFailure("a volume of \(shape)")
    }
    func read(_ rows: Range<Int>, _ page: Int) throws -> [Float] {
        try [Float](unsafeUninitializedCapacity: shape.channels * rows.count * shape.width) { values, count in
            count = shape.channels * rows.count * shape.width
            try volume.readRows(rows, ofPage: page, into: UnsafeMutableBufferPointer(rebasing: values[..<count]))
        }
    }
    for page in Set([0, shape.pages - 1] + (0..<min(shape.pages, pageLimit))).sorted() {
        guard shape.pageCount <= sampleLimit else {
            if shape.width * shape.channels <= sampleLimit { _ = try read(shape.height - 1..<shape.height, page) }
            continue
        }
        let whole = try read(0..<shape.height, page)
        guard shape.height > 1 else { continue }
        let middle = shape.height / 2, plane = shape.height * shape.width
        let upper = try read(0..<middle, page), lower = try read(middle..<shape.height, page)
        guard isSteady else { continue }
        for channel in 0..<shape.channels {
            let place = channel * plane, split = middle * shape.width, rest = plane - split
            guard
                (0..<split).allSatisfy({ whole[place + $0].bitPattern == upper[channel * split + $0].bitPattern }),
                (0..<rest).allSatisfy({ whole[place + split + $0].bitPattern == lower[channel * rest + $0].bitPattern })
            else { throw FuzzFailure("page \(page) read in two parts is not the page") }
        }
    }
}

/// A TIFF file of one page of 4 × 4 pixels with this description.
func tiffFile(describedBy description: UnsafeRawBufferPointer) -> [UInt8] {
    func integer(_ value: Int, _ size: Int) -> [UInt8] { (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    let count = 9, pixels = 8 + 2 + 12 * count + 4, text = pixels + 16 * 4
    var file: [UInt8] = [0x49, 0x49, 42, 0, 8, 0, 0, 0] + integer(count, 2)
    // Tag, type (2 text, 3 of 16 bits, 4 of 32), number of values, value or place.
    for (tag, type, number, value) in [
        (256, 4, 1, 4), (257, 4, 1, 4), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (270, 2, max(5, description.count), text),
        (273, 4, 1, pixels), (277, 3, 1, 1), (278, 4, 1, 4),
    ] { file += integer(tag, 2) + integer(type, 2) + integer(number, 4) + integer(value, 4) }
    // Room for a stack of four images behind the one directory.
    file += integer(0, 4) + (0..<64).map { UInt8($0) }
    return file + description + [UInt8](repeating: 0, count: 5)
}

/// A PNG file with the right checksums.
func pngFile(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var file = Array(bytes), position = 8
    while position + 12 <= file.count {
        let length = file[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= file.count - position - 12 else { break }
        let end = position + 8 + length
        let checksum = ~file[position + 4..<end].reduce(~UInt32(0)) { checksums[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ $0 >> 8 }
        for place in 0..<4 { file[end + place] = UInt8(truncatingIfNeeded: checksum >> (24 - 8 * UInt32(place))) }
        position = end + 4
    }
    return file
}

/// PNG's checksum of each byte (its specification, annex D).
private let checksums: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ value >> 1 : value >> 1 }
}
