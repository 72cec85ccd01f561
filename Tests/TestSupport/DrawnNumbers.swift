/// Whole numbers for shapes that a test draws at random; all follow from the seed.
public struct DrawnNumbers {
    private var numbers: ArraySlice<Float>

    /// Up to 24 numbers can be drawn.
    public init(seed: UInt64) { numbers = testNumbers(24, seed: seed &* 31 + 7)[...] }

    /// One of `range`.
    public mutating func draw(_ range: ClosedRange<Int>) -> Int {
        let share = (Double(numbers.removeFirst()) + 1) / 2
        return range.lowerBound + min(range.count - 1, Int(share * Double(range.count)))
    }
}
