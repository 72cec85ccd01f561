import DataParallel
import Foundation
import Training

/// Times the sum of gradients over the ranks: the three ways of `ReductionMethod`, and `MPI_Allreduce`, which waits, beside them, in turns on
/// the same buffers.
public enum AllReduceBenchmark {
    /// 1 KiB to 128 MiB.
    public static let standardSizes = (0..<6).map { 1 << (10 + 3 * $0) } + [128 << 20]

    /// The sizes in bytes that a text such as `1KiB,64KiB,128MiB` names; a number without a unit is bytes.
    ///
    /// Throws `BenchmarkError` (`usage`) that names the first that cannot be read.
    public static func sizes(_ text: String) throws -> [Int] {
        try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
            let digits = part.prefix { $0.isNumber }, unit = part.dropFirst(digits.count)
            let scale = ["": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30][unit]
            guard let number = Int(digits), let scale, number > 0, number <= (1 << 34) / scale, number * scale % 4 == 0 else {
                throw BenchmarkError(
                    .usage,
                    "--sizes \(part): expected bytes, a multiple of 4 up to 16GiB, with the unit KiB, MiB or GiB or none, as in 64KiB")
            }
            return number * scale
        }
    }

    /// Checks the sums of each size, then times them. A collective.
    ///
    /// Throws `BenchmarkError`: `usage` when there is one rank alone, `wrong` when a sum is wrong.
    public static func run(sizes: [Int], repetitions: Repetitions = Repetitions(), communicator: Communicator) throws -> Report {
        guard communicator.count > 1 else {
            throw BenchmarkError(
                .usage, "bench allreduce measures messages between ranks, and there is one rank: mpirun -np 2 unet-mpi bench allreduce")
        }
        let hosts = Set(try communicator.allGather(communicator.hostName)).count
        var results: [Result] = []
        let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: sizes.max()! / 4)
        defer { memory.deallocate() }
        let reducers = try ReductionMethod.allCases.map {
            try GradientReducer(communicator: communicator, batch: communicator.count, count: memory.count, method: $0)
        }
        for bytes in sizes {
            results.append(try measure(UnsafeMutableBufferPointer(rebasing: memory[..<(bytes / 4)]), reducers, repetitions, communicator))
        }
        return Report(ranks: communicator.count, hosts: hosts, results: results)
    }

    private static func measure(
        _ memory: UnsafeMutableBufferPointer<Float>, _ reducers: [GradientReducer], _ repetitions: Repetitions, _ communicator: Communicator
    ) throws -> Result {
        let count = memory.count
        func reduce(_ reducer: GradientReducer) throws {
            try reducer.reduce(memory.baseAddress!, stride: reducer.count, range: 0..<count)
        }
        for (method, reducer) in zip(ReductionMethod.allCases, reducers) {
            for i in 0..<count { memory[i] = value(i, rank: communicator.rank) }
            try reduce(reducer)
            try communicator.agree("checking the reduction \(method.rawValue)") { try check(memory, method, ranks: communicator.count) }
            try checkReplicas(memory, method, communicator)
        }

        // Sums of zeros are zeros, however often. Short messages are sent several times for each time that is taken, as the ranks do not
        // start at the same microsecond.
        memory.update(repeating: 0)
        let rounds = max(1, min(100, (1 << 18) / count))
        var times = [[Double]](repeating: [], count: reducers.count), mpi: [Double] = []
        for repetition in -repetitions.warmUp..<repetitions.timed {
            let own = try reducers.map { reducer in
                try Timing.once(communicator) { for _ in 0..<rounds { try reduce(reducer) } }
            }
            let theirs = try Timing.once(communicator) { for _ in 0..<rounds { try communicator.blockingAllReduce(memory, .sum) } }
            if repetition < 0 { continue }
            for (index, time) in own.enumerated() { times[index].append(time / Double(rounds)) }
            mpi.append(theirs / Double(rounds))
        }
        return Result(bytes: 4 * count, methods: times.map { Timing($0) }, mpi: Timing(mpi))
    }

    /// Numbers in [-1, 1) without a pattern, of many magnitudes, so that sums depend on the order.
    package static func value(_ index: Int, rank: Int) -> Float {
        var x = UInt64(truncatingIfNeeded: index) &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(truncatingIfNeeded: rank + 1) &* 0xD6E8_FEB8_6659_FD93
        x = (x ^ x >> 32) &* 0xBF58_476D_1CE4_E5B9
        x ^= x >> 29
        return Float(Int32(truncatingIfNeeded: x >> 32) >> 8) * Float(bitPattern: UInt32(89 + x & 15) << 23)
    }

    /// Throws `BenchmarkError` (`wrong`) that names the first element that is wrong: with `reproducible` every bit must be that of the sum
    /// along the tree, with the others the error is bounded (`ReductionMethod.errorBound`).
    package static func check(_ sums: UnsafeMutableBufferPointer<Float>, _ method: ReductionMethod, ranks: Int) throws {
        let bound = method.errorBound(ranks: ranks)
        for index in sums.indices {
            let expected: Float, allowed: Double
            if method == .reproducible {
                (expected, allowed) = (treeSum(0..<ranks, index), 0)
            } else {
                var exact = 0.0, magnitude = 0.0
                for rank in 0..<ranks {
                    let value = Double(value(index, rank: rank))
                    exact += value
                    magnitude += abs(value)
                }
                (expected, allowed) = (Float(exact), bound * magnitude + abs(exact) * 0x1p-24)
            }
            if !(abs(Double(sums[index]) - Double(expected)) <= allowed) {
                throw BenchmarkError(
                    .wrong,
                    "verification failed, so this is not timed: the reduction \(method.rawValue) of \(sums.count * 4) bytes: element \(index) is "
                        + "\(sums[index]), not \(expected)\(allowed > 0 ? " ± \(scientific(allowed))" : "")"
                )
            }
        }
    }

    private static func treeSum(_ ranks: Range<Int>, _ index: Int) -> Float {
        if ranks.count == 1 { return value(index, rank: ranks.lowerBound) }
        let middle = BatchTree.split(ranks)
        return treeSum(ranks.lowerBound..<middle, index) + treeSum(middle..<ranks.upperBound, index)
    }

    /// Throws on all ranks unless they hold the same bits.
    private static func checkReplicas(
        _ sums: UnsafeMutableBufferPointer<Float>, _ method: ReductionMethod, _ communicator: Communicator
    ) throws {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for sum in sums { hash = (hash ^ UInt64(sum.bitPattern)) &* 0x100_0000_01B3 }
        let hashes = try communicator.allGather(hash)
        guard Set(hashes).count > 1 else { return }
        try communicator.agree("comparing the ranks") {
            throw BenchmarkError(
                .wrong, "verification failed: the reduction \(method.rawValue) of \(sums.count * 4) bytes gives the ranks different bits")
        }
    }

    struct Result {
        let bytes: Int
        /// In the order of `ReductionMethod.allCases`.
        let methods: [Timing]
        let mpi: Timing
    }

    /// The figures of all sizes.
    public struct Report: BenchmarkReport {
        let ranks: Int
        let hosts: Int
        let results: [Result]

        /// What a link of each rank would have to carry if every rank sent and received as little as an allreduce of single-precision
        /// numbers can.
        private func busBandwidth(_ bytes: Int, _ timing: Timing) -> Double {
            2 * Double(ranks - 1) / Double(ranks) * Double(bytes) / timing.median / 1e9
        }

        /// A table.
        public var text: String {
            var table = TextTable(
                "size", "reproducible", "bus GB/s", "fast", "bus GB/s", "fast-bf16", "bus GB/s", "MPI_Allreduce", "bus GB/s", "ratio")
            for one in results {
                let cells = (one.methods + [one.mpi]).flatMap { [duration($0.median), fixed(busBandwidth(one.bytes, $0), 2)] }
                table.append([size(one.bytes)] + cells + [fixed(one.mpi.median / one.methods[0].median, 2)])
            }
            let bound = scientific(ReductionMethod.fastBF16.errorBound(ranks: ranks))
            let heading = [
                "\(ranks) ranks on \(hosts) host\(hosts == 1 ? "" : "s"), medians; ratio: how much faster than MPI_Allreduce the reproducible one is",
                "verified: reproducible to the bit, fast to its rounding, fast-bf16 to \(bound) of the sum of the magnitudes",
            ]
            return heading.joined(separator: "\n") + "\n\n\(table)"
        }

        private func size(_ bytes: Int) -> String {
            for (unit, scale) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] where bytes % scale == 0 {
                return "\(bytes / scale) \(unit)"
            }
            return "\(bytes) B"
        }

        /// One object.
        public var json: JSONValue {
            func object(_ bytes: Int, _ timing: Timing) -> JSONValue {
                .object([("median_s", .number(timing.median)), ("bus_gb_s", .number(busBandwidth(bytes, timing)))])
            }
            return .object([
                ("ranks", .integer(ranks)), ("hosts", .integer(hosts)),
                (
                    "results",
                    .array(
                        results.map { one in
                            let methods = zip(["reproducible", "fast", "fast_bf16"], one.methods).map { ($0, object(one.bytes, $1)) }
                            return .object([("bytes", .integer(one.bytes))] + methods + [("mpi", object(one.bytes, one.mpi))])
                        })
                ),
            ])
        }
    }
}
