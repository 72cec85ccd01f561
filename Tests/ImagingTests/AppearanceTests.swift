import CounterRandom
import Foundation
import Imaging
import TestSupport
import Testing

/// Elastic maps, folds, and what changes grey values.
@Suite struct AppearanceTests {
    typealias Configuration = AugmentationConfiguration

    private struct Fixture: Decodable {
        struct Map: Decodable {
            struct Samples: Decodable { let image, label: [Float] }
            let nodes: Int
            let rows, columns, sourceRows, sourceColumns: [Double]
            let samples: [String: Samples]
        }
        struct Blur: Decodable {
            let sigma: Double
            let image: [Float]
        }
        let height, width: Int
        let image, label: [Float]
        let maps: [Map]
        let blurs: [Blur]

        static func read() throws -> Fixture {
            let url = try #require(Bundle.module.url(forResource: "Fixtures/elastic", withExtension: "json"))
            return try JSONDecoder().decode(Fixture.self, from: Data(contentsOf: url))
        }
    }

    private static func apply(_ appearance: SampleAppearance, to image: [Float], channels: Int = 1, height: Int, width: Int) -> [Float] {
        var result = image
        result.withUnsafeMutableBufferPointer { appearance.apply(to: $0, channels: channels, height: height, width: width) }
        return result
    }

    /// `Fixtures/elastic.json`: displacements by scipy's bicubic spline, and what its map_coordinates makes of an image and its label.
    @Test(arguments: FillMode.allCases) func elasticMapsOfSciPy(mode: FillMode) throws {
        let fixture = try Fixture.read()
        var slice = TestSlice(height: fixture.height, width: fixture.width)
        slice.image = fixture.image
        slice.label = fixture.label
        #expect(fixture.maps.count == 3)
        for expected in fixture.maps {
            var map = SampleMap(height: fixture.height, width: fixture.width)
            map.elastic = ElasticMap(
                height: fixture.height, width: fixture.width, nodes: expected.nodes,
                displacements: zip(expected.rows, expected.columns).map { Coordinate(row: $0, column: $1) })
            map.nodeSpacing = 1
            map.fill = mode
            map.fillValue = 0.25
            for pixel in 0..<fixture.height * fixture.width {
                let point = Coordinate(row: Double(pixel / fixture.width), column: Double(pixel % fixture.width))
                let place = map.sourceCoordinate(of: point, sliceHeight: fixture.height, sliceWidth: fixture.width)
                #expect(abs(place.row - expected.sourceRows[pixel]) < 1e-8 && abs(place.column - expected.sourceColumns[pixel]) < 1e-8)
            }
            let result = slice.sampled(through: map), samples = try #require(expected.samples[mode.rawValue])
            #expect(zip(result.image, samples.image).allSatisfy { abs($0 - $1) < 1e-5 }, "\(expected.nodes) nodes")
            #expect(result.label == samples.label, "\(expected.nodes) nodes")
        }
    }

    @Test func blursOfSciPy() throws {
        let fixture = try Fixture.read()
        #expect(fixture.blurs.count == 4)
        for blur in fixture.blurs {
            var appearance = SampleAppearance()
            appearance.blur = blur.sigma
            let result = Self.apply(appearance, to: fixture.image, height: fixture.height, width: fixture.width)
            #expect(zip(result, blur.image).allSatisfy { abs($0 - $1) < 2e-6 }, "sigma \(blur.sigma)")
        }
    }

