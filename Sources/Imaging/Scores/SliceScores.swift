/// What is counted of one slice: everything that the scores of a volume are made of.
public struct SliceScores: Equatable, Sendable {
    /// Pixels by truth and probability.
    public let pixels: PixelScores
    /// The segments at each of `PixelScores.thresholds`.
    public let segments: [SegmentScores]
    /// Hausdorff distance in pixels between the true interior and the proposed one at threshold 0.5: the largest distance of a pixel
    /// of either to the other. 0 if both are empty, infinite if one is. The same as `skimage.metrics.hausdorff_distance`.
    public let hausdorffDistance: Double

    /// What is counted of the segments at one threshold.
    public struct SegmentScores: Equatable, Sendable {
        /// Overlap of the true segments with the proposal's 4-connected components.
        public let components: SegmentOverlap
        /// Overlap with the proposal's segments after thinning.
        public let thinned: SegmentOverlap
        /// Pixels at which the proposal divides a segment, and joins segments, after warping.
        public let splits, merges: Int

        /// The numbers that the scores come from.
        public init(components: SegmentOverlap, thinned: SegmentOverlap, splits: Int, merges: Int) {
            (self.components, self.thinned, self.splits, self.merges) = (components, thinned, splits, merges)
        }
    }

    /// The scores of a slice, from the numbers of its parts.
    public init(pixels: PixelScores, segments: [SegmentScores], hausdorffDistance: Double) {
        precondition(segments.count == PixelScores.thresholds.count, "SliceScores: segments at \(segments.count) thresholds")
        (self.pixels, self.segments, self.hausdorffDistance) = (pixels, segments, hausdorffDistance)
    }

    /// How many numbers `encoded` has.
    public static let encodedCount = PixelScores().histogram.count + 12 * PixelScores.thresholds.count + 1

    /// The same as plain numbers, to be sent from rank to rank; all counts are below 2⁵³.
    public var encoded: [Double] {
        func numbers(_ overlap: SegmentOverlap) -> [Double] {
            [Double(overlap.truePairs), Double(overlap.proposedPairs), Double(overlap.commonPairs)]
                + [overlap.informationPrecision, overlap.informationRecall]
        }
        return pixels.histogram.map { Double($0) }
            + segments.flatMap { numbers($0.components) + numbers($0.thinned) + [Double($0.splits), Double($0.merges)] }
            + [hausdorffDistance]
    }

    /// The scores that `encoded` gave.
    public init(encoded: some Collection<Double>) {
        precondition(encoded.count == Self.encodedCount, "SliceScores: \(encoded.count) numbers instead of \(Self.encodedCount)")
        var numbers = encoded.makeIterator()
        func next() -> Double { numbers.next()! }
        func overlap() -> SegmentOverlap {
            SegmentOverlap(
                truePairs: Int(next()), proposedPairs: Int(next()), commonPairs: Int(next()), informationPrecision: next(),
                informationRecall: next())
        }
        pixels = PixelScores(histogram: PixelScores().histogram.map { _ in Int(next()) })
        segments = PixelScores.thresholds.map { _ in
            SegmentScores(components: overlap(), thinned: overlap(), splits: Int(next()), merges: Int(next()))
        }
        hausdorffDistance = next()
    }
}
