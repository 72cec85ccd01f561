import Imaging
import Testing

@Suite struct MovingLeastSquaresTests {
    private static func map(
        _ kind: MovingLeastSquares.Kind, alpha: Double = 1, from p: [(Double, Double)] = [(10, 10), (50, 12), (30, 50), (12, 44)],
        to q: [(Double, Double)] = [(12, 9), (47, 15), (33, 52), (12, 40)]
    ) -> MovingLeastSquares {
        MovingLeastSquares(kind: kind, alpha: alpha, handles: zip(p, q).map { .init(x: $0.0, y: $0.1, targetX: $1.0, targetY: $1.1) })
    }

    /// Values of the formulas in the paper's matrix form, computed independently.
    @Test(arguments: [
        (MovingLeastSquares.Kind.affine, 1.0, 0.0, 0.0, 2.819091, -1.885555), (.affine, 1, 20, 30, 20.756855, 29.019866),
        (.affine, 1, 31, 17, 30.501506, 17.906576), (.affine, 1, 63, 63, 64.642734, 70.076254),
        (.affine, 2, 20, 30, 20.976753, 29.206585),
        (.similarity, 1, 0, 0, 3.077397, -0.848886), (.similarity, 1, 20, 30, 21.080336, 28.938996),
        (.similarity, 1, 31, 17, 30.881190, 18.033775), (.similarity, 1, 63, 63, 62.413290, 62.568295),
        (.similarity, 2, 20, 30, 21.269241, 28.186427),
        (.rigid, 1, 0, 0, 2.456010, -1.604940), (.rigid, 1, 20, 30, 21.113901, 28.783434),
        (.rigid, 1, 31, 17, 31.047752, 17.690882), (.rigid, 1, 63, 63, 63.937885, 63.754027),
        (.rigid, 2, 20, 30, 21.348731, 28.053245),
    ])
    func goldenValues(kind: MovingLeastSquares.Kind, alpha: Double, x: Double, y: Double, expectedX: Double, expectedY: Double) {
        let value = Self.map(kind, alpha: alpha)(x: x, y: y)
        #expect(abs(value.x - expectedX) < 1e-6 && abs(value.y - expectedY) < 1e-6)
    }

    @Test(arguments: MovingLeastSquares.Kind.allCases) func handlesGoToTheirTargets(kind: MovingLeastSquares.Kind) {
        let map = Self.map(kind)
        for handle in map.handles {
            let exact = map(x: handle.x, y: handle.y)
            #expect(exact.x == handle.targetX && exact.y == handle.targetY)
            let beside = map(x: handle.x + 1e-4, y: handle.y - 1e-4)
            #expect(abs(beside.x - handle.targetX) < 1e-3 && abs(beside.y - handle.targetY) < 1e-3)
        }
    }

    /// Each kind reproduces the maps of its own family: exactly what least squares finds when nothing is left over.
    @Test(arguments: [
        (MovingLeastSquares.Kind.rigid, 0.6, 0.8, -0.8, 0.6), (.similarity, 1.2, 1.6, -1.6, 1.2), (.affine, 1.3, 0.2, -0.4, 0.7),
    ])
    func reproducesItsFamily(kind: MovingLeastSquares.Kind, a: Double, b: Double, c: Double, d: Double) {
        let p = [(10.0, 10.0), (50, 12), (30, 50), (12, 44), (3, 27)]
        let map = Self.map(kind, from: p, to: p.map { (a * $0.0 + c * $0.1 + 5, b * $0.0 + d * $0.1 - 7) })
        for (x, y) in [(0.0, 0.0), (25, 31), (11, 44.5), (200, -90)] {
            let value = map(x: x, y: y)
            #expect(abs(value.x - (a * x + c * y + 5)) < 1e-9 && abs(value.y - (b * x + d * y - 7)) < 1e-9)
        }
    }

    @Test(arguments: MovingLeastSquares.Kind.allCases, [1.0, 2, 0.7]) func fixedHandlesAreTheIdentity(
        kind: MovingLeastSquares.Kind, alpha: Double
    ) {
        let p = [(0.0, 0.0), (31, 0), (0, 17), (12, 5)]
        let value = Self.map(kind, alpha: alpha, from: p, to: p)(x: 7.25, y: 9.5)
        #expect(abs(value.x - 7.25) < 1e-12 && abs(value.y - 9.5) < 1e-12)
    }

