import TestSupport
import Testing
import Training

@Suite struct BitPatternTests {
    func changed(_ index: Int, _ value: Float) -> [Float] {
        var values = testNumbers(64)
        values[index] = value
        return values
    }

    func checksum(_ values: [Float]) -> UInt64 {
        var values = values
        return values.withUnsafeMutableBufferPointer { Training.checksum($0) }
    }

    func isFinite(_ values: [Float]) -> Bool {
        var values = values
        return values.withUnsafeMutableBufferPointer { Training.isFinite($0) }
    }

    /// Every bit of every float counts, and so does its place.
    @Test func checksums() {
        let values = testNumbers(64), sum = checksum(values)
        for index in values.indices {
            for bit in 0..<UInt32(32) { #expect(checksum(changed(index, Float(bitPattern: values[index].bitPattern ^ 1 << bit))) != sum) }
        }
        for (a, b) in [(0, 1), (0, 16), (3, 60)] {
            var swapped = values
            swapped.swapAt(a, b)
            #expect(checksum(swapped) != sum)
        }
        #expect(checksum(changed(5, 0)) != checksum(changed(5, -0.0)))
    }

    @Test func finiteness() {
        #expect(isFinite(testNumbers(64)) && isFinite([]))
        for index in 0..<64 {
            for bad in [Float.nan, .infinity, -.infinity, .signalingNaN] { #expect(!isFinite(changed(index, bad))) }
            #expect(isFinite(changed(index, .greatestFiniteMagnitude)) && isFinite(changed(index, .leastNonzeroMagnitude)))
        }
    }
}
