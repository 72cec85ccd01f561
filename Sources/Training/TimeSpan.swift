import Foundation

/// A length of time as people write it: `90s`, `45m`, `8h`, `1d12h`, or as batch systems do: `8:00:00`, `1-12:00:00`.
public struct TimeSpan: Codable, Equatable, Sendable, CustomStringConvertible {
    /// The length.
    public var seconds: Double

    /// A length in seconds.
    public init(seconds: Double) { self.seconds = seconds }

    /// The length that `text` names; `nil` when it names none. A bare number is none: it could be seconds, minutes (Slurm) or hours.
    public init?(_ text: String) {
        guard let seconds = Self.withUnits(text) ?? Self.withColons(text), seconds.isFinite else { return nil }
        self.seconds = seconds
    }

    private static func withUnits(_ text: String) -> Double? {
        var rest = Substring(text), sum = 0.0, last = Double.infinity
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            guard let number = Double(digits), let unit = rest.dropFirst(digits.count).first,
                let length = ["d": 86_400.0, "h": 3_600, "m": 60, "s": 1][unit], length < last
            else { return nil }
            sum += number * length
            last = length
            rest = rest.dropFirst(digits.count + 1)
        }
        return last.isFinite ? sum : nil
    }

    /// `[days-]hours:minutes:seconds`
    private static func withColons(_ text: String) -> Double? {
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        func whole(_ text: Substring) -> Double? { text.allSatisfy { $0.isASCII && $0.isNumber } ? Double(text) : nil }
        let clock = parts[parts.count - 1].split(separator: ":", omittingEmptySubsequences: false).map(whole)
        guard clock.count == 3, let hours = clock[0], let minutes = clock[1], let seconds = clock[2], minutes < 60, seconds < 60 else {
            return nil
        }
        guard parts.count == 2 else { return hours * 3_600 + minutes * 60 + seconds }
        guard let days = whole(parts[0]) else { return nil }
        return days * 86_400 + hours * 3_600 + minutes * 60 + seconds
    }

    /// `1d12h`, `90s` as `1m30s`, `2.5s`; reads back as the same length.
    public var description: String {
        var rest = seconds, text = ""
        for (unit, length) in [("d", 86_400.0), ("h", 3_600), ("m", 60)] where rest >= length {
            text += "\(Int(rest / length))\(unit)"
            rest = rest.truncatingRemainder(dividingBy: length)
        }
        if rest > 0 || text.isEmpty { text += rest == rest.rounded() ? "\(Int(rest))s" : "\(rest)s" }
        return text
    }
}