    /// The paper's elastic deformation is never weakened, finer and stronger ones are where they would fold; the same for one seed, others for others.
    @Test func elasticDraws() {
        for (grid, sigma) in [(3, 10.0), (12, 10), (32, 40)] {
            var elastic = Configuration.Elastic()
            elastic.grid = grid
            elastic.sigma = sigma
            for position in 0..<20 {
                let random = RandomStream(seed: 3, purpose: .augmentation, ordinal: 9, position: UInt64(position))
                let map = elastic.draw(random, height: 512, width: 400)
                #expect(map == elastic.draw(random, height: 512, width: 400))
                var sample = SampleMap(height: 512, width: 400)
                sample.elastic = map
                sample.nodeSpacing = 4
                #expect(sample.grid(sliceHeight: 512, sliceWidth: 400).smallestJacobian > 0, "\(grid) \(sigma) \(position)")
                if grid == 3 {
                    // The corner node's displacement is the first pair of normal numbers.
                    var numbers = random
                    let (row, column) = numbers.nextNormalPair(), corner = map(Coordinate(row: 0, column: 0))
                    #expect(abs(corner.row - 10 * Double(row)) < 1e-9 && abs(corner.column - 10 * Double(column)) < 1e-9)
                }
            }
        }
    }

    /// Tissue disappears at the fold, far from it nothing moves, and the map never folds back. Image and label move alike; only the image is dark.
    @Test func folds() {
        let fold = Fold(middle: Coordinate(row: 30, column: 40), angle: 0, width: 8, darkness: 1)
        #expect(fold(Coordinate(row: 30, column: 7)) == Coordinate(row: 30, column: 7))
        #expect(fold(Coordinate(row: 62, column: 7)) == Coordinate(row: 62, column: 7))
        let below = fold(Coordinate(row: 34, column: 7)), above = fold(Coordinate(row: 26, column: 7))
        #expect(below.column == 7 && abs(below.row - 37.5) < 1e-12 && abs(above.row - 22.5) < 1e-12, "4 pixels less an eighth")
        var last = -Double.infinity
        for row in stride(from: 0.0, to: 64, by: 0.25) {
            let place = fold(Coordinate(row: row, column: 0)).row
            #expect(place > last)
            last = place
        }
        var appearance = SampleAppearance()
        appearance.fold = fold
        var image = [Float](repeating: 0.8, count: 64 * 50)
        image[0] = 0.2
        let result = Self.apply(appearance, to: image, height: 64, width: 50)
        #expect(abs(result[30 * 50 + 3] - 0.2) < 1e-6 && abs(result[34 * 50 + 3] - (0.2 + 0.6 / 4)) < 1e-6)
        #expect(result[38 * 50 + 3] == 0.8 && result[22 * 50 + 3] == 0.8 && result[0] == 0.2)
    }

