/// A slice whose scores are being computed: truth and probabilities, and the parts of the work, which may be done in any order by several
/// threads, each with a `Workspace` of its own.
package final class ScoredSlice: @unchecked Sendable {
    /// Parts of the work: one for each threshold, and one for the Hausdorff distance.
    package static let parts = PixelScores.thresholds.count + 1

    private let layout: FramedLayout
    private let interior: UnsafeMutablePointer<UInt8>
    private let probabilities: UnsafeMutablePointer<Float>
    private let truth: TrueSegments
    private let pixels: PixelScores
    // Each element is written by the one thread that computes the part.
    private let segments: UnsafeMutablePointer<SliceScores.SegmentScores?>
    private let hausdorffDistance: UnsafeMutablePointer<Double>

    /// Takes over a slice.
    /// - Parameters:
    ///   - probabilities: Of the interior, `height` × `width`, 0 … 1.
    ///   - labels: Interior where above 0.
    package init(probabilities: UnsafeBufferPointer<Float>, labels: UnsafeBufferPointer<Float>, height: Int, width: Int) {
        precondition(
            probabilities.count == height * width && labels.count == height * width,
            "ScoredSlice: \(probabilities.count) probabilities and \(labels.count) labels for \(height) × \(width)")
        layout = FramedLayout(height: height, width: width)
        interior = .allocate(capacity: layout.count)
        self.probabilities = .allocate(capacity: layout.count)
        layout.fill(interior, frame: 0, from: labels) { $0 > 0 ? 1 : 0 }
        layout.fill(self.probabilities, frame: 0, from: probabilities) { $0 }
        truth = TrueSegments(interior: interior, layout: layout)
        var pixels = PixelScores()
        pixels.add(probabilities: probabilities, labels: labels)
        self.pixels = pixels
        segments = .allocate(capacity: Self.parts - 1)
        segments.initialize(repeating: nil, count: Self.parts - 1)
        hausdorffDistance = .allocate(capacity: 1)
        hausdorffDistance.initialize(to: .nan)
    }

    deinit {
        interior.deallocate()
        probabilities.deallocate()
        segments.deallocate()
        hausdorffDistance.deallocate()
    }

    /// One thread's memory for slices of one size.
    package final class Workspace {
        fileprivate let layout: FramedLayout
        fileprivate let proposal: UnsafeMutablePointer<UInt8>
        fileprivate var segmentation: Segmentation
        fileprivate var warping: Warping

        package init(height: Int, width: Int) {
            layout = FramedLayout(height: height, width: width)
            proposal = .allocate(capacity: layout.count)
            segmentation = Segmentation(layout: layout)
            warping = Warping(layout: layout)
        }

        deinit {
            proposal.deallocate()
            segmentation.deallocate()
            warping.deallocate()
        }
    }

    /// Does one part of the work, 0 ..< `parts`.
    package func compute(part: Int, _ workspace: Workspace) {
        precondition(workspace.layout == layout, "ScoredSlice: a workspace for another size")
        if part < Self.parts - 1 {
            segments[part] = score(threshold: PixelScores.thresholds[part], workspace)
        } else {
            hausdorffDistance.pointee = computeHausdorffDistance()
        }
    }

    /// The scores, after all parts are done.
    package var scores: SliceScores {
        SliceScores(
            pixels: pixels, segments: (0..<Self.parts - 1).map { segments[$0]! }, hausdorffDistance: hausdorffDistance.pointee)
    }

    private func score(threshold: Double, _ workspace: Workspace) -> SliceScores.SegmentScores {
        let proposal = workspace.proposal
        for pixel in 0..<layout.count { proposal[pixel] = Double(probabilities[pixel]) > threshold ? 1 : 0 }
        workspace.segmentation.findComponents(of: proposal)
        let labels = workspace.segmentation.labels
        let components = truth.overlap(with: labels, count: workspace.segmentation.count)
        workspace.segmentation.growOverBorder()
        let thinned = truth.overlap(with: labels, count: workspace.segmentation.count)
        let mismatches = workspace.warping.mismatches(
            truth: interior, probabilities: probabilities, threshold: threshold, segmentation: &workspace.segmentation)
        return .init(components: components, thinned: thinned, splits: mismatches.splits, merges: mismatches.merges)
    }

    private func computeHausdorffDistance() -> Double {
        let threshold = PixelScores.thresholds[PixelScores.half]
        let height = layout.width, width = layout.height  // the frame's columns are the rows of the distances
        func place(_ pixel: Int) -> Int { layout.column(pixel / width).lowerBound + pixel % width }
        func isTrue(_ pixel: Int) -> Bool { interior[place(pixel)] != 0 }
        func isProposed(_ pixel: Int) -> Bool { Double(probabilities[place(pixel)]) > threshold }
        func farthest(_ isInSet: (Int) -> Bool, from isInOther: (Int) -> Bool) -> Int {
            let distances = SquaredDistances(height: height, width: width, to: isInOther)
            return (0..<height * width).reduce(0) { isInSet($1) ? max($0, distances.values[$1]) : $0 }
        }
        let farthest = max(farthest(isTrue, from: isProposed), farthest(isProposed, from: isTrue))
        return farthest == .max ? .infinity : Double(farthest).squareRoot()
    }
}

extension SliceScores {
    /// The scores of one slice, computed by the calling thread.
    /// - Parameters:
    ///   - probabilities: Of the interior, `height` × `width`, 0 … 1.
    ///   - labels: Interior where above 0.
    ///   - height: Rows.
    ///   - width: Columns.
    public init(probabilities: UnsafeBufferPointer<Float>, labels: UnsafeBufferPointer<Float>, height: Int, width: Int) {
        let slice = ScoredSlice(probabilities: probabilities, labels: labels, height: height, width: width)
        let workspace = ScoredSlice.Workspace(height: height, width: width)
        for part in 0..<ScoredSlice.parts { slice.compute(part: part, workspace) }
        self = slice.scores
    }
}