    @Test(arguments: MovingLeastSquares.Kind.allCases) func fewHandles(kind: MovingLeastSquares.Kind) {
        let none = Self.map(kind, from: [], to: [])(x: 3, y: 4)
        #expect(none.x == 3 && none.y == 4)
        let one = Self.map(kind, from: [(10, 20)], to: [(13, 18)])(x: 3, y: 4)
        #expect(abs(one.x - 6) < 1e-12 && abs(one.y - 2) < 1e-12)
        // Two handles in one place: the mean of their translations.
        let same = Self.map(kind, from: [(10, 20), (10, 20)], to: [(13, 18), (11, 20)])(x: 3, y: 4)
        #expect(abs(same.x - 5) < 1e-12 && abs(same.y - 3) < 1e-12)
    }

    /// On one line, the affine map is not determined across the line: the similarity takes its place.
    @Test func collinearHandles() {
        let p = [(10.0, 10.0), (20, 20), (40, 40)], q = [(12.0, 9.0), (20, 23), (37, 41)]
        let affine = Self.map(.affine, from: p, to: q)(x: 30, y: 5), similarity = Self.map(.similarity, from: p, to: q)(x: 30, y: 5)
        #expect(affine.x == similarity.x && affine.y == similarity.y)
        #expect(abs(affine.x) < 100 && abs(affine.y) < 100)
    }

    /// A symmetric cross that is mirrored: no rotation is better than another, S = 0.
    @Test func rigidWithoutADirectionIsATranslation() {
        // q̂ = conj(p̂) for a symmetric cross: Σ q̂ conj(p̂) = Σ conj(p̂)² = 0.
        let p = [(1.0, 0.0), (-1, 0), (0, 1), (0, -1)], q = [(1.0, 0.0), (-1, 0), (0, -1), (0, 1)]
        let value = Self.map(.rigid, from: p, to: q)(x: 0, y: 0)
        #expect(value.x == 0 && value.y == 0)
    }

    /// The grid is exact at its nodes, also in the last row and column where a cell is narrower. Between them its error falls with the
    /// square of the spacing (the bounds are a tenth above what the formulas give in NumPy).
    @Test(arguments: [(8, 0.82), (4, 0.28), (2, 0.075)]) func gridInterpolation(spacing: Int, bound: Double) {
        let map = Self.map(.rigid)
        let grid = SamplingGrid(height: 62, width: 59, spacing: spacing) {
            let value = map(x: $0.column, y: $0.row)
            return Coordinate(row: value.y, column: value.x)
        }
        var largest = 0.0, largestAtNodes = 0.0
        for row in 0..<62 {
            for column in 0..<59 {
                let exact = map(x: Double(column), y: Double(row)), value = grid(row: row, column: column)
                let error = max(abs(value.column - exact.x), abs(value.row - exact.y))
                largest = max(largest, error)
                if (row % spacing == 0 || row == 61) && (column % spacing == 0 || column == 58) {
                    largestAtNodes = max(largestAtNodes, error)
                }
            }
        }
        #expect(largest < bound)
        #expect(largestAtNodes < 1e-12)
    }

    @Test func gridOfLinearMaps() {
        let linear = SamplingGrid(height: 62, width: 59, spacing: 8) { Coordinate(row: 0.3 * $0.row - $0.column, column: 2 * $0.row + 7) }
        for row in 0..<62 {
            for column in 0..<59 {
                let value = linear(row: row, column: column)
                #expect(abs(value.row - (0.3 * Double(row) - Double(column))) < 1e-12 && abs(value.column - (2 * Double(row) + 7)) < 1e-12)
            }
        }
        #expect(abs(linear.smallestJacobian - 2) < 1e-9)
        #expect(
            abs(SamplingGrid(height: 20, width: 20, spacing: 8) { Coordinate(row: $0.row, column: -$0.column) }.smallestJacobian + 1)
                < 1e-12)
    }
}
