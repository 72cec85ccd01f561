import Foundation
import Testing
import Training

@Suite struct CurveTests {
    /// A curve of `count` steps, and the values that it was made of.
    func curve(_ count: Int) -> (curve: Curve, values: [Double]) {
        var curve = Curve(), values: [Double] = []
        for step in 0..<count {
            let value = sin(Double(step) * 0.7) * Double(count - step) + Double(step * 7919 % 101)
            curve.add(step: step, value: value)
            values.append(value)
        }
        return (curve, values)
    }

    @Test func aShortCurveIsKeptWhole() {
        let (curve, values) = curve(900)
        #expect(curve.points.map(\.step) == Array(0..<900) && curve.points.map(\.value) == values)
        #expect(curve.means(900).map(\.value) == values)
    }

    @Test(arguments: [1000, 1001, 54_321, 1_000_000]) func aLongOneIsBounded(count: Int) throws {
        let (curve, values) = curve(count), points = curve.points
        #expect(points.count <= 2 * Curve.limit && points.count > Curve.limit / 2)
        #expect(zip(points, points.dropFirst()).allSatisfy { $0.step < $1.step })
        #expect(points.allSatisfy { values[$0.step] == $0.value })
        #expect(points.map(\.value).min() == values.min() && points.map(\.value).max() == values.max())
        #expect(curve.least?.value == values.min() && curve.greatest?.value == values.max())
        #expect(curve.last?.step == count - 1 && curve.last?.value == values[count - 1])
        let means = curve.means(100)
        #expect(means.count == 100 && means.allSatisfy { $0.value >= values.min()! && $0.value <= values.max()! })
    }

    /// What counts is the steps, not how many of them had a value: validations are rare.
    @Test func aCurveWithGaps() {
        var curve = Curve()
        for step in stride(from: 100, through: 500_000, by: 100) { curve.add(step: step, value: 1 / Double(step)) }
        curve.add(step: 500_100, value: .nan)
        #expect(curve.points.count <= 2000 && curve.last?.step == 500_000 && curve.points.first?.step == 100)
    }

    @Test func axes() {
        let axis = ChartAxis(covering: 0.12...0.88)
        #expect(axis.range == 0...1 && axis.ticks.map(\.label) == ["0", "0.2", "0.4", "0.6", "0.8", "1.0"])
        #expect(ChartAxis(covering: 0...1234, isTight: true).ticks.map(\.label) == ["0", "500", "1000"])
        #expect(ChartAxis(covering: 0...60_000, isTight: true).ticks.map(\.label) == ["0", "20k", "40k", "60k"])
        #expect(ChartAxis(covering: 0...4e-4).ticks.map(\.label) == ["0", "0.0001", "0.0002", "0.0003", "0.0004"])
        // A curve that does not change has an axis around it.
        let flat = ChartAxis(covering: 3...3)
        #expect(flat.range.lowerBound < 3 && flat.range.upperBound > 3 && abs(flat.fraction(3) - 0.5) < 0.2)
        let logarithmic = ChartAxis(logarithmic: 0.02...4)
        #expect(logarithmic.ticks.first?.value == 0.02 && logarithmic.ticks.last?.value == 5 && logarithmic.fraction(0.02) == 0)
        #expect(abs(logarithmic.fraction(5) - 1) < 1e-12)
    }

    @Test(arguments: [(1e-7, 2e-7), (0.3, 0.30001), (-5, 5), (0, 1e9), (12345, 12346)]) func everyAxisHasMarks(lower: Double, upper: Double)
    {
        let axis = ChartAxis(covering: lower...upper)
        #expect(axis.ticks.count >= 3 && axis.ticks.count <= 12, "\(axis)")
        #expect(axis.range.lowerBound <= lower + 1e-12 && axis.range.upperBound >= upper - 1e-12, "\(axis)")
        #expect(Set(axis.ticks.map(\.label)).count == axis.ticks.count, "\(axis)")
    }

    /// Also of numbers at the ends of what a Double holds there is an axis.
    @Test func axesOfExtremes() {
        let extremes = [Double.leastNonzeroMagnitude, .leastNormalMagnitude / 1024, 1e-281, 1e281, 1e300, .greatestFiniteMagnitude]
        for lower in extremes + [0] + extremes.map({ -$0 }) {
            for upper in extremes + [0] where upper >= lower {
                let axes = [ChartAxis(covering: lower...upper)] + (lower > 0 ? [ChartAxis(logarithmic: lower...upper)] : [])
                for axis in axes {
                    #expect(!axis.ticks.isEmpty && axis.range.lowerBound < axis.range.upperBound, "\(lower)...\(upper): \(axis)")
                    #expect(
                        (0...1).contains(axis.fraction(lower)) && (0...1).contains(axis.fraction(upper)), "\(lower)...\(upper): \(axis)")
                    #expect(axis.ticks.allSatisfy { $0.label.count < 12 }, "\(lower)...\(upper): \(axis.ticks)")
                }
            }
        }
    }

    /// What is drawn now and then takes at most a hundredth of the time.
    @Test func pace() {
        final class Clock { var now = 5.0 }
        let clock = Clock()
        var pace = Pace { clock.now }, spent = 0.0
        #expect(pace.isDue)
        for _ in 0..<100_000 {
            clock.now += 0.01
            guard pace.isDue else { continue }
            pace.begin()
            clock.now += 0.2
            spent += 0.2
            pace.end()
        }
        #expect(spent > 5 && spent / (clock.now - 5) <= 0.0105, "\(spent) of \(clock.now - 5) s")
    }

    @Test func previewsThatAreKept() {
        #expect(PreviewFolder.kept(Set(1...30), of: 100) == Set([1, 30] + stride(from: 2, through: 30, by: 2)))
        #expect(PreviewFolder.kept([7], of: 10_000) == [7])
        #expect(PreviewFolder.kept(Set(1...10_000), of: 10_000).count <= PreviewFolder.stretches + 2)
    }
}
