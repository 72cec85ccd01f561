import CounterRandom
import Foundation
import Imaging
import TestSupport
import Testing

/// A slice with its label in plain arrays, and what a map makes of them.
struct TestSlice {
    var channels = 1
    let height, width: Int
    var image: [Float]
    var label: [Float]

    /// Random numbers; the label is the sign of the first channel.
    init(channels: Int = 1, height: Int, width: Int, seed: UInt64 = 1) {
        self.channels = channels
        self.height = height
        self.width = width
        image = testNumbers(channels * height * width, seed: seed)
        label = image[..<(height * width)].map { $0 > 0 ? 1 : 0 }
    }

    func sampled(through map: SampleMap) -> (image: [Float], label: [Float]) {
        var newImage = [Float](repeating: .nan, count: channels * map.height * map.width)
        var newLabel = [Float](repeating: .nan, count: map.height * map.width)
        newImage.withUnsafeMutableBufferPointer { newImage in
            newLabel.withUnsafeMutableBufferPointer { newLabel in
                image.withUnsafeBufferPointer { image in
                    label.withUnsafeBufferPointer { label in
                        map.resample(
                            image: image, label: label, channels: channels, sliceHeight: height, sliceWidth: width,
                            outputImage: newImage, outputLabel: newLabel)
                    }
                }
            }
        }
        return (newImage, newLabel)
    }
}

@Suite struct SamplingTests {
    @Test(arguments: [
        (FillMode.nearest, [10.0, 10, 40, 40]), (.reflect, [15, 10, 40, 30]), (.constant, [0, 0, 0, 0]), (.wrap, [25, 35, 15, 30]),
    ])
    func fillModesOfSciPy(mode: FillMode, expected: [Double]) {
        for (x, value) in zip([-1.5, -0.5, 3.5, 5], expected) {
            let place = mode.resolve(x, count: 4)
            #expect(place.map { 10 + 10 * $0 } ?? 0 == value, "\(mode) at \(x)")
        }
    }

