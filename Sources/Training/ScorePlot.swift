import Imaging

/// The scores of a volume over the thresholds, as a picture: V-Rand, V-Info, the Rand F-score and Dice above, the warping error below.
public struct ScorePlot {
    private let curve: [VolumeScores.Point]
    private static let width = 1200.0, margin = 40.0, height = 640.0, lower = 420.0

    /// A plot of these scores.
    public init(_ scores: VolumeScores) { curve = scores.curve }

    /// Writes the PNG.
    public func write(to path: String) throws {
        let margin = Self.margin, width = Self.width - 2 * margin
        var canvas = Canvas(width: Int(Self.width), height: Int(Self.height + Self.lower + 3 * margin))
        func series(_ name: String, _ color: Int, _ value: (VolumeScores.Point) -> Double) -> Chart.Series {
            Chart.Series(name, color: color, style: .dots, curve.map { (x: $0.threshold, y: value($0)) })
        }
        let scores = [
            series("V-Rand", 0, \.vRand), series("V-Info", 1, \.vInfo), series("1 − Rand error", 2) { 1 - $0.randError },
            series("Dice", 3, \.dice),
        ]
        let least = scores.flatMap(\.points).map(\.y).min()!
        // From the next tenth below the lowest point, so that good curves can be told apart.
        Chart(
            "Scores over the threshold", xLabel: "threshold", yLabel: "score (1 is best)", scores, xRange: 0...1,
            yRange: min(0.9, (least * 10).rounded(.down) / 10)...1
        ).draw(in: .init(x: margin, y: margin, width: width, height: Self.height), on: &canvas)
        Chart(
            "Warping error", xLabel: "threshold", yLabel: "share of pixels (0 is best)", [series("warping error", 4, \.warpingError)],
            xRange: 0...1, yRange: 0...1e-6
        ).draw(in: .init(x: margin, y: 2 * margin + Self.height, width: width, height: Self.lower), on: &canvas)
        try canvas.write(to: path)
    }
}
