/// A diagram of curves over one axis, to be drawn on a page or on a canvas.
package struct Chart {
    /// One curve.
    package struct Series {
        /// How it is drawn.
        package enum Style { case line, faint, dots }

        package var name: String
        /// Place in the palette, from 0.
        package var color: Int
        package var style: Style
        package var points: [(x: Double, y: Double)]

        package init(_ name: String, color: Int, style: Style = .line, _ points: [(x: Double, y: Double)]) {
            (self.name, self.color, self.style, self.points) = (name, color, style, points)
        }
    }

    package var title: String
    /// What the axes are of, with the unit.
    package var xLabel: String, yLabel: String
    /// Those without points are left out.
    package let series: [Series]
    package let x: ChartAxis, y: ChartAxis
    /// Where something happened, as a resume, on the x axis.
    package var markers: [Double] = []
    /// Whether the last value of a curve is of interest by itself.
    package var tellsLast = true

    /// A chart of these curves.
    /// - Parameters:
    ///   - xRange: What the x axis covers at least.
    ///   - yRange: What the y axis covers at least; by default what the curves need.
    ///   - isLogarithmic: Whether the y axis may be logarithmic: it is when all values are above zero and far apart.
    package init(
        _ title: String, xLabel: String, yLabel: String, _ series: [Series], xRange: ClosedRange<Double>? = nil,
        yRange: ClosedRange<Double>? = nil, isLogarithmic: Bool = false
    ) {
        (self.title, self.xLabel, self.yLabel) = (title, xLabel, yLabel)
        self.series = series.filter { !$0.points.isEmpty }
        let points = self.series.flatMap(\.points)
        func cover(_ values: [Double], _ range: ClosedRange<Double>?) -> ClosedRange<Double> {
            let lower = min(values.min() ?? range?.lowerBound ?? 0, range?.lowerBound ?? .infinity)
            return lower...max(values.max() ?? range?.upperBound ?? 1, range?.upperBound ?? lower)
        }
        x = ChartAxis(covering: cover(points.map(\.x), xRange), isTight: true)
        let values = cover(points.map(\.y), yRange)
        y =
            isLogarithmic && values.lowerBound > 0 && values.upperBound > 20 * values.lowerBound
            ? ChartAxis(logarithmic: values) : ChartAxis(covering: values)
    }

    /// Whether there is nothing to show.
    package var isEmpty: Bool { series.isEmpty }

    /// Colours that people with any vision tell apart (Okabe and Ito, 2008), the darker ones first: for a white ground.
    package static let palette: [UInt32] = [0x0072B2, 0xD55E00, 0x009E73, 0xCC79A7, 0xE69F00, 0x56B4E9]
    /// Those for a dark ground, in the same order of series.
    package static let darkPalette: [UInt32] = [0x56B4E9, 0xE69F00, 0x009E73, 0xCC79A7, 0xF0E442, 0xD55E00]
}
