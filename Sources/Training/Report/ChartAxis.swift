import Foundation

/// An axis of a chart: what it covers, and where its marks are.
package struct ChartAxis: Equatable {
    /// A place with its label.
    package struct Tick: Equatable {
        package var value: Double
        package var label: String
    }

    /// What is covered, from end to end.
    package let range: ClosedRange<Double>
    /// The marks, rising.
    package let ticks: [Tick]
    /// Whether equal distances are equal ratios.
    package let isLogarithmic: Bool

    /// An axis with marks at 1, 2 or 5 times a power of ten.
    /// - Parameters:
    ///   - values: What is to be covered.
    ///   - count: How many marks there are, about.
    ///   - isTight: Whether the axis ends where the values do, not at a mark.
    package init(covering values: ClosedRange<Double>, count: Int = 5, isTight: Bool = false) {
        var (lower, upper) = (Self.tamed(values.lowerBound), Self.tamed(values.upperBound))
        if upper - lower <= abs(upper) * 1e-9 {
            let margin = upper == 0 ? 1 : abs(upper) * 0.1
            (lower, upper) = (lower - margin, upper + margin)
        }
        let step = Self.niceStep((upper - lower) / Double(count))
        if !isTight { (lower, upper) = ((lower / step + 1e-9).rounded(.down) * step, (upper / step - 1e-9).rounded(.up) * step) }
        let first = Int((lower / step - 1e-9).rounded(.up)), last = Int((upper / step + 1e-9).rounded(.down))
        range = lower...upper
        ticks = (first <= last ? Array(first...last) : []).map {
            Tick(value: Double($0) * step, label: Self.label(Double($0) * step, step: step))
        }
        isLogarithmic = false
    }

    /// A logarithmic axis; the values are above zero.
    package init(logarithmic values: ClosedRange<Double>) {
        precondition(values.lowerBound > 0, "ChartAxis: a logarithm of \(values.lowerBound)")
        let values = max(Self.tamed(values.lowerBound), Self.least)...max(Self.tamed(values.upperBound), Self.least)
        let lower = log10(values.lowerBound), upper = log10(values.upperBound)
        let decades = Int(lower.rounded(.down))...max(Int(lower.rounded(.down)) + 1, Int(upper.rounded(.up)))
        // Few decades have marks in between as well, many only every few.
        let factors: [Double] = decades.count <= 4 ? [1, 2, 5] : [1], every = max(1, (decades.count + 5) / 6)
        let all = decades.filter { ($0 - decades.lowerBound) % every == 0 }.flatMap { decade in factors.map { $0 * pow(10, Double(decade)) }
        }
        let first = all.last { $0 <= values.lowerBound * (1 + 1e-9) } ?? all[0]
        let last = all.first { $0 >= values.upperBound * (1 - 1e-9) && $0 > first } ?? pow(10, Double(decades.upperBound))
        range = first...last
        ticks = all.filter { (first * (1 - 1e-9)...last * (1 + 1e-9)).contains($0) }.map {
            Tick(value: $0, label: (1e-3...9999).contains($0) ? Self.label($0, step: min($0, 1)) : Self.power($0, step: $0))
        }
        isLogarithmic = true
    }

    /// Where a value is: 0 at one end … 1 at the other. What lies outside is put at the end.
    package func fraction(_ value: Double) -> Double {
        let (lower, upper) = (range.lowerBound, range.upperBound)
        let share =
            isLogarithmic ? (log10(max(value, lower)) - log10(lower)) / (log10(upper) - log10(lower)) : (value - lower) / (upper - lower)
        return min(max(share, 0), 1)
    }

    /// Numbers nearer to zero than this, or farther from it than its inverse, leave no room for steps between them and the ends of what a
    /// Double holds.
    private static let least = 1e-280

    /// Zero for what is next to nothing, and what is beyond all bounds brought back to them.
    private static func tamed(_ value: Double) -> Double {
        abs(value) < least ? 0 : min(max(value, -1 / least), 1 / least)
    }

    private static func niceStep(_ rough: Double) -> Double {
        let power = pow(10, log10(rough).rounded(.down)), ratio = rough / power
        return (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10) * power
    }

    /// A number with as many digits as tell it from its neighbours: `0.25`, `1500`, `20k`, `1.5M`, `2e-5`.
    static func label(_ value: Double, step: Double) -> String {
        if value == 0 || abs(value) < step * 1e-6 { return "0" }
        if abs(value) >= 1e15 { return power(value, step: step) }
        for (unit, suffix) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] where abs(value) >= unit && (unit > 1e3 || abs(value) >= 1e4) {
            return digits(value / unit, step / unit) + suffix
        }
        if step < 0.99e-4 { return power(value, step: step) }
        return digits(value, step)
    }

    private static func digits(_ value: Double, _ step: Double) -> String {
        fixed(value, max(0, min(6, Int((-log10(step) - 1e-9).rounded(.up)))))
    }

    /// `2e-5`, `1.25e-7`
    private static func power(_ value: Double, step: Double) -> String {
        let exponent = Int((log10(abs(value)) + 1e-9).rounded(.down)), unit = pow(10, Double(exponent))
        return "\(digits(value / unit, step / unit))e\(exponent)"
    }
}
