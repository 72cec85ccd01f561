import Foundation
import Imaging

/// A zip archive of stored (not compressed) files, with a fixed date, so that the same content gives the same bytes.
/// https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
struct ZipArchive {
    private var entries: [(name: String, checksum: UInt32, size: Int, offset: Int)] = []
    private var offset = 0
    /// The first of January 1980, as MS-DOS writes dates.
    private static let date: UInt16 = 1 << 5 | 1

    private let write: (UnsafeRawBufferPointer) throws -> Void

    /// An archive that hands its bytes to `write`.
    init(_ write: @escaping (UnsafeRawBufferPointer) throws -> Void) { self.write = write }

    /// Adds a file.
    mutating func add(_ name: String, _ bytes: UnsafeRawBufferPointer) throws {
        // Beyond four gigabytes other fields take over, which not all readers know.
        guard offset + bytes.count < Int(UInt32.max) else {
            throw InterchangeError(.usage, "\(name): a zip archive without extensions has at most 4 GiB; export the weights as safetensors")
        }
        let checksum = CRC32.checksum(bytes)
        entries.append((name, checksum, bytes.count, offset))
        try put([.u32(0x0403_4B50)] + common(checksum, bytes.count, name) + [.text(name)])
        try write(bytes)
        offset += bytes.count
    }

    /// Adds a file.
    mutating func add(_ name: String, _ bytes: some Sequence<UInt8>) throws { try Array(bytes).withUnsafeBytes { try add(name, $0) } }

    /// Writes the directory at the end.
    mutating func finish() throws {
        let start = offset
        for entry in entries {
            try put(
                [.u32(0x0201_4B50), .u16(20)] + common(entry.checksum, entry.size, entry.name)
                    + [.u16(0), .u16(0), .u16(0), .u32(0), .u32(UInt32(entry.offset)), .text(entry.name)])
        }
        let count = UInt16(entries.count), size = UInt32(offset - start)
        try put([.u32(0x0605_4B50), .u16(0), .u16(0), .u16(count), .u16(count), .u32(size), .u32(UInt32(start)), .u16(0)])
    }

    private enum Field {
        case u16(UInt16)
        case u32(UInt32)
        case text(String)
    }

    /// What the two headers of a file have in common: version, flags (names in UTF-8), stored, date, checksum, sizes, lengths.
    private func common(_ checksum: UInt32, _ size: Int, _ name: String) -> [Field] {
        [
            .u16(20), .u16(1 << 11), .u16(0), .u16(0), .u16(Self.date), .u32(checksum), .u32(UInt32(size)), .u32(UInt32(size)),
            .u16(UInt16(name.utf8.count)), .u16(0),
        ]
    }

    private mutating func put(_ fields: [Field]) throws {
        var bytes: [UInt8] = []
        for field in fields {
            switch field {
            case .u16(let number): withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
            case .u32(let number): withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
            case .text(let text): bytes += text.utf8
            }
        }
        try bytes.withUnsafeBytes(write)
        offset += bytes.count
    }
}

/// The checksum of zip archives: the polynomial 0xEDB88320, reflected.
enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }

    /// The checksum of some bytes.
    static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        table.withUnsafeBufferPointer { table in
            var value = ~UInt32(0)
            for byte in bytes { value = table[Int(truncatingIfNeeded: (value ^ UInt32(byte)) & 0xFF)] ^ value >> 8 }
            return ~value
        }
    }
}
