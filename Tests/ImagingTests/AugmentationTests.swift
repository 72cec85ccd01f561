import CounterRandom
import Foundation
import Imaging
import Testing

@Suite struct AugmentationTests {
    typealias Configuration = AugmentationConfiguration

    /// Every item, always.
    private static let everything = {
        var all = Configuration.strong
        all.elastic?.probability = 1
        all.fold?.probability = 1
        all.rotation?.probability = 1
        all.shift?.probability = 1
        all.shear?.probability = 1
        all.zoom?.probability = 1
        all.deformation?.probability = 1
        return all
    }()

    private static func draw(_ configuration: Configuration, _ position: Int, height: Int = 64, width: Int = 64, seed: UInt64 = 1)
        -> SampleMap
    {
        configuration.drawMap(seed: seed, position: position, height: height, width: width, sliceHeight: 96, sliceWidth: 128)
    }

    @Test func nothingIsDrawnWithoutAugmentation() {
        for position in 0..<50 {
            let map = Self.draw(.none, position)
            #expect(map.takesPixelsToPixels && map.orientation == .identity)
            #expect((0...32).contains(map.originRow) && (0...64).contains(map.originColumn))
            let full = Configuration.none.drawMap(seed: 1, position: position, height: 96, width: 128, sliceHeight: 96, sliceWidth: 128)
            #expect(full == SampleMap(height: 96, width: 128))
        }
    }

    @Test func mapsArePureFunctionsOfSeedAndPosition() {
        for position in [0, 1, 77, 1 << 40] {
            #expect(Self.draw(Self.everything, position) == Self.draw(Self.everything, position))
            #expect(Self.draw(Self.everything, position) != Self.draw(Self.everything, position + 1))
            #expect(Self.draw(Self.everything, position) != Self.draw(Self.everything, position, seed: 2))
        }
    }

    /// Items have random numbers of their own: switching one off leaves the others as they are.
    @Test func itemsAreIndependent() {
        for position in 0..<20 {
            let all = Self.draw(Self.everything, position)
            var undeformed = Self.everything
            undeformed.deformation = nil
            let map = Self.draw(undeformed, position)
            #expect(map.deformation == nil && all.deformation != nil)
            #expect(map.affine == all.affine && map.orientation == all.orientation)
            #expect(map.originRow == all.originRow && map.originColumn == all.originColumn)
        }
    }

