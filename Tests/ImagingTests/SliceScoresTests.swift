import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct SliceScoresTests {
    /// Rows of text: `#` is interior.
    private struct Picture {
        let height, width: Int
        let values: [Float]

        init(_ rows: String...) {
            (height, width) = (rows.count, rows[0].count)
            values = rows.joined().map { $0 == "#" ? 1 : 0 }
        }
    }

    private static func scores(_ probabilities: [Float], _ truth: [Float], _ height: Int, _ width: Int) -> SliceScores {
        probabilities.withUnsafeBufferPointer { probabilities in
            truth.withUnsafeBufferPointer { SliceScores(probabilities: probabilities, labels: $0, height: height, width: width) }
        }
    }

    /// The scores at threshold 0.5; those of a mask are the same at all thresholds.
    private static func scores(_ proposal: Picture, of truth: Picture) -> (SliceScores, SliceScores.SegmentScores) {
        let scores = scores(proposal.values, truth.values, truth.height, truth.width)
        #expect(scores.segments.allSatisfy { $0 == scores.segments[0] })
        return (scores, scores.segments[5])
    }

    private static let twoCells = Picture("####.####", "####.####", "####.####", "####.####")
    private static let oneCell = Picture("#########", "#########", "#########", "#########")

    @Test(arguments: [true, false]) func truthAgreesWithItself(hasBorder: Bool) {
        let picture = hasBorder ? Self.twoCells : Self.oneCell
        let (scores, segments) = Self.scores(picture, of: picture)
        #expect(segments.components.vRand == 1 && segments.thinned.vRand == 1)
        #expect(segments.components.vInfo == 1 && segments.thinned.vInfo == 1)
        #expect(segments.splits == 0 && segments.merges == 0 && scores.hausdorffDistance == 0)
    }

    /// The border a pixel to the right: of 32 foreground pixels, 4 become border; topology is as it was.
    @Test func shiftedBorder() {
        let shifted = Picture("#####.###", "#####.###", "#####.###", "#####.###")
        let (scores, segments) = Self.scores(shifted, of: Self.twoCells)
        #expect(segments.components.truePairs == 16 * 16 * 2)
        #expect(segments.components.proposedPairs == 16 * 16 + 12 * 12 + 4)
        #expect(segments.components.commonPairs == 16 * 16 + 12 * 12 + 4)
        #expect(segments.thinned == segments.components, "a line of one pixel is as thin as can be")
        #expect(segments.components.randPrecision == 1 && segments.components.randRecall == 404.0 / 512)
        #expect(abs(segments.components.informationPrecision - 1) < 1e-12 && segments.components.informationRecall < 0.8)
        #expect(segments.splits == 0 && segments.merges == 0)
        #expect(scores.hausdorffDistance == 1)
    }

    /// A gap in the border joins both cells: half of the pairs are wrong, nothing is left of the information, one pixel merges.
    @Test func mergedCells() {
        let merged = Picture("####.####", "#########", "####.####", "####.####")
        let (scores, segments) = Self.scores(merged, of: Self.twoCells)
        #expect(segments.components.randPrecision == 0.5 && segments.components.randRecall == 1)
        #expect(abs(segments.components.vRand - 2.0 / 3) < 1e-15)
        #expect(segments.components.informationPrecision == 1 && segments.components.informationRecall == 0)
        #expect(segments.components.vInfo == 0)
        #expect(segments.thinned.commonPairs == 512 && segments.thinned.proposedPairs == 1024)
        #expect(segments.merges == 1 && segments.splits == 0)
        #expect(scores.hausdorffDistance == 1)
    }

    /// A border through a cell of 36 pixels: 16 + 16 + 4 of its own each; one pixel closes the border, and splits.
    @Test func splitCell() {
        let (_, segments) = Self.scores(Self.twoCells, of: Self.oneCell)
        #expect(segments.components.truePairs == 36 * 36)
        #expect(segments.components.proposedPairs == 16 * 16 * 2 + 4 && segments.components.commonPairs == 516)
        #expect(segments.components.randPrecision == 1 && segments.components.randRecall == 516.0 / 1296)
        #expect(segments.components.informationPrecision == 0 && segments.components.informationRecall == 1)
        #expect(segments.splits == 1 && segments.merges == 0)
    }

    /// A hole is a border pixel without thinning, nothing after it, and neither a split nor a merge.
    @Test func hole() {
        let cell = Picture("#####", "#####", "#####", "#####", "#####"), holed = Picture("#####", "#####", "##.##", "#####", "#####")
        let (scores, segments) = Self.scores(holed, of: cell)
        #expect(segments.components.commonPairs == 24 * 24 + 1 && segments.components.truePairs == 25 * 25)
        #expect(segments.thinned.vRand == 1 && segments.thinned.vInfo == 1)
        #expect(segments.splits == 0 && segments.merges == 0)
        #expect(scores.hausdorffDistance == 1)
        let (_, filled) = Self.scores(cell, of: holed)
        #expect(filled.splits == 0 && filled.merges == 0)
    }

    /// A pixel whose neighbours look divided splits a bar, but not a ring, which holds together on the other side.
    @Test func splitsAreGlobal() {
        let bar = Picture(".......", ".#####.", "......."), brokenBar = Picture(".......", ".##.##.", ".......")
        #expect(Self.scores(brokenBar, of: bar).1.splits == 1)
        let ring = Picture(".......", ".#####.", ".#...#.", ".#####.", ".......")
        let brokenRing = Picture(".......", ".##.##.", ".#...#.", ".#####.", ".......")
        #expect(Self.scores(brokenRing, of: ring).1.splits == 0)
        // Two breaks divide it together; but pixels are judged one by one, as in the challenge's program.
        let halves = Picture(".......", ".##.##.", ".#...#.", ".##.##.", ".......")
        #expect(Self.scores(halves, of: ring).1.splits == 0)
    }

    @Test func emptyAndFull() {
        let nothing = Picture("....", "....", "...."), everything = Picture("####", "####", "####")
        let (missing, missed) = Self.scores(nothing, of: everything)
        #expect(missing.hausdorffDistance == .infinity)
        #expect(missed.components.commonPairs == 12 && missed.components.truePairs == 144)
        #expect(missed.thinned.vRand == 1, "without any segment the watershed makes one of the whole slice")
        #expect(Self.scores(everything, of: nothing).1.thinned.vRand == 1, "nothing to find")
        #expect(Self.scores(nothing, of: nothing).0.hausdorffDistance == 0)
        #expect(Self.scores([0.7], [1], 1, 1).segments[5].components.vRand == 1)
    }

    /// The flooding order decides which pixels are dams; a case worked out with the challenge's program.
    @Test func thinningOfTheChallenge() {
        let picture = Picture("####...###", "####...###", "####.#.###", "..........", "##########")
        let expected: [[Int32]] = [
            [1, 1, 1, 1, 1, 0, 4, 4, 4, 4],
            [1, 1, 1, 1, 1, 0, 4, 4, 4, 4],
            [1, 1, 1, 1, 0, 3, 0, 4, 4, 4],
            [0, 0, 0, 0, 2, 0, 2, 0, 0, 0],
            [2, 2, 2, 2, 2, 2, 2, 2, 2, 2],
        ]
        #expect(Self.thinned(picture.values, picture.height, picture.width) == expected.flatMap { $0 })
    }

    private static func thinned(_ interior: [Float], _ height: Int, _ width: Int) -> [Int32] {
        let layout = FramedLayout(height: height, width: width)
        var framed = [UInt8](repeating: 0, count: layout.count)
        for x in 0..<width { for y in 0..<height { framed[layout.column(x).lowerBound + y] = interior[y * width + x] > 0 ? 1 : 0 } }
        var segmentation = Segmentation(layout: layout)
        defer { segmentation.deallocate() }
        framed.withUnsafeBufferPointer { segmentation.findComponents(of: $0.baseAddress!) }
        segmentation.growOverBorder()
        return segmentation.rows
    }

    /// Six by six labels worked out by hand and by scikit-image.
    @Test func overlapOfLabels() {
        let truth: [[Int32]] = [
            [1, 1, 1, 0, 2, 2], [1, 1, 1, 0, 2, 2], [1, 1, 1, 0, 2, 2], [0, 0, 0, 0, 0, 0], [3, 3, 3, 3, 3, 3], [3, 3, 3, 3, 3, 3],
        ]
        let proposal: [[Int32]] = [
            [1, 1, 0, 2, 2, 2], [1, 1, 0, 2, 2, 2], [1, 1, 0, 2, 2, 2], [0, 0, 0, 0, 2, 0], [4, 4, 0, 5, 2, 5], [4, 4, 0, 5, 2, 5],
        ]
        let overlap = SegmentOverlap(truth: truth.flatMap { $0 }, proposal: proposal.flatMap { $0 })
        #expect(abs(Double(overlap.truePairs) / 729 - 0.358024691) < 1e-9)
        #expect(abs(Double(overlap.proposedPairs) / 729 - 0.187928669) < 1e-9)
        #expect(abs(Double(overlap.commonPairs) / 729 - 0.155006859) < 1e-9)
        #expect(abs(overlap.randPrecision - 0.824817518) < 1e-9 && abs(overlap.randRecall - 0.432950192) < 1e-9)
        #expect(abs(overlap.vRand - 0.567839196) < 1e-9)
        #expect(abs(overlap.vInfo - 0.610060598) < 1e-9)
        #expect(abs(overlap.informationPrecision - (1 - 0.166617821 / 1.060856947)) < 1e-8)
        #expect(abs(overlap.informationRecall - (1 - 0.976544257 / 1.870783383)) < 1e-8)
    }

    private struct Fixture: Decodable {
        struct Overlap: Decodable {
            let randError, randPrecision, randRecall, split, merge, trueEntropy, proposedEntropy: Double
        }
        struct Result: Decodable {
            let threshold: Int
            let components, thinned: Overlap
            let labels: [Int32]
            let splits, merges: Int
        }
        struct Case: Decodable {
            let name: String
            let height, width: Int
            let truth, probability: [Float]
            let results: [Result]
            let hausdorff: Double
        }
        let cases: [Case]
    }

    /// `Fixtures/scores.json`: scikit-image's `adapted_rand_error`, `variation_of_information` and `hausdorff_distance`, and thinning and
    /// warping by plain Python.
    @Test func scoresOfScikitImage() throws {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/scores", withExtension: "json"))
        let fixture = try JSONDecoder().decode(Fixture.self, from: Data(contentsOf: url))
        #expect(fixture.cases.count == 4)
        for expected in fixture.cases {
            let scores = Self.scores(expected.probability, expected.truth, expected.height, expected.width)
            #expect(abs(scores.hausdorffDistance - expected.hausdorff) < 1e-12, "\(expected.name)")
            let n = expected.truth.count { $0 > 0 }
            for result in expected.results {
                let place: Comment = "\(expected.name), threshold \(result.threshold)"
                let segments = scores.segments[result.threshold]
                #expect(segments.splits == result.splits && segments.merges == result.merges, place)
                let interior = expected.probability.map { Float(Double($0) > PixelScores.thresholds[result.threshold] ? 1 : 0) }
                let labels = Self.thinned(interior, expected.height, expected.width)
                // Segments have other numbers; they are the same ones if the pairs of numbers are one to one.
                let pairs = Set(zip(labels, result.labels).map { [$0, $1] })
                #expect(Set(pairs.map { $0[0] }).count == pairs.count && Set(pairs.map { $0[1] }).count == pairs.count, place)
                #expect(zip(labels, result.labels).allSatisfy { ($0 == 0) == ($1 == 0) }, place)
                for (overlap, reference) in [(segments.components, result.components), (segments.thinned, result.thinned)] {
                    // scikit-image does not count a pixel with itself, and its precision is our recall.
                    let common = Double(overlap.commonPairs - n)
                    let ours = [
                        1 - 2 * common / Double(overlap.truePairs + overlap.proposedPairs - 2 * n), common / Double(overlap.truePairs - n),
                        common / Double(overlap.proposedPairs - n),
                    ]
                    let theirs = [reference.randError, reference.randPrecision, reference.randRecall]
                    #expect(relativeError(ours, theirs) < 1e-12, place)
                    // H(A|B) is its merge, H(B|A) its split.
                    // A proposal of one segment has no entropy: precision 1, recall 0 by definition.
                    let isOneSegment = reference.proposedEntropy < 1e-9
                    let precision = isOneSegment ? 1 : 1 - reference.merge / reference.trueEntropy
                    let recall = isOneSegment ? 0 : 1 - reference.split / reference.proposedEntropy
                    #expect(abs(overlap.informationPrecision - precision) < 1e-10, place)
                    #expect(abs(overlap.informationRecall - recall) < 1e-10, place)
                }
            }
        }
    }

    /// V-Rand and V-Info are means over slices, the Rand and the warping error come from counts of all slices.
    @Test func volumes() {
        let merged = Picture("####.####", "#########", "####.####", "####.####")
        let slices = [
            Self.scores(merged, of: Self.twoCells).0, Self.scores(Self.twoCells, of: Self.oneCell).0,
            Self.scores(Self.twoCells, of: Self.twoCells).0,
        ]
        #expect(slices.map { SliceScores(encoded: $0.encoded) } == slices)
        #expect(slices[0].encoded.count == SliceScores.encodedCount)
        let volume = VolumeScores(slices: slices)
        let split = 2.0 * 516 / (1296 + 516)
        #expect(abs(volume.bestVRand.vRand - (2.0 / 3 + split + 1) / 3) < 1e-15)
        #expect(abs(volume.bestVInfo.vInfo - 1.0 / 3) < 1e-15)
        #expect(abs(volume.bestRandError.randError - (1 - 2.0 * (512 + 516 + 512) / (512 + 1024 + 1296 + 516 + 512 + 512))) < 1e-15)
        #expect(volume.bestWarpingError.warpingError == 2.0 / (3 * 36))
        #expect(volume.bestVRand.threshold == 0 && volume.curve.count == 11)
        #expect(volume.pixels.pixels == 3 * 36 && volume.hausdorffDistance == 1)
        #expect(volume.curve(ofSlice: 1)[4].vRand == split)
        // The warping error leaves out the last threshold, at which a probability just below 1 is border.
        let late = VolumeScores(slices: [Self.scores(Self.twoCells.values.map { $0 * 0.95 }, Self.twoCells.values, 4, 9)])
        #expect(late.bestVRand.vRand == 1 && late.curve[10].dice == 0 && late.curve[9].vRand == 1)
    }
}
