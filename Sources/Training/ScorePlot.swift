import Imaging

/// The scores of a volume over the thresholds, as a picture: V-Rand, V-Info, the Rand F-score and Dice above, the warping error below.
public struct ScorePlot {
    private let curve: [VolumeScores.Point]
    private static let width = 760, left = 110, right = 230, top = 30, panel = 300, lower = 150, gap = 60

    /// A plot of these scores.
    public init(_ scores: VolumeScores) { curve = scores.curve }

    /// Writes the PNG.
    public func write(to path: String) throws {
        var canvas = Canvas(width: Self.width, height: Self.top + Self.panel + Self.gap + Self.lower + 70)
        let curves: [(name: String, color: Canvas.Color, value: (VolumeScores.Point) -> Double)] = [
            ("V-Rand", .init(200, 30, 30), \.vRand), ("V-Info", .init(30, 80, 200), \.vInfo),
            ("1-Rand error", .init(230, 140, 20), { 1 - $0.randError }), ("Dice", .init(40, 150, 60), \.dice),
        ]
        let least = curves.flatMap { part in curve.map(part.value) }.min()!
        // From the next tenth below the lowest point, so that good curves can be told apart.
        draw(curves, range: min(0.9, (least * 10).rounded(.down) / 10)...1, digits: 2, top: Self.top, height: Self.panel, on: &canvas)
        let largest = max(1e-6, curve.map(\.warpingError).max()!)
        draw(
            [("warping error", .black, \.warpingError)], range: 0...largest, digits: 5, top: Self.top + Self.panel + Self.gap,
            height: Self.lower, on: &canvas)
        canvas.text("threshold", x: (Self.left + Self.width - Self.right) / 2 - 54, y: canvas.height - 24)
        try canvas.write(to: path)
    }

    private func draw(
        _ curves: [(name: String, color: Canvas.Color, value: (VolumeScores.Point) -> Double)], range: ClosedRange<Double>, digits: Int,
        top: Int, height: Int, on canvas: inout Canvas
    ) {
        let width = Self.width - Self.left - Self.right, bottom = top + height
        func x(_ threshold: Double) -> Double { Double(Self.left) + threshold * Double(width) }
        func y(_ value: Double) -> Double {
            Double(bottom) - (value - range.lowerBound) / (range.upperBound - range.lowerBound) * Double(height)
        }
        for tick in 0...5 {
            let value = range.lowerBound + Double(tick) / 5 * (range.upperBound - range.lowerBound), row = Int(y(value).rounded())
            canvas.fill(x: Self.left..<Self.left + width, y: row..<row + 1, .grey)
            let label = fixed(value, digits)
            canvas.text(label, x: Self.left - 8 - label.count * Canvas.advance * 2, y: row - Canvas.textHeight)
            let column = Int(x(Double(tick) / 5).rounded())
            canvas.fill(x: column..<column + 1, y: top..<bottom, .grey)
            canvas.text(fixed(Double(tick) / 5, 1), x: column - 16, y: bottom + 10)
        }
        for (k, part) in curves.enumerated() {
            for (a, b) in zip(curve, curve.dropFirst()) {
                canvas.line(from: (x(a.threshold), y(part.value(a))), to: (x(b.threshold), y(part.value(b))), part.color)
            }
            let row = top + 10 + k * 26
            canvas.fill(x: Self.width - Self.right + 16..<Self.width - Self.right + 40, y: row + 5..<row + 9, part.color)
            canvas.text(part.name, x: Self.width - Self.right + 50, y: row)
        }
    }
}
