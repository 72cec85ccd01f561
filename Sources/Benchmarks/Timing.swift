import DataParallel
import Foundation
import Training

/// How often a benchmark does what it times.
public struct Repetitions: Sendable {
    /// Times that count.
    public var timed: Int
    /// Times before them that do not.
    public var warmUp: Int

    /// `timed` is at least 1.
    public init(timed: Int = 5, warmUp: Int = 1) {
        precondition(timed >= 1 && warmUp >= 0, "Repetitions: \(timed) after \(warmUp)")
        (self.timed, self.warmUp) = (timed, warmUp)
    }
}

/// Wall-clock times of the same work done several times, in seconds; with several ranks each is the slowest rank's.
public struct Timing: Sendable {
    /// In the order in which they were taken.
    public let seconds: [Double]

    /// At least one time.
    package init(_ seconds: [Double]) {
        precondition(!seconds.isEmpty, "Timing: no times")
        self.seconds = seconds
    }

    /// The middle one; of an even number the mean of the two in the middle.
    public var median: Double {
        let sorted = seconds.sorted(), middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
    /// The shortest.
    public var best: Double { seconds.min()! }

    /// The time from the moment at which all ranks start until the last one is done. A collective.
    static func once(_ communicator: Communicator, _ body: () throws -> Void) throws -> Double {
        try communicator.barrier()
        let start = ContinuousClock.now
        try body()
        return try communicator.allReduce((ContinuousClock.now - start) / .seconds(1), .maximum)
    }

    /// Times a short piece of work. What takes less than half a millisecond is done several times for each time that is taken, and the
    /// time divided, so that the clock and the start of the ranks do not count. A collective.
    static func measure(_ repetitions: Repetitions, _ communicator: Communicator, _ body: () -> Void) throws -> Timing {
        // At least one warm-up, since it decides how often.
        var last = 0.0
        for _ in 0..<max(1, repetitions.warmUp) { last = try once(communicator, body) }
        let count = last > 0.5e-3 ? 1 : min(1000, Int(1e-3 / max(last, 1e-7)) + 1)
        return Timing(
            try (0..<repetitions.timed).map { _ in
                try once(communicator) { for _ in 0..<count { body() } } / Double(count)
            })
    }
}

/// A time as text, in the unit that suits it.
func duration(_ seconds: Double) -> String {
    seconds >= 1 ? fixed(seconds, 3) + " s" : seconds >= 1e-3 ? fixed(seconds * 1e3, 2) + " ms" : fixed(seconds * 1e6, 1) + " µs"
}

/// A share as text.
func percentage(_ share: Double) -> String { fixed(share * 100, 1) + " %" }

/// A relative error as text.
func scientific(_ value: Double) -> String { String(format: "%.1e", value) }
