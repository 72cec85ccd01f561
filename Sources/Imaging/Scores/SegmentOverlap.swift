#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// How well the segments of a slice agree with the true ones: the foreground-restricted Rand and information scores of the ISBI-2012 challenge.
///
/// Of the n pixels that are foreground in the truth, let p_ij be the share that lies in true segment i and proposed segment j ≥ 1, and p₀ the
/// share that the proposal calls border. Each of those border pixels counts as a segment of its own. With the sums a_i and b_j of rows and columns,
///
///     ΣA² = Σ a_i²,   ΣB² = Σ b_j² + p₀/n,   ΣAB² = Σ p_ij² + p₀/n;   Rand precision = ΣAB²/ΣB², recall = ΣAB²/ΣA²,
///
/// and with the entropies of the same distributions, information precision = I(A; B)/H(A), recall = I(A; B)/H(B). Precision falls when
/// segments are merged, recall when they are split. V-Rand and V-Info are their harmonic means.
///
/// Source: Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms for connectomics", 2015.
public struct SegmentOverlap: Equatable, Sendable {
    /// n²ΣA², n²ΣB² and n²ΣAB²: ordered pairs of foreground pixels (a pixel with itself included) that are in one segment of the
    /// truth, of the proposal, of both.
    public let truePairs, proposedPairs, commonPairs: Int
    /// The information scores' precision and recall, 0 … 1.
    public let informationPrecision, informationRecall: Double

    /// The numbers that the scores come from.
    public init(truePairs: Int, proposedPairs: Int, commonPairs: Int, informationPrecision: Double, informationRecall: Double) {
        (self.truePairs, self.proposedPairs, self.commonPairs) = (truePairs, proposedPairs, commonPairs)
        (self.informationPrecision, self.informationRecall) = (informationPrecision, informationRecall)
    }

    /// Rand precision, the merge score: falls when segments are merged.
    public var randPrecision: Double { ratio(commonPairs, proposedPairs) }
    /// Rand recall, the split score: falls when segments are split.
    public var randRecall: Double { ratio(commonPairs, truePairs) }
    /// V-Rand: 1 for the true segments; 1 too where there is no true foreground.
    public var vRand: Double { ratio(2 * commonPairs, truePairs + proposedPairs) }
    /// V-Info: 1 for the true segments.
    public var vInfo: Double {
        let sum = informationPrecision + informationRecall
        return sum > 0 ? 2 * informationPrecision * informationRecall / sum : 0
    }
}

extension SegmentOverlap {
    /// The overlap of any two label images of one size: numbers of segments from 1, and 0 for border pixels.
    public init(truth: [Int32], proposal: [Int32]) {
        precondition(truth.count == proposal.count, "SegmentOverlap: \(truth.count) true labels and \(proposal.count) proposed")
        let segments = truth.withUnsafeBufferPointer {
            TrueSegments(labels: $0.baseAddress!, count: Int(truth.max() ?? 0), pixels: truth.count)
        }
        self = proposal.withUnsafeBufferPointer { segments.overlap(with: $0.baseAddress!, count: Int(proposal.max() ?? 0)) }
    }
}

/// The true segments of a slice, and the overlap of others with them.
struct TrueSegments {
    /// The foreground pixels, segment after segment.
    private var pixels: [Int32]
    /// Where each segment begins in `pixels`, and the end.
    private var starts: [Int] = [0]

    /// The segments 1 ... `count` among `pixels` labels.
    init(labels: UnsafePointer<Int32>, count: Int, pixels: Int) {
        var sizes = [Int](repeating: 0, count: count + 1)
        for pixel in 0..<pixels where labels[pixel] > 0 { sizes[Int(labels[pixel])] += 1 }
        for size in sizes.dropFirst() { starts.append(starts.last! + size) }
        var next = starts
        self.pixels = [Int32](repeating: 0, count: starts.last!)
        for pixel in 0..<pixels where labels[pixel] > 0 {
            let segment = Int(labels[pixel]) - 1
            self.pixels[next[segment]] = Int32(pixel)
            next[segment] += 1
        }
    }

    /// The 4-connected components of the pixels where `interior` is not 0.
    init(interior: UnsafePointer<UInt8>, layout: FramedLayout) {
        var segmentation = Segmentation(layout: layout)
        defer { segmentation.deallocate() }
        segmentation.findComponents(of: interior)
        self.init(labels: segmentation.labels, count: segmentation.count, pixels: layout.count)
    }

    /// The overlap with segments 1 ... `count`; other labels are border pixels.
    func overlap(with labels: UnsafePointer<Int32>, count: Int) -> SegmentOverlap {
        let n = Double(pixels.count)
        var columns = [Int](repeating: 0, count: count + 1), row = columns
        var touched: [Int] = []
        var border = 0, truePairs = 0, commonPairs = 0
        var trueEntropy = 0.0, jointSum = 0.0  // −Σ a ln a, Σ p ln p
        func sum(_ count: Int) -> Double {
            let share = Double(count) / n
            return share * log(share)
        }
        pixels.withUnsafeBufferPointer { pixels in
            for segment in 0..<starts.count - 1 {
                for pixel in pixels[starts[segment]..<starts[segment + 1]] {
                    let label = Int(labels[Int(pixel)])
                    if label <= 0 {
                        border += 1
                        continue
                    }
                    if row[label] == 0 { touched.append(label) }
                    row[label] += 1
                }
                for label in touched {
                    columns[label] += row[label]
                    commonPairs += row[label] * row[label]
                    jointSum += sum(row[label])
                    row[label] = 0
                }
                touched.removeAll(keepingCapacity: true)
                let size = starts[segment + 1] - starts[segment]
                truePairs += size * size
                trueEntropy -= sum(size)
            }
        }
        var proposedPairs = 0, proposedSum = 0.0
        for count in columns where count > 0 {
            proposedPairs += count * count
            proposedSum += sum(count)
        }
        // Each border pixel is a segment of its own: p₀ n segments of size 1/n.
        let singletons = border == 0 ? 0 : Double(border) / n * log(n)
        let proposedEntropy = -(proposedSum - singletons), jointEntropy = -(jointSum - singletons)
        let (precision, recall) = Self.information(trueEntropy, proposedEntropy, jointEntropy)
        return SegmentOverlap(
            truePairs: truePairs, proposedPairs: proposedPairs + border, commonPairs: commonPairs + border,
            informationPrecision: precision, informationRecall: recall)
    }

    /// I(A; B)/H(A) and I(A; B)/H(B). Where a side is one segment its entropy is 0: one true segment gives precision 0 and recall 1, one
    /// proposed segment the opposite, as in the challenge's program; both at once are in full agreement.
    private static func information(_ a: Double, _ b: Double, _ joint: Double) -> (precision: Double, recall: Double) {
        let nothing = 1e-12  // what rounding leaves of an entropy
        switch (a > nothing, b > nothing) {
        case (false, false): return (1, 1)
        case (false, true): return (0, 1)
        case (true, false): return (1, 0)
        case (true, true):
            let mutual = max(0, a + b - joint)
            return (min(1, mutual / a), min(1, mutual / b))
        }
    }
}