    @Test(arguments: FillMode.allCases) func fillModesInsideAndFarAway(mode: FillMode) {
        for x in [0, 0.25, 1, 2.999, 3] { #expect(mode.resolve(x, count: 4) == x) }
        for count in [1, 2, 5] {
            for x in [-1e9, -123.75, -1, 7, 99.5, 1e12] {
                if let place = mode.resolve(x, count: count) { #expect(place >= 0 && place <= Double(count - 1)) }
            }
        }
        #expect(FillMode.reflect.resolve(-123.75, count: 4) == 2.75)  // −0.5 − 123.25 = −0.5 − 15 · 8 − 3.25, mirrored
    }

    /// H = 6, W = 8, θ = 10°, shift (1.5, −2.25), s = 7°, zoom (0.9, 1.1), from Keras' own code.
    @Test func affineMapOfKeras() {
        let map = AffineMap(height: 6, width: 8, rotation: 10, shift: (1.5, -2.25), shear: 7, zoom: (0.9, 1.1))
        let values = [map.rowRow, map.rowColumn, map.columnRow, map.columnColumn, map.offset.row, map.offset.column]
        let expected = [0.88632698, -0.32160888, 0.15628336, 1.05193523, 3.27773365, -2.52782689]
        for (value, expected) in zip(values, expected) { #expect(abs(value - expected) < 1e-8) }
        #expect(AffineMap(height: 6, width: 8) == .identity)
    }

    /// All eight orientations of 2 × 3 pixels, written out.
    @Test func orientations() {
        var slice = TestSlice(height: 2, width: 3)
        slice.image = [1, 2, 3, 4, 5, 6]
        let expected: [[[Float]]] = [
            [[1, 2, 3, 4, 5, 6], [3, 6, 2, 5, 1, 4], [6, 5, 4, 3, 2, 1], [4, 1, 5, 2, 6, 3]],
            [[3, 2, 1, 6, 5, 4], [1, 4, 2, 5, 3, 6], [4, 5, 6, 1, 2, 3], [6, 3, 5, 2, 4, 1]],
        ]
        for turns in 0..<4 {
            for flip in 0..<2 {
                var map = turns % 2 == 0 ? SampleMap(height: 2, width: 3) : SampleMap(height: 3, width: 2)
                map.orientation = Orientation(flipsHorizontally: flip == 1, flipsVertically: false, quarterTurns: turns)
                #expect(slice.sampled(through: map).image == expected[flip][turns])
                // Mirroring top to bottom as well is half a turn more.
                var other = map
                other.orientation = Orientation(flipsHorizontally: flip == 0, flipsVertically: true, quarterTurns: (turns + 2) % 4)
                #expect(slice.sampled(through: other).image == expected[flip][turns])
            }
        }
    }

    /// Without augmentation a crop has the bits of the source: also −0, not-a-number and infinity.
    @Test func plainCropsAreExact() {
        var slice = TestSlice(channels: 3, height: 11, width: 14)
        slice.image[5 * 14 + 7] = .nan
        slice.image[5 * 14 + 8] = .infinity
        slice.image[5 * 14 + 9] = -0.0
        var map = SampleMap(height: 6, width: 9)
        map.originRow = 4
        map.originColumn = 3
        let crop = slice.sampled(through: map)
        for channel in 0..<3 {
            for row in 0..<6 {
                for column in 0..<9 {
                    let source = slice.image[(channel * 11 + row + 4) * 14 + column + 3]
                    #expect(crop.image[(channel * 6 + row) * 9 + column].bitPattern == source.bitPattern)
                    #expect(crop.label[row * 9 + column] == slice.label[(row + 4) * 14 + column + 3])
                }
            }
        }
    }

    /// The interpolating loops with an affine map that is a whole-numbered shift give the copying loop's values.
    @Test func interpolationAgreesWithCopying() {
        let slice = TestSlice(channels: 2, height: 40, width: 37)
        for turns in 0..<4 {
            var map = SampleMap(height: 21, width: 19)
            map.orientation = Orientation(flipsHorizontally: true, flipsVertically: false, quarterTurns: turns)
            map.originRow = 9
            map.originColumn = 12
            var shifted = map
            shifted.originRow = 4
            shifted.affine = AffineMap(height: 40, width: 40, shift: (5, 0))
            let copied = slice.sampled(through: map), interpolated = slice.sampled(through: shifted)
            #expect(relativeError(interpolated.image, copied.image) < 1e-6)
            #expect(interpolated.label == copied.label)
        }
    }

    /// Both inner loops and the grid against the definition: the exact coordinate of every pixel, and bilinear interpolation of four pixels.
    @Test(arguments: FillMode.allCases) func samplesFollowTheMap(mode: FillMode) {
        let slice = TestSlice(channels: 2, height: 47, width: 61)
        var map = SampleMap(height: 35, width: 43)
        map.originRow = 5
        map.originColumn = 2
        map.orientation = Orientation(flipsHorizontally: false, flipsVertically: true, quarterTurns: 3)
        map.affine = AffineMap(height: 61, width: 47, rotation: 23, shift: (3.2, -4.1), shear: 5, zoom: (1.2, 0.9))
        map.deformation = AugmentationConfiguration.Deformation().draw(
            .init(seed: 3, purpose: .augmentation), height: 61, width: 47)
        map.nodeSpacing = 2
        map.fill = mode
        map.fillValue = 0.75
        let result = slice.sampled(through: map), grid = map.grid(sliceHeight: 47, sliceWidth: 61)
        var outside = 0
        for row in 0..<35 {
            for column in 0..<43 {
                let exact = map.sourceCoordinate(of: Coordinate(row: Double(row), column: Double(column)), sliceHeight: 47, sliceWidth: 61)
                let place = grid(row: row, column: column)
                #expect(abs(place.row - exact.row) < 0.5 && abs(place.column - exact.column) < 0.5)
                guard let y = mode.resolve(place.row, count: 47), let x = mode.resolve(place.column, count: 61) else {
                    #expect(result.image[row * 43 + column] == 0.75 && result.label[row * 43 + column] == 0)
                    outside += 1
                    continue
                }
                outside += y == place.row && x == place.column ? 0 : 1
                let i = Int(y), j = Int(x), fy = y - Double(i), fx = x - Double(j)
                for channel in 0..<2 {
                    func pixel(_ r: Int, _ c: Int) -> Double { Double(slice.image[(channel * 47 + min(r, 46)) * 61 + min(c, 60)]) }
                    let value =
                        (1 - fy) * ((1 - fx) * pixel(i, j) + fx * pixel(i, j + 1)) + fy
                        * ((1 - fx) * pixel(i + 1, j) + fx * pixel(i + 1, j + 1))
                    #expect(abs(Double(result.image[(channel * 35 + row) * 43 + column]) - value) < 1e-6)
                }
                #expect(result.label[row * 43 + column] == slice.label[Int(y + 0.5) * 61 + Int(x + 0.5)])
            }
        }
        #expect(outside > 20, "the case must leave the slice somewhere")
    }

    private struct Fixture: Decodable {
        struct Case: Decodable {
            struct Samples: Decodable { let image, label: [Float] }
            let rotation, shear: Double
            let shift, zoom, matrix, offset: [Double]
            let samples: [String: Samples]
        }
        let height, width: Int
        let image, label: [Float]
        let cases: [Case]
    }

    /// `Fixtures/affine.json` is what scipy.ndimage.affine_transform makes of four maps in the four fill modes.
    @Test(arguments: FillMode.allCases) func affineSamplingOfSciPy(mode: FillMode) throws {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/affine", withExtension: "json"))
        let fixture = try JSONDecoder().decode(Fixture.self, from: Data(contentsOf: url))
        var slice = TestSlice(height: fixture.height, width: fixture.width)
        slice.image = fixture.image
        slice.label = fixture.label
        #expect(fixture.cases.count == 4)
        for expected in fixture.cases {
            var map = SampleMap(height: fixture.height, width: fixture.width)
            let affine = AffineMap(
                height: fixture.height, width: fixture.width, rotation: expected.rotation, shift: (expected.shift[0], expected.shift[1]),
                shear: expected.shear, zoom: (expected.zoom[0], expected.zoom[1]))
            #expect(relativeError([affine.rowRow, affine.rowColumn, affine.columnRow, affine.columnColumn], expected.matrix) < 1e-12)
            #expect(relativeError([affine.offset.row, affine.offset.column], expected.offset) < 1e-12)
            map.affine = affine
            map.fill = mode
            map.fillValue = 0.25
            let result = slice.sampled(through: map), samples = try #require(expected.samples[mode.rawValue])
            #expect(zip(result.image, samples.image).allSatisfy { abs($0 - $1) < 1e-5 }, "rotation \(expected.rotation)")
            #expect(result.label == samples.label, "rotation \(expected.rotation)")
        }
    }
}
