/// A smooth map from output pixels to source coordinates, computed at the nodes of a coarse grid and bilinear between them.
///
/// Nodes lie at 0, g, 2g, … and at the last row and column; a cell's own width is the denominator of its interpolation, so that the
/// last row and column are as exact as the others, also when the last cell is narrower.
package struct SamplingGrid {
    /// Size of the output in pixels.
    package let height, width: Int
    /// Distance g of the nodes in pixels.
    package let spacing: Int
    /// Number of nodes down and across, at least one each.
    package let rows, columns: Int
    /// Source coordinates of the nodes, row by row.
    package let nodes: [Coordinate]

    /// Evaluates `map` at every node.
    package init(height: Int, width: Int, spacing: Int, map: (Coordinate) -> Coordinate) {
        precondition(height > 0 && width > 0 && spacing > 0, "SamplingGrid: \(height) × \(width) at spacing \(spacing)")
        self.height = height
        self.width = width
        self.spacing = spacing
        rows = Self.count(height, spacing)
        columns = Self.count(width, spacing)
        var nodes: [Coordinate] = []
        nodes.reserveCapacity(rows * columns)
        for i in 0..<rows {
            let row = Double(min(i * spacing, height - 1))
            for j in 0..<columns { nodes.append(map(Coordinate(row: row, column: Double(min(j * spacing, width - 1))))) }
        }
        self.nodes = nodes
    }

    private static func count(_ pixels: Int, _ spacing: Int) -> Int { (pixels - 1 + spacing - 1) / spacing + 1 }

    /// The interpolated source coordinate of one output pixel. The specification of what `SampleMap.resample` computes row by row.
    package func callAsFunction(row: Int, column: Int) -> Coordinate {
        let (i, fi) = cell(row, last: height - 1, nodes: rows), (j, fj) = cell(column, last: width - 1, nodes: columns)
        let below = min(i + 1, rows - 1), right = min(j + 1, columns - 1)
        return Coordinate.interpolate(
            .interpolate(nodes[i * columns + j], nodes[below * columns + j], fi),
            .interpolate(nodes[i * columns + right], nodes[below * columns + right], fi), fj)
    }

    /// The cell in which a pixel lies, and how far in it, 0 … 1; the last pixel belongs to the last cell.
    @inline(__always)
    package func cell(_ pixel: Int, last: Int, nodes: Int) -> (index: Int, fraction: Double) {
        let index = max(0, min(pixel / spacing, nodes - 2))
        let start = index * spacing, size = min(spacing, last - start)
        return (index, size == 0 ? 0 : Double(pixel - start) / Double(size))
    }

    /// The smallest Jacobian determinant of the interpolated map (infinite for a single row or column). At or below 0 the map folds.
    ///
    /// In a bilinear cell the determinant is linear along rows and columns, so its extremes are at the cell's corners.
    package var smallestJacobian: Double {
        var smallest = Double.infinity
        for i in 0..<rows - 1 {
            for j in 0..<columns - 1 {
                let topLeft = nodes[i * columns + j], topRight = nodes[i * columns + j + 1]
                let bottomLeft = nodes[(i + 1) * columns + j], bottomRight = nodes[(i + 1) * columns + j + 1]
                let area = Double(min(spacing, height - 1 - i * spacing) * min(spacing, width - 1 - j * spacing))
                for (a, b) in [(topLeft, bottomLeft), (topRight, bottomRight)] {
                    for (c, d) in [(topLeft, topRight), (bottomLeft, bottomRight)] {
                        let cross = (b.row - a.row) * (d.column - c.column) - (b.column - a.column) * (d.row - c.row)
                        smallest = min(smallest, cross / area)
                    }
                }
            }
        }
        return smallest
    }
}
