/// An elastic deformation: displacement vectors on a coarse grid over the image, whose first and last nodes lie on its edges, and between them by
/// bicubic spline.
///
/// Source: Ronneberger, Fischer, Brox, "U-Net: Convolutional networks for biomedical image segmentation", MICCAI 2015, section 3.1: a 3 × 3 grid,
/// displacements normally distributed with a standard deviation of 10 pixels.
public struct ElasticMap: Sendable, Equatable {
    /// Size of the image in pixels.
    public let height, width: Int
    private let rows, columns: CubicSplineGrid

    /// The map of an image of `height` × `width` pixels with `nodes` × `nodes` displacement vectors, in pixels and row by row.
    public init(height: Int, width: Int, nodes: Int, displacements: [Coordinate]) {
        precondition(displacements.count == nodes * nodes, "ElasticMap: \(displacements.count) displacements for \(nodes) × \(nodes) nodes")
        (self.height, self.width) = (height, width)
        rows = CubicSplineGrid(rows: nodes, columns: nodes, values: displacements.map(\.row))
        columns = CubicSplineGrid(rows: nodes, columns: nodes, values: displacements.map(\.column))
    }

    /// Where the point is taken. Points outside of the image are moved like the nearest on its edge.
    public func callAsFunction(_ point: Coordinate) -> Coordinate {
        let row = height > 1 ? point.row / Double(height - 1) * Double(rows.rows - 1) : 0
        let column = width > 1 ? point.column / Double(width - 1) * Double(rows.columns - 1) : 0
        return Coordinate(
            row: point.row + rows(row: row, column: column), column: point.column + columns(row: row, column: column))
    }
}
