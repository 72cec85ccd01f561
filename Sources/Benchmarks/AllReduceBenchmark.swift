import DataParallel
import Foundation
import Training

/// Times the sum of gradients over the ranks: `GradientReducer`, whose bits do not depend on the number of ranks, beside MPI's own
/// allreduce, in turns on the same buffers.
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
        for bytes in sizes { results.append(try measure(bytes / 4, repetitions, communicator)) }
        return Report(ranks: communicator.count, hosts: hosts, results: results)
    }

    private static func measure(_ count: Int, _ repetitions: Repetitions, _ communicator: Communicator) throws -> Result {
        let reducer = try GradientReducer(communicator: communicator, batch: communicator.count, count: count)
        let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
        defer { memory.deallocate() }
        func reproducible() throws { try reducer.reduce(memory.baseAddress!, stride: count, range: 0..<count) }
        func theirs() throws { try communicator.allReduce(memory, .sum) }

        for (name, sum) in [("the reproducible reduction", reproducible), ("MPI_Allreduce", theirs)] {
            for i in 0..<count { memory[i] = value(i, rank: communicator.rank) }
            try sum()
            try communicator.agree("checking \(name)") { try check(memory, name, ranks: communicator.count) }
        }

        // Sums of zeros are zeros, however often. Short messages are sent several times for each time that is taken, as the ranks do not
        // start at the same microsecond.
        memory.update(repeating: 0)
        let rounds = max(1, min(100, (1 << 18) / count))
        var ours: [Double] = [], mpi: [Double] = []
        for repetition in -repetitions.warmUp..<repetitions.timed {
            let a = try Timing.once(communicator) { for _ in 0..<rounds { try reproducible() } } / Double(rounds)
            let b = try Timing.once(communicator) { for _ in 0..<rounds { try theirs() } } / Double(rounds)
            if repetition >= 0 {
                ours.append(a)
                mpi.append(b)
            }
        }
        return Result(bytes: 4 * count, reproducible: Timing(ours), mpi: Timing(mpi))
    }

    /// Small whole numbers, so that every order of the additions is exact.
    package static func value(_ index: Int, rank: Int) -> Float { Float((index &* 7 &+ rank &* 13) % 31) }

    /// Throws `BenchmarkError` (`wrong`) that names the first element that is not the sum over the ranks.
    package static func check(_ sums: UnsafeMutableBufferPointer<Float>, _ name: String, ranks: Int) throws {
        for index in sums.indices {
            var expected: Float = 0
            for rank in 0..<ranks { expected += value(index, rank: rank) }
            if sums[index] != expected {
                throw BenchmarkError(
                    .wrong,
                    "verification failed, so this is not timed: \(name) of \(sums.count * 4) bytes: element \(index) is \(sums[index]), not \(expected)"
                )
            }
        }
    }

    struct Result {
        let bytes: Int
        let reproducible: Timing
        let mpi: Timing
    }

    /// The figures of all sizes.
    public struct Report: BenchmarkReport {
        let ranks: Int
        let hosts: Int
        let results: [Result]

        /// What a link of each rank would have to carry if every rank sent and received as little as an allreduce can.
        private func busBandwidth(_ bytes: Int, _ timing: Timing) -> Double {
            2 * Double(ranks - 1) / Double(ranks) * Double(bytes) / timing.median / 1e9
        }

        /// A table.
        public var text: String {
            var table = TextTable("size", "reproducible", "bus GB/s", "MPI_Allreduce", "bus GB/s", "ratio")
            for one in results {
                table.append([
                    size(one.bytes), duration(one.reproducible.median), fixed(busBandwidth(one.bytes, one.reproducible), 2),
                    duration(one.mpi.median), fixed(busBandwidth(one.bytes, one.mpi), 2),
                    fixed(one.mpi.median / one.reproducible.median, 2),
                ])
            }
            return
                "\(ranks) ranks on \(hosts) host\(hosts == 1 ? "" : "s"), medians; ratio: how much faster the reproducible one is\n\n\(table)"
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
                        results.map {
                            .object([
                                ("bytes", .integer($0.bytes)), ("reproducible", object($0.bytes, $0.reproducible)),
                                ("mpi", object($0.bytes, $0.mpi)),
                            ])
                        })
                ),
            ])
        }
    }
}
