import Foundation
import TensorBoard
import Testing

/// Records of event files, byte by byte: the golden bytes come from TensorFlow's and TensorBoard's own writers.
@Suite struct EventRecordTests {
    func bytes(_ text: String) -> [UInt8] {
        let digits = text.filter { !$0.isWhitespace }
        return stride(from: 0, to: digits.count, by: 2).map { place in
            UInt8(digits.dropFirst(place).prefix(2), radix: 16)!
        }
    }

    @Test func theVersionComesFirst() {
        #expect(
            EventRecord.bytes(.version, wallTime: 1.5e9)
                == bytes("1800000000000000a37f4b22 09000000c00b5ad6411a0d627261696e2e4576656e743a32 4ca9a464"))
    }

    @Test func aNumber() {
        #expect(
            EventRecord.bytes(.scalars([("loss", 0.25)]), step: 7, wallTime: 1.5e9)
                == bytes("1a00000000000000129bd82d 09000000c00b5ad64110072a0d0a0b0a046c6f7373150000803e 84639ba0"))
    }

    /// Field 7 of the event, and in it field 1, START = 1.
    @Test func aStart() {
        let record = EventRecord.bytes(.start, step: 3, wallTime: 1.5e9)
        #expect(record[12..<(record.count - 4)].elementsEqual(bytes("09000000c00b5ad641 1003 3a020801")))
    }
}