    /// The shares of 4000 draws against their probabilities, within five standard deviations (0.04).
    @Test func probabilities() {
        var configuration = Configuration.standard
        configuration.flips?.horizontal = 0.2
        configuration.rotation = nil
        configuration.shift = nil
        configuration.shear = nil
        configuration.zoom?.probability = 0.3
        configuration.deformation = nil
        let maps = (0..<4000).map { Self.draw(configuration, $0) }
        func share(_ condition: (SampleMap) -> Bool) -> Double { Double(maps.count(where: condition)) / 4000 }
        #expect(abs(share { $0.orientation.flipsHorizontally } - 0.2) < 0.04)
        #expect(abs(share { $0.orientation.flipsVertically } - 0.5) < 0.04)
        for turns in 0..<4 { #expect(abs(share { $0.orientation.quarterTurns == turns } - 0.25) < 0.04) }
        #expect(abs(share { $0.affine != nil } - 0.3) < 0.04)
    }

    @Test func ranges() {
        var configuration = Configuration.none
        configuration.rotation = .init(degrees: 10, probability: 1)
        var angles: [Double] = []
        for position in 0..<500 {
            let map = try! #require(Self.draw(configuration, position).affine)
            angles.append(atan2(map.columnRow, map.rowRow) * 180 / .pi)
            let center = map(Coordinate(row: 47.5, column: 63.5))
            #expect(abs(center.row - 47.5) < 1e-9 && abs(center.column - 63.5) < 1e-9)
        }
        #expect(angles.allSatisfy { abs($0) <= 10 } && angles.max()! > 9.5 && angles.min()! < -9.5)

        configuration = .none
        configuration.shift = .init(fraction: 0.05, probability: 1)
        configuration.zoom = .init(fraction: 0.2, probability: 1)
        let maps = (0..<500).map { Self.draw(configuration, $0).affine! }
        let rowZooms = maps.map(\.rowRow), columnZooms = maps.map(\.columnColumn)
        for zooms in [rowZooms, columnZooms] {
            #expect(zooms.allSatisfy { (0.8 - 1e-6...1.2 + 1e-6).contains($0) } && zooms.max()! > 1.18 && zooms.min()! < 0.82)
        }
        #expect(zip(rowZooms, columnZooms).contains { abs($0 - $1) > 0.1 }, "the axes are independent")
        let shifts = maps.map { $0(Coordinate(row: 47.5, column: 63.5)) }
        #expect(shifts.allSatisfy { abs($0.row - 47.5) <= 4.8 + 1e-5 && abs($0.column - 63.5) <= 6.4 + 1e-5 })
        #expect(shifts.contains { abs($0.row - 47.5) > 4.6 } && shifts.contains { abs($0.column - 63.5) > 6.2 })
    }

    /// The crop keeps its size and stays in the slice, whatever its shape; it is turned only where the turned window fits.
    @Test(arguments: [(96, 128, false), (40, 100, false), (40, 90, true), (96, 96, true), (1, 1, true)])
    func cropsOfAnyShape(height: Int, width: Int, turns: Bool) {
        var configuration = Configuration.none
        configuration.flips = .init()
        configuration.quarterTurns = .init()
        var slice = TestSlice(height: 96, width: 128)
        slice.image = (0..<96 * 128).map(Float.init)
        var seen: Set<Int> = []
        var corners: Set<Float> = []
        for position in 0..<300 {
            let map = Self.draw(configuration, position, height: height, width: width)
            seen.insert(map.orientation.quarterTurns)
            let crop = slice.sampled(through: map).image  // a value twice if the window leaves the slice, which is mirrored there
            #expect(crop.count == height * width && Set(crop).count == crop.count)
            corners.insert(crop[0])
        }
        #expect(seen == (turns ? [0, 1, 2, 3] : [0, 2]))
        #expect(corners.count >= 4)
    }

    /// Each kind with strong handles: no fold anywhere in the crop's own grid, the slice's corners stay, and the handles do move.
    @Test(arguments: MovingLeastSquares.Kind.allCases) func deformationsDoNotFold(kind: MovingLeastSquares.Kind) {
        var deformation = Configuration.Deformation()
        deformation.kind = kind
        var shrunk = 0
        for sigma in [6.0, 40] {
            deformation.sigma = sigma
            for position in 0..<40 {
                let random = RandomStream(seed: 8, purpose: .augmentation, ordinal: 8, position: UInt64(position))
                let map = deformation.draw(random, height: 256, width: 192)
                var sample = SampleMap(height: 256, width: 192)
                sample.deformation = map
                #expect(sample.grid(sliceHeight: 256, sliceWidth: 192).smallestJacobian > 0.1, "\(kind) \(sigma) \(position)")
                for (x, y) in [(0.0, 0.0), (191, 0), (0, 255), (191, 255), (95.5, 0), (191, 127.5)] {
                    let place = map(x: x, y: y)
                    #expect(place.x == x && place.y == y)
                }
                let lengths = map.handles.map { hypot($0.targetX - $0.x, $0.targetY - $0.y) }
                #expect(lengths.count == 24 && lengths.filter { $0 == 0 }.count == 8)
                // Cut at 0.35 of the handles' spacing, 191/4; reached often with σ = 40 unless all were halved.
                #expect(lengths.max()! <= 0.35 * 191 / 4 + 1e-9 && lengths.max()! > 0.1)
                if sigma == 40 && lengths.max()! < 0.34 * 191 / 4 { shrunk += 1 }
            }
        }
        #expect(shrunk > 0, "some of the strong deformations would have folded")
    }

    /// Slices of a few pixels, down to one: the handles are closer than pixels, and everything still has an end.
    @Test(arguments: MovingLeastSquares.Kind.allCases, [(1, 1), (1, 6), (2, 3), (5, 7)])
    func tinySlices(kind: MovingLeastSquares.Kind, size: (height: Int, width: Int)) {
        var configuration = Self.everything
        configuration.deformation?.kind = kind
        let slice = TestSlice(height: size.height, width: size.width)
        for position in 0..<50 {
            let map = configuration.drawMap(
                seed: 1, position: position, height: size.height, width: size.width, sliceHeight: size.height, sliceWidth: size.width)
            let result = slice.sampled(through: map)
            #expect(result.image.allSatisfy { abs($0) <= 1.0001 } && result.label.allSatisfy { $0 == 0 || $0 == 1 })
        }
    }

    /// The label follows the image: a label made of the image by a threshold is still (almost) the threshold of the new image.
    @Test func labelFollowsImage() {
        var slice = TestSlice(height: 96, width: 128)
        for row in 0..<96 {
            for column in 0..<128 {
                slice.image[row * 128 + column] = Float(sin(Double(row) * 0.21) + cos(Double(column) * 0.17))
                slice.label[row * 128 + column] = slice.image[row * 128 + column] > 0 ? 1 : 0
            }
        }
        for position in 0..<20 {
            let result = slice.sampled(through: Self.draw(Self.everything, position))
            let agreeing = zip(result.image, result.label).count { ($0 > 0 ? 1 : 0) == $1 }
            #expect(Double(agreeing) / Double(result.label.count) > 0.97)
            #expect(result.label.allSatisfy { $0 == 0 || $0 == 1 })
        }
    }

    @Test func yaml() throws {
        func decode(_ json: String) throws -> Configuration { try JSONDecoder().decode(Configuration.self, from: Data(json.utf8)) }
        for preset in Configuration.presets {
            #expect(Configuration(preset: preset.name) == preset.configuration)
            #expect(try decode("\"\(preset.name)\"") == preset.configuration)
            #expect(try JSONDecoder().decode(Configuration.self, from: JSONEncoder().encode(preset.configuration)) == preset.configuration)
        }
        #expect(Configuration(preset: "strongest") == nil)
        let partial = try decode(#"{"rotation": {"degrees": 20}, "deformation": {"kind": "affine", "sigma": 3}, "quarter-turns": {}}"#)
        var expected = Configuration.none
        expected.rotation = .init(degrees: 20)
        expected.quarterTurns = .init()
        expected.deformation = .init()
        expected.deformation?.kind = .affine
        expected.deformation?.sigma = 3
        #expect(partial == expected)

        func message(_ json: String) -> String {
            do {
                _ = try decode(json)
                return "decoded"
            } catch DecodingError.dataCorrupted(let context) {
                return context.debugDescription
            } catch {
                return "\(error)"
            }
        }
        #expect(message(#""strongest""#) == #"no augmentation is called "strongest"; there are: none, light, standard, strong"#)
        #expect(message(#"{"rotations": {}}"#).hasPrefix(#"unknown key "rotations"; there are: flips, quarter-turns, rotation"#))
        #expect(message(#"{"zoom": {"fraction": 0.1, "degrees": 3}}"#) == #"unknown key "degrees"; there are: fraction, probability"#)
        #expect(message(#"{"rotation": {}}"#).contains("degrees"))
    }

    @Test func validation() throws {
        try Configuration.none.validate()
        for preset in Configuration.presets { try preset.configuration.validate() }
        func expectError(_ setting: String, _ change: (inout Configuration) -> Void) {
            var configuration = Configuration.strong
            change(&configuration)
            #expect { try configuration.validate() } throws: { ($0 as? AugmentationError)?.setting == setting }
        }
        expectError("flips.vertical") { $0.flips?.vertical = 1.5 }
        expectError("quarter-turns.probability") { $0.quarterTurns?.probability = -0.1 }
        expectError("rotation.degrees") { $0.rotation?.degrees = 200 }
        expectError("rotation.probability") { $0.rotation?.probability = .nan }
        expectError("shift.fraction") { $0.shift?.fraction = 5 }
        expectError("shear.degrees") { $0.shear?.degrees = 90 }
        expectError("zoom.fraction") { $0.zoom?.fraction = 1 }
        expectError("deformation.grid") { $0.deformation?.grid = 0 }
        expectError("deformation.sigma") { $0.deformation?.sigma = -1 }
        expectError("deformation.alpha") { $0.deformation?.alpha = 0 }
        expectError("elastic.grid") { $0.elastic?.grid = 1 }
        expectError("elastic.sigma") { $0.elastic?.sigma = -1 }
        expectError("fold.width") { $0.fold?.width = 0 }
        expectError("brightness.range") { $0.brightness?.range = 2 }
        expectError("contrast.range") { $0.contrast?.range = 1 }
        expectError("gamma.range") { $0.gamma?.range = .nan }
        expectError("blur.sigma") { $0.blur?.sigma = 200 }
        expectError("dark-band.fraction") { $0.darkBand?.fraction = 1.5 }
        expectError("missing.probability") { $0.missing?.probability = -0.1 }
        expectError("noise.sigma") { $0.noise?.sigma = -1 }
        expectError("fill.value") { $0.fill.value = .infinity }
        var configuration = Configuration.none
        configuration.rotation = .init(degrees: 200)
        #expect { try configuration.validate() } throws: { "\($0)" == "augmentation, rotation.degrees: 200.0 is not in 0.0 ... 180.0" }
    }

    @Test func cropNames() throws {
        for (text, crop) in [("full", Crop.full), ("256", .square(256)), ("192x256", .size(height: 192, width: 256))] {
            #expect(Crop(text) == crop && crop.description == text)
            #expect(try JSONDecoder().decode([Crop].self, from: JSONEncoder().encode([crop])) == [crop])
        }
        for text in ["", "0", "-3", "x", "12x", "12x0", "1x2x3", "Full", "2.5"] { #expect(Crop(text) == nil, "\(text)") }
        #expect(try JSONDecoder().decode([Crop].self, from: Data("[128]".utf8)) == [.square(128)])
        #expect(throws: DecodingError.self) { try JSONDecoder().decode([Crop].self, from: Data("[0]".utf8)) }
        for (crop, height, width) in [(Crop.full, 3, 4), (.square(2), 2, 2), (.size(height: 1, width: 5), 1, 5)] {
            let size = crop.size(height: 3, width: 4)
            #expect(size.height == height && size.width == width)
        }
    }
}
