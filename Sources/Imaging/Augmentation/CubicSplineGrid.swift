/// A smooth surface through values on a regular grid: the interpolating bicubic spline, mirrored at the outer nodes.
///
/// The same as `scipy.ndimage.map_coordinates(values, coordinates, order=3, mode="mirror")`.
package struct CubicSplineGrid: Sendable, Equatable {
    /// Nodes down and across.
    package let rows, columns: Int
    /// B-spline coefficients, row by row.
    private let coefficients: [Double]

    /// The surface through `values`, given row by row.
    package init(rows: Int, columns: Int, values: [Double]) {
        precondition(
            rows > 0 && columns > 0 && values.count == rows * columns, "CubicSplineGrid: \(values.count) values for \(rows) × \(columns)")
        (self.rows, self.columns) = (rows, columns)
        var coefficients = values
        for row in 0..<rows { Self.solve(&coefficients, start: row * columns, step: 1, count: columns) }
        for column in 0..<columns { Self.solve(&coefficients, start: column, step: columns, count: rows) }
        self.coefficients = coefficients
    }

    /// The B-spline coefficients of one line: (c[i − 1] + 4 c[i] + c[i + 1]) / 6 is the value at node i, where c[−1] = c[1].
    private static func solve(_ line: inout [Double], start: Int, step: Int, count: Int) {
        if count == 1 { return }
        // Gaussian elimination of a tridiagonal system; `upper` is what is left above the diagonal.
        var upper = [Double](repeating: 0, count: count)
        for i in 0..<count {
            let left: Double = i == 0 ? 0 : i == count - 1 ? 2 : 1, right: Double = i == count - 1 ? 0 : i == 0 ? 2 : 1
            let pivot = 4 - left * (i == 0 ? 0 : upper[i - 1])
            upper[i] = right / pivot
            let before = i == 0 ? 0 : line[start + (i - 1) * step]
            line[start + i * step] = (6 * line[start + i * step] - left * before) / pivot
        }
        for i in stride(from: count - 2, through: 0, by: -1) { line[start + i * step] -= upper[i] * line[start + (i + 1) * step] }
    }

    /// The surface at (`row`, `column`), in nodes: 0 … `rows` − 1 and 0 … `columns` − 1.
    package func callAsFunction(row: Double, column: Double) -> Double {
        let (i, v) = Self.weights(row, last: rows - 1), (j, h) = Self.weights(column, last: columns - 1)
        var sum = 0.0
        for a in 0..<4 {
            let line = Self.mirrored(i + a - 1, rows) * columns
            var part = 0.0
            for b in 0..<4 { part += h[b] * coefficients[line + Self.mirrored(j + b - 1, columns)] }
            sum += v[a] * part
        }
        return sum
    }

    /// The node at or before `place`, and the weights of the four around.
    private static func weights(_ place: Double, last: Int) -> (Int, InlineArray<4, Double>) {
        let inside = min(max(place, 0), Double(last))
        let index = min(Int(inside), max(0, last - 1)), t = inside - Double(index), u = 1 - t
        return (
            index,
            [u * u * u / 6, (4 - 6 * t * t + 3 * t * t * t) / 6, (4 - 6 * u * u + 3 * u * u * u) / 6, t * t * t / 6]
        )
    }

    private static func mirrored(_ index: Int, _ count: Int) -> Int {
        if count == 1 { return 0 }
        return index < 0 ? -index : index >= count ? 2 * (count - 1) - index : index
    }
}
