import Imaging
import Testing

@Suite struct SHA256Tests {
    func hash(_ bytes: [UInt8], pieces: Int = .max) -> String {
        var hash = SHA256()
        bytes.withUnsafeBytes { all in
            for start in stride(from: 0, to: all.count, by: min(pieces, max(1, all.count))) {
                hash.update(UnsafeRawBufferPointer(rebasing: all[start..<min(all.count, start + min(pieces, all.count))]))
            }
        }
        return hash.finalize()
    }

    /// The examples that NIST publishes with FIPS 180.
    @Test func vectorsOfTheStandard() {
        #expect(hash([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(hash(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            hash(Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8))
                == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
        #expect(
            hash(
                Array(
                    "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu".utf8)
            )
                == "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1")
        #expect(hash([UInt8](repeating: 0x61, count: 1_000_000)) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test func piecesMakeNoDifference() {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        for length in [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000] {
            let whole = hash(Array(bytes[..<length]))
            for pieces in [1, 7, 63, 64, 65, 200] { #expect(hash(Array(bytes[..<length]), pieces: pieces) == whole) }
        }
    }
}
