/// CRC-32C (Castagnoli's polynomial, reflected: 0x82F63B78; RFC 3720, appendix B.4), and TensorFlow's masked form of it.
enum CRC32C {
    /// The remainder of each byte.
    static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
    }

    /// The checksum of some bytes.
    static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~table.withUnsafeBufferPointer { table in bytes.reduce(~0) { table[Int(($0 ^ UInt32($1)) & 0xFF)] ^ $0 >> 8 } }
    }

    /// The checksum as records hold it: bytes that contain checksums have checksums of their own that way.
    static func masked(_ bytes: some Sequence<UInt8>) -> UInt32 {
        let crc = checksum(bytes)
        return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
    }
}
