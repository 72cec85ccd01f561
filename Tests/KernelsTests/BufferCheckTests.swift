import Kernels
import TestSupport
import Testing

@Suite struct BufferCheckTests {
    /// Counts below, at and beyond the piece of 65536 floats that one task takes.
    static let counts = [64, 65536, 2 * 65536 + 48]

    func checksum(_ values: [Float], _ device: Device = Device()) -> UInt64 {
        let memory = TestMemory(values)
        return withExtendedLifetime(memory) { BufferCheck(count: values.count).checksum(on: device, memory.pointer) }
    }

    func norm(_ values: [Float], _ device: Device = Device()) -> Double {
        let memory = TestMemory(values)
        return withExtendedLifetime(memory) { BufferCheck(count: values.count).norm(on: device, memory.pointer) }
    }

    func isFinite(_ values: [Float], _ device: Device = Device()) -> Bool { norm(values, device).isFinite }

    /// Every bit of every float counts, and so does its place.
    @Test func checksums() {
        let values = testNumbers(64), sum = checksum(values)
        for index in values.indices {
            for bit in 0..<UInt32(32) {
                var changed = values
                changed[index] = Float(bitPattern: values[index].bitPattern ^ 1 << bit)
                #expect(checksum(changed) != sum)
            }
        }
        for (a, b) in [(0, 1), (0, 16), (3, 60)] {
            var swapped = values
            swapped.swapAt(a, b)
            #expect(checksum(swapped) != sum)
        }
        var negative = values
        (negative[5], negative[6]) = (0, 0)
        let zero = checksum(negative)
        negative[5] = -0.0
        #expect(checksum(negative) != zero)
    }

    /// Pieces that change places are noticed too.
    @Test func piecesHaveTheirPlace() {
        let a = testNumbers(65536, seed: 1), b = testNumbers(65536, seed: 2)
        #expect(checksum(a + b) != checksum(b + a))
    }

    @Test(arguments: counts) func checksumsAreTheSameEverywhere(_ count: Int) {
        let values = testNumbers(count), expected = checksum(values, KernelVariant.baseline.device())
        for variant in KernelVariant.available {
            for threads in 1...3 {
                #expect(checksum(values, variant.device(threads: threads)) == expected, "\(variant), \(threads) threads")
            }
        }
    }

    /// Exact but for the roundings of a sum in double precision, whatever the size of the numbers; the same bits everywhere.
    @Test(arguments: counts) func norms(_ count: Int) {
        let values = testNumbers(count).enumerated().map { i, v in v * [1, 1e-20, 1e20][i % 3] }
        let expected = norm(values, KernelVariant.baseline.device())
        let square = values.reduce(0) { $0 + Double($1) * Double($1) }
        #expect(abs(expected * expected - square) <= square * 1e-12)
        for variant in KernelVariant.available {
            for threads in 1...3 { #expect(norm(values, variant.device(threads: threads)) == expected, "\(variant), \(threads) threads") }
        }
        #expect(norm([]) == 0)
    }

    @Test(arguments: KernelVariant.available) func finiteness(_ variant: KernelVariant) {
        let device = variant.device(threads: 2)
        for count in Self.counts {
            let values = testNumbers(count)
            #expect(isFinite(values, device))
            for index in Array(0..<32) + [count / 2, count - 17, count - 1] {
                func changed(_ value: Float) -> [Float] {
                    var values = values
                    values[index] = value
                    return values
                }
                for bad in [Float.nan, -.nan, .infinity, -.infinity, .signalingNaN] { #expect(!isFinite(changed(bad), device)) }
                for good in [Float.greatestFiniteMagnitude, .leastNonzeroMagnitude] { #expect(isFinite(changed(good), device)) }
            }
        }
        #expect(isFinite([], device))
    }
}
