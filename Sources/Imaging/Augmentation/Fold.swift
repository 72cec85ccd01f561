import Foundation

/// A fold of the section: along a straight line a strip of tissue has disappeared below the rest, and what is left is dark there.
public struct Fold: Sendable, Equatable {
    /// A point of the line, in pixels of the crop.
    public let middle: Coordinate
    /// The direction across the line, of length 1.
    public let across: Coordinate
    /// Pixels of tissue that have disappeared; also the width of the dark strip.
    public let width: Double
    /// By how much the strip is darker in its middle: 0 not at all, 1 as dark as the darkest pixel.
    public let darkness: Double

    /// How far from the line tissue has been pulled, in widths.
    private static let reach = 4.0

    /// A fold through `middle`, across the direction of `angle` in radians from the rows' axis.
    public init(middle: Coordinate, angle: Double, width: Double, darkness: Double) {
        self.middle = middle
        across = Coordinate(row: cos(angle), column: sin(angle))
        (self.width, self.darkness) = (width, darkness)
    }

    /// The signed distance to the line, in pixels.
    func distance(of point: Coordinate) -> Double {
        (point.row - middle.row) * across.row + (point.column - middle.column) * across.column
    }

    /// Where the point came from: half of the width farther from the line, and with the distance less so.
    public func callAsFunction(_ point: Coordinate) -> Coordinate {
        let distance = distance(of: point)
        // Continuous across the strip, so that the map never folds back: it is only steep there.
        let side = min(max(2 * distance / width, -1), 1)
        let pull = side * width / 2 * max(0, 1 - abs(distance) / (Self.reach * width))
        return Coordinate(row: point.row + pull * across.row, column: point.column + pull * across.column)
    }
}
