import Benchmarks
import DataParallel
import Foundation
import Testing
import Training

/// What the benchmarks have in common.
@Suite struct MeasurementTests {
    @Test func medians() {
        #expect(Timing([3, 1, 2]).median == 2)
        #expect(Timing([4, 1, 2, 9]).median == 3)
        #expect(Timing([4, 1, 2, 9]).best == 1)
    }

    @Test func json() throws {
        let value = JSONValue.object([
            ("b", .array([.integer(1), .number(0.25), .number(.infinity), .number(.nan), .null])), ("a", .text("3x3 \"µ\"/\n")),
        ])
        #expect("\(value)" == "{\"b\": [1, 0.25, null, null, null], \"a\": \"3x3 \\\"µ\\\"/\\n\"}")
        _ = try JSONSerialization.jsonObject(with: Data("\(value)".utf8))
    }

    @Test func sizes() throws {
        #expect(try AllReduceBenchmark.sizes("4,1KiB,3MiB,1GiB,12B") == [4, 1024, 3 << 20, 1 << 30, 12])
        #expect(AllReduceBenchmark.standardSizes.first == 1024 && AllReduceBenchmark.standardSizes.last == 128 << 20)
        for text in ["", "0", "3", "1KB", "KiB", "-4", "17GiB", "1KiB,", "99999999999999999999"] {
            let error = #expect(throws: BenchmarkError.self) { _ = try AllReduceBenchmark.sizes(text) }
            #expect(error?.exitStatus == 64, "\(text)")
        }
    }

    /// What is wrong in the last bit is wrong where the bits are promised; elsewhere the error that is allowed is that of the method.
    @Test func wrongSums() throws {
        let sums = UnsafeMutableBufferPointer<Float>.allocate(capacity: 40)
        defer { sums.deallocate() }
        func values(_ ranks: Int) -> [[Float]] { (0..<40).map { i in (0..<ranks).map { AllReduceBenchmark.value(i, rank: $0) } } }
        func refusal(_ method: ReductionMethod, _ ranks: Int) -> BenchmarkError? {
            do {
                try AllReduceBenchmark.check(sums, method, ranks: ranks)
                return nil
            } catch { return error as? BenchmarkError }
        }
        for (i, value) in values(3).enumerated() { sums[i] = (value[0] + value[1]) + value[2] }
        for method in ReductionMethod.allCases { #expect(refusal(method, 3) == nil) }
        for (i, value) in values(3).enumerated() { sums[i] = value[0] + (value[1] + value[2]) }
        #expect(refusal(.reproducible, 3) != nil && refusal(.fast, 3) == nil && refusal(.fastBF16, 3) == nil)
        let magnitudes = values(3).map { $0.map(abs).reduce(0, +) }
        for i in 0..<40 { sums[i] += magnitudes[i] / 256 }
        #expect(refusal(.fast, 3) != nil && refusal(.fastBF16, 3) == nil)
        sums[39] += magnitudes[39] / 64
        let error = refusal(.fastBF16, 3)
        #expect(
            error?.exitStatus == 70 && error?.description.contains("fast-bf16 of 160 bytes: element 39 is") == true, "\(error as Any)")
        sums[39] = .nan
        #expect(refusal(.fastBF16, 3) != nil)
    }

    /// The peak follows what is used, and begins anew. Other tests use memory at the same time, but not so much.
    @Test func memory() {
        let mebibytes = 256, count = mebibytes << 20
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 4096)
        memory.initializeMemory(as: UInt8.self, repeating: 1, count: count)
        let full = ProcessMemory.peak
        #expect(full >= Double(mebibytes) && ProcessMemory.resident > 1)
        memory.deallocate()
        // Linux counts in batches.
        #expect(ProcessMemory.peak > full - 4)
        if ProcessMemory.resetPeak() { #expect(ProcessMemory.peak < full - Double(mebibytes) / 2) }
    }
}
