/// The scores of a volume, from those of its slices in the order of the slices.
///
/// At every threshold, the Rand error, the pixel error and the warping error pool the counts of all slices; V-Rand and V-Info are means over
/// slices. Then each takes its best threshold: the challenge's rules.
public struct VolumeScores: Equatable, Sendable {
    /// What was counted in each slice.
    public let slices: [SliceScores]
    /// The pixels of all slices together.
    public let pixels: PixelScores
    /// The scores at each of `PixelScores.thresholds`.
    public let curve: [Point]

    /// The scores at one threshold.
    public struct Point: Equatable, Sendable {
        /// A pixel of the proposal is interior if its probability is above it.
        public let threshold: Double
        /// Share of the pixels that are right.
        public let pixelAccuracy: Double
        /// Dice coefficient (the F-score) and intersection over union of the interior.
        public let dice, iou: Double
        /// 1 − the foreground-restricted Rand F-score of the components, without thinning.
        public let randError: Double
        /// The mean V-Rand of the slices after thinning, and its precision (falls with merged segments) and recall (with split ones).
        public let vRand, vRandMerge, vRandSplit: Double
        /// The mean V-Info of the slices after thinning.
        public let vInfo: Double
        /// Split and merged pixels left after warping, as a share of all pixels.
        public let warpingError: Double

        fileprivate init(at index: Int, _ slices: ArraySlice<SliceScores>) {
            var pixels = PixelScores()
            for slice in slices { pixels.merge(slice.pixels) }
            let counts = pixels.confusion(at: index), segments = slices.map { $0.segments[index] }
            threshold = PixelScores.thresholds[index]
            pixelAccuracy = counts.accuracy
            dice = counts.fScore
            iou = counts.iou
            let pairs = segments.map(\.components)
            randError =
                1
                - ratio(
                    2 * pairs.map(\.commonPairs).reduce(0, +),
                    pairs.map(\.truePairs).reduce(0, +) + pairs.map(\.proposedPairs).reduce(0, +))
            func mean(_ score: (SegmentOverlap) -> Double) -> Double {
                segments.map { score($0.thinned) }.reduce(0, +) / Double(segments.count)
            }
            vRand = mean(\.vRand)
            vRandMerge = mean(\.randPrecision)
            vRandSplit = mean(\.randRecall)
            vInfo = mean(\.vInfo)
            warpingError = Double(segments.map { $0.splits + $0.merges }.reduce(0, +)) / Double(pixels.pixels)
        }
    }

    /// The scores of these slices, at least one.
    public init(slices: [SliceScores]) {
        precondition(!slices.isEmpty, "VolumeScores: no slices")
        self.slices = slices
        var pixels = PixelScores()
        for slice in slices { pixels.merge(slice.pixels) }
        self.pixels = pixels
        curve = PixelScores.thresholds.indices.map { Point(at: $0, slices[...]) }
    }

    /// The curve of one slice.
    public func curve(ofSlice slice: Int) -> [Point] { PixelScores.thresholds.indices.map { Point(at: $0, slices[slice...slice]) } }

    /// The point with the smallest Rand error, the lowest threshold of several.
    public var bestRandError: Point { best { -$0.randError } }
    /// The point with the largest V-Rand.
    public var bestVRand: Point { best(\.vRand) }
    /// The point with the largest V-Info.
    public var bestVInfo: Point { best(\.vInfo) }
    /// The point with the smallest warping error; the challenge leaves out the last threshold.
    public var bestWarpingError: Point { best(curve.dropLast()) { -$0.warpingError } }
    /// The largest Hausdorff distance of a slice in pixels, at threshold 0.5.
    public var hausdorffDistance: Double { slices.map(\.hausdorffDistance).max()! }

    private func best(_ score: (Point) -> Double) -> Point { best(curve[...], score) }

    private func best(_ points: ArraySlice<Point>, _ score: (Point) -> Double) -> Point {
        points.dropFirst().reduce(points[points.startIndex]) { score($1) > score($0) ? $1 : $0 }
    }
}