    @Test func tones() {
        let image: [Float] = [10, 12, 14, 20]
        func changed(_ change: (inout SampleAppearance) -> Void) -> [Float] {
            var appearance = SampleAppearance()
            change(&appearance)
            return Self.apply(appearance, to: image, height: 2, width: 2)
        }
        func close(_ a: [Float], _ b: [Float]) -> Bool { zip(a, b).allSatisfy { abs($0 - $1) < 2e-3 } }
        #expect(changed { _ in } == image)
        #expect(close(changed { $0.brightness = 0.1 }, [11, 13, 15, 21]))
        #expect(close(changed { $0.contrast = 0.5 }, [12.5, 13.5, 14.5, 17.5]))
        #expect(close(changed { $0.gamma = 2 }, [10, 10.4, 11.6, 20]))
        #expect(close(changed { $0.gamma = 0.5 }, [10, 10 + 10 * Float(0.2).squareRoot(), 10 + 10 * Float(0.4).squareRoot(), 20]))
        // Gamma comes after brightness, and is cut to the range.
        #expect(
            close(
                changed {
                    $0.brightness = 0.5
                    $0.gamma = 2
                }, [12.5, 14.9, 18.1, 20]))
        #expect(Self.apply(SampleAppearance(), to: [3], height: 1, width: 1) == [3])
    }

    @Test func strips() {
        let image = (0..<20).map { Float($0) / 19 }  // 4 × 5
        var appearance = SampleAppearance()
        appearance.missing = .init(isHorizontal: true, range: -1..<2, strength: 0.5)
        let missing = Self.apply(appearance, to: image, height: 4, width: 5)
        #expect(missing[..<10].allSatisfy { $0 == 0.5 } && missing[10...] == image[10...])
        appearance = SampleAppearance()
        appearance.band = .init(isHorizontal: false, range: 1..<4, strength: 0.5)
        let band = Self.apply(appearance, to: image, height: 4, width: 5)
        for row in 0..<4 {
            #expect(band[row * 5] == image[row * 5] && band[row * 5 + 4] == image[row * 5 + 4])
            #expect(abs(band[row * 5 + 2] - 0.5 * image[row * 5 + 2]) < 1e-6)
            #expect(band[row * 5 + 1] < image[row * 5 + 1] && band[row * 5 + 1] > 0.5 * image[row * 5 + 1])
        }
    }

    /// Mean, deviation, skewness and tails of 262,144 values, and independence of neighbours and channels.
    @Test func noise() {
        var appearance = SampleAppearance()
        appearance.noise = 0.1
        appearance.noiseStream = RandomStream(seed: 1, purpose: .augmentation, ordinal: 18, position: 7)
        var image = [Float](repeating: 0, count: 2 * 512 * 256)
        image[0] = -1
        image[1] = 1
        let noise = zip(Self.apply(appearance, to: image, channels: 2, height: 512, width: 256), image).map { Double($0 - $1) / 0.2 }
        let n = Double(noise.count), mean = noise.reduce(0, +) / n
        func moment(_ power: Double) -> Double { noise.reduce(0) { $0 + pow($1, power) } / n }
        #expect(abs(mean) < 0.01 && abs(moment(2) - 1) < 0.015 && abs(moment(3)) < 0.03 && abs(moment(4) - 3) < 0.1)
        #expect(abs(Double(noise.count { $0 > 1.959964 }) / n - 0.025) < 0.002 && noise.max()! > 4 && noise.max()! < 4.5)
        func correlation(_ lag: Int) -> Double { zip(noise, noise.dropFirst(lag)).reduce(0) { $0 + $1.0 * $1.1 } / n }
        for lag in [1, 2, 8, 256, 512 * 256] { #expect(abs(correlation(lag)) < 0.01, "lag \(lag)") }
        var other = appearance
        other.noiseStream = RandomStream(seed: 1, purpose: .augmentation, ordinal: 18, position: 8)
        #expect(Self.apply(other, to: [0, 1, 0, 1], height: 2, width: 2) != Self.apply(appearance, to: [0, 1, 0, 1], height: 2, width: 2))
    }

    /// Draws are pure functions of seed and position, items have numbers of their own, and `standard` changes no values.
    @Test func draws() {
        func draw(_ configuration: Configuration, _ position: Int, seed: UInt64 = 1) -> SampleAppearance {
            configuration.drawAppearance(seed: seed, position: position, height: 64, width: 48)
        }
        var all = Configuration.strong
        all.fold?.probability = 1
        all.darkBand?.probability = 1
        all.missing?.probability = 1
        all.noise?.probability = 1
        all.blur?.probability = 1
        var withoutBlur = all
        withoutBlur.blur = nil
        for position in 0..<30 {
            let appearance = draw(all, position)
            #expect(appearance == draw(all, position) && appearance != draw(all, position, seed: 2))
            var expected = appearance
            expected.blur = 0
            #expect(draw(withoutBlur, position) == expected)
            #expect(appearance.band!.range.count <= 13 && appearance.missing!.range.count <= 7)
            #expect((4...8).contains(appearance.fold!.width) && (0.4...0.8).contains(appearance.fold!.darkness))
            #expect(abs(appearance.brightness) <= 0.1 + 1e-6)
            #expect([appearance.contrast, appearance.gamma].allSatisfy { (0.8 - 1e-6...1.2 + 1e-6).contains($0) })
            // The fold of the values is the fold of the map.
            let map = all.drawMap(seed: 1, position: position, height: 64, width: 48, sliceHeight: 80, sliceWidth: 80)
            #expect(map.fold == appearance.fold)
            #expect(draw(.standard, position).isIdentity && draw(.none, position).isIdentity)
        }
        #expect((0..<200).contains { !draw(.light, $0).isIdentity })
    }
}
