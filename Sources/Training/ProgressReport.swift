import Foundation

/// How a long job is getting on, from rank 0: one line that is rewritten on a terminal, otherwise plain lines, the first and the last
/// and every ten seconds in between.
package struct ProgressReport {
    private let unit: String
    private let total: Int
    private let start: ContinuousClock.Instant
    private let first: Int
    private var lastLine: ContinuousClock.Instant?
    private let console: Console?

    /// A report on the way from `first` to `total`; a silent one shows nothing.
    package init(_ unit: String, from first: Int, to total: Int, isSilent: Bool) {
        (self.unit, self.first, self.total) = (unit, first, total)
        start = .now
        console = isSilent ? nil : .standardError
    }

    /// Says that `done` of the total are done, with whatever else there is to tell.
    package mutating func update(_ done: Int, _ details: String) {
        guard let console else { return }
        let now = ContinuousClock.now, elapsed = (now - start) / .seconds(1)
        let remaining = done > first ? elapsed / Double(done - first) * Double(total - done) : 0
        let line =
            "\(unit) \(done)/\(total)  \(details)"
            + (done < total ? "  ETA \(Self.duration(remaining))" : "  took \(Self.duration(elapsed))")
        if console.isTerminal {
            if done == total { console.write(line) } else { console.rewrite(line) }
        } else if lastLine.map({ now - $0 >= .seconds(10) }) ?? true || done == total {
            console.write(line)
            lastLine = now
        }
    }

    /// `0:07`, `12:34`, `3:04:05`
    static func duration(_ seconds: Double) -> String {
        let total = Int(seconds.rounded()), (minutes, second) = total.quotientAndRemainder(dividingBy: 60)
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return minutes < 60 ? "\(minutes):\(two(second))" : "\(minutes / 60):\(two(minutes % 60)):\(two(second))"
    }
}

/// A number with a fixed number of digits after the point.
package func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
