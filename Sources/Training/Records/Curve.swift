/// A curve of any length in bounded memory: of steps that lie close together the least and the greatest value are kept, and their mean.
///
/// How many steps lie together is a power of two that grows with the curve; it depends on the steps alone, not on when they were added.
package struct Curve {
    /// Groups of steps, at most.
    package static let limit = 1000

    /// Steps that lie together.
    private struct Group {
        var first: (step: Int, value: Double), least: (step: Int, value: Double), greatest: (step: Int, value: Double)
        var last: (step: Int, value: Double)
        var sum: Double
        var count: Int

        init(_ step: Int, _ value: Double) {
            (first, least, greatest, last) = ((step, value), (step, value), (step, value), (step, value))
            (sum, count) = (value, 1)
        }

        mutating func merge(_ later: Group) {
            if later.least.value < least.value { least = later.least }
            if later.greatest.value > greatest.value { greatest = later.greatest }
            last = later.last
            sum += later.sum
            count += later.count
        }
    }

    private var groups: [Group] = []
    /// Steps of a group.
    private var width = 1

    /// No points.
    package init() {}

    /// Adds a point; steps do not fall. What is infinite or not a number is left out.
    package mutating func add(step: Int, value: Double) {
        guard value.isFinite else { return }
        while step / width >= Self.limit { halve() }
        let group = Group(step, value)
        if let last = groups.last, last.first.step / width == step / width {
            groups[groups.count - 1].merge(group)
        } else {
            groups.append(group)
        }
    }

    private mutating func halve() {
        width *= 2
        var merged: [Group] = []
        for group in groups {
            if let last = merged.last, last.first.step / width == group.first.step / width {
                merged[merged.count - 1].merge(group)
            } else {
                merged.append(group)
            }
        }
        groups = merged
    }

    /// Whether it has no points.
    package var isEmpty: Bool { groups.isEmpty }
    /// The point that was added last.
    package var last: (step: Int, value: Double)? { groups.last?.last }
    /// The point with the least value, the first of several.
    package var least: (step: Int, value: Double)? { first(of: groups.map(\.least), by: <) }
    /// The point with the greatest value, the first of several.
    package var greatest: (step: Int, value: Double)? { first(of: groups.map(\.greatest), by: >) }

    private func first(of points: [(step: Int, value: Double)], by isBetter: (Double, Double) -> Bool) -> (step: Int, value: Double)? {
        points.first.map { first in points.dropFirst().reduce(first) { isBetter($1.value, $0.value) ? $1 : $0 } }
    }

    /// The least and the greatest point of each group in the order of their steps: at most twice `limit`.
    package var points: [(step: Int, value: Double)] {
        groups.flatMap { group in
            if group.least.step == group.greatest.step { return [group.least] }
            return group.least.step < group.greatest.step ? [group.least, group.greatest] : [group.greatest, group.least]
        }
    }

    /// Means of up to `count` stretches of equally many groups, each at the middle of its steps.
    package func means(_ count: Int) -> [(step: Double, value: Double)] {
        let parts = min(count, groups.count)
        return (0..<parts).map { part in
            let stretch = groups[groups.count * part / parts..<groups.count * (part + 1) / parts]
            let values = stretch.map(\.count).reduce(0, +)
            return (
                Double(stretch.first!.first.step + stretch.last!.last.step) / 2, stretch.map(\.sum).reduce(0, +) / Double(values)
            )
        }
    }
}
