/// One of the eight ways to lay an image on the pixel grid: mirrored or not, then turned by quarters.
public struct Orientation: Equatable, Sendable {
    /// Mirrored left to right in the source.
    public var flipsHorizontally: Bool
    /// Mirrored top to bottom in the source.
    public var flipsVertically: Bool
    /// Turns of 90° counter-clockwise after the flips, 0 ..< 4.
    public var quarterTurns: Int

    /// The image mirrored, then turned by `quarterTurns`, 0 ..< 4.
    public init(flipsHorizontally: Bool = false, flipsVertically: Bool = false, quarterTurns: Int = 0) {
        self.flipsHorizontally = flipsHorizontally
        self.flipsVertically = flipsVertically
        self.quarterTurns = quarterTurns
    }

    /// The image as it is.
    public static let identity = Orientation()

    /// A turn by an odd number of quarters exchanges height and width.
    public var exchangesAxes: Bool { quarterTurns % 2 == 1 }

    /// The map from the laid image to its source of `height` × `width` pixels; its coefficients are 0, 1 and −1 and its offset whole
    /// numbers, so pixels are taken to pixels.
    public func map(height: Int, width: Int) -> AffineMap {
        let bottom = Double(height - 1), right = Double(width - 1)
        // A quarter turn counter-clockwise shows at (r, c) what was at (c, right − r).
        var map =
            switch quarterTurns {
            case 0: AffineMap.identity
            case 1: AffineMap(rowRow: 0, rowColumn: 1, columnRow: -1, columnColumn: 0, offset: Coordinate(row: 0, column: right))
            case 2: AffineMap(rowRow: -1, rowColumn: 0, columnRow: 0, columnColumn: -1, offset: Coordinate(row: bottom, column: right))
            case 3: AffineMap(rowRow: 0, rowColumn: -1, columnRow: 1, columnColumn: 0, offset: Coordinate(row: bottom, column: 0))
            default: preconditionFailure("Orientation: \(quarterTurns) quarter turns are not in 0..<4")
            }
        if flipsVertically {
            map.rowRow = -map.rowRow
            map.rowColumn = -map.rowColumn
            map.offset.row = bottom - map.offset.row
        }
        if flipsHorizontally {
            map.columnRow = -map.columnRow
            map.columnColumn = -map.columnColumn
            map.offset.column = right - map.offset.column
        }
        return map
    }
}
