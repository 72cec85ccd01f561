/// What the pages of a label volume hold, and which of it is foreground.
///
/// Integer labels have two distinct values in the whole volume (0 and 1, 0 and 255, …), of which the higher is the
/// foreground; if there is only one, it is foreground unless it is 0. Floating-point labels are foreground above 0.5.
struct LabelValues {
    /// Values above this are foreground.
    let threshold: Float
    /// The least and the greatest value of each page, unless only the threshold was told.
    private let ranges: [ClosedRange<Float>]?

    /// Whether it is known what each page holds.
    var hasPages: Bool { ranges != nil }

    /// What another process has found.
    init(threshold: Float) { (self.threshold, ranges) = (threshold, nil) }

    /// Goes through all pages of a volume.
    ///
    /// - Throws: `ImagingError` if a page cannot be read, or there are more than two values.
    init(of volume: VolumeReader, afterEachPage: () -> Void) throws {
        var values: Set<Float> = []
        var samples = [Float](repeating: 0, count: volume.shape.pageCount)
        ranges = try (0..<volume.shape.pages).map { page in
            try samples.withUnsafeMutableBufferPointer { samples in
                try volume.readPage(page, into: samples)
                var (least, greatest, sum) = (samples[0], samples[0], Float(0))
                for value in samples {
                    least = min(least, value)
                    greatest = max(greatest, value)
                    sum += value
                }
                guard !sum.isNaN else {
                    throw ImagingError(.invalid, volume.path, "page \(page) of the labels holds values that are not numbers")
                }
                afterEachPage()
                guard !volume.pixelType.isFloat else { return least...greatest }
                values.formUnion([least, greatest])
                if !samples.allSatisfy({ $0 == least || $0 == greatest }) || values.count > 2 {
                    let found = values.union(samples).sorted()
                    let list =
                        found.prefix(8).map { Int(exactly: $0).map { String($0) } ?? "\($0)" }.joined(separator: ", ")
                        + (found.count > 8 ? ", …" : "")
                    throw ImagingError(
                        .invalid, volume.path,
                        "labels must have two values, background and foreground; up to page \(page) there are \(found.count): \(list) (for several classes name them with --classes)"
                    )
                }
                return least...greatest
            }
        }
        threshold = volume.pixelType.isFloat ? 0.5 : values.count == 2 ? values.min()! : 0
    }

    /// The single value's class in words if all of `pages` are of one class.
    func onlyClass(of pages: [Int]) -> String? {
        guard let ranges else { preconditionFailure("LabelValues: only the threshold is known") }
        if pages.allSatisfy({ ranges[$0].lowerBound > threshold }) { return "foreground" }
        if pages.allSatisfy({ ranges[$0].upperBound <= threshold }) { return "background" }
        return nil
    }
}
