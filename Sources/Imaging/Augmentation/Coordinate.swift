/// A point in an image in pixels: (0, 0) is the centre of the first pixel, `row` grows downwards.
public struct Coordinate: Equatable, Sendable {
    /// Vertical place, 0 … height − 1 inside the image.
    public var row: Double
    /// Horizontal place, 0 … width − 1 inside the image.
    public var column: Double

    /// The point (`row`, `column`).
    public init(row: Double, column: Double) {
        self.row = row
        self.column = column
    }

    /// (1 − f)·a + f·b: exact at both ends.
    @inline(__always)
    static func interpolate(_ a: Coordinate, _ b: Coordinate, _ f: Double) -> Coordinate {
        Coordinate(row: (1 - f) * a.row + f * b.row, column: (1 - f) * a.column + f * b.column)
    }
}
