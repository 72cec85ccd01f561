import Foundation

/// An affine map from output pixels to source coordinates: source = A · output + offset, acting on (row, column).
public struct AffineMap: Equatable, Sendable {
    /// The linear part A, row by row: `rowRow` is the row's coefficient in the source row.
    public var rowRow, rowColumn, columnRow, columnColumn: Double
    /// The source coordinate of output pixel (0, 0).
    public var offset: Coordinate

    /// The map that leaves every point where it is.
    public static let identity = AffineMap(rowRow: 1, rowColumn: 0, columnRow: 0, columnColumn: 1, offset: Coordinate(row: 0, column: 0))

    /// The map with the given coefficients.
    public init(rowRow: Double, rowColumn: Double, columnRow: Double, columnColumn: Double, offset: Coordinate) {
        self.rowRow = rowRow
        self.rowColumn = rowColumn
        self.columnRow = columnRow
        self.columnColumn = columnColumn
        self.offset = offset
    }

    /// Rotation, shift, shear and zoom about the centre ((height − 1)/2, (width − 1)/2) of an image, in the conventions of Keras'
    /// `ImageDataGenerator`: the matrix is R(θ) · T(shift) · Sh(s) · Z(zoom), so
    ///
    ///     A = [[cos θ · zr, −sin(θ + s) · zc], [sin θ · zr, cos(θ + s) · zc]],   offset = o + R(θ) · shift − A · o.
    ///
    /// It maps output to source: a positive shift moves the content up and left, a zoom below 1 enlarges it.
    /// - Parameters:
    ///   - height: Rows of the slice, whose centre is o.
    ///   - width: Columns of the slice.
    ///   - rotation: θ in degrees.
    ///   - shift: In pixels.
    ///   - shear: s in degrees.
    ///   - zoom: Factors zr and zc of rows and columns.
    public init(
        height: Int, width: Int, rotation: Double = 0, shift: (rows: Double, columns: Double) = (0, 0), shear: Double = 0,
        zoom: (rows: Double, columns: Double) = (1, 1)
    ) {
        let theta = rotation * .pi / 180, sheared = (rotation + shear) * .pi / 180
        self.init(
            rowRow: cos(theta) * zoom.rows, rowColumn: -sin(sheared) * zoom.columns,
            columnRow: sin(theta) * zoom.rows, columnColumn: cos(sheared) * zoom.columns, offset: Coordinate(row: 0, column: 0))
        let center = Coordinate(row: Double(height - 1) / 2, column: Double(width - 1) / 2)
        let turned = self(center)
        offset.row = center.row + cos(theta) * shift.rows - sin(theta) * shift.columns - turned.row
        offset.column = center.column + sin(theta) * shift.rows + cos(theta) * shift.columns - turned.column
    }

    /// The source coordinate of an output point.
    public func callAsFunction(_ point: Coordinate) -> Coordinate {
        Coordinate(
            row: rowRow * point.row + rowColumn * point.column + offset.row,
            column: columnRow * point.row + columnColumn * point.column + offset.column)
    }
}
