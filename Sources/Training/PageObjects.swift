import Imaging

/// Makes numbered objects of the probabilities of a page: the 4-connected components of what is above a threshold, which are what the
/// segmentation scores are taken of. Numbers go through all pages of a volume from 1 on; 0 is background.
///
/// An object is found in one page: that one is the continuation of another in the next page is not known.
final class PageObjects {
    private let threshold: Float
    private var segmentation: Segmentation
    private let interior: UnsafeMutablePointer<UInt8>
    /// The page that is begun.
    private var page: [Float] = []
    private var found: Float = 0

    init(height: Int, width: Int, threshold: Float) {
        self.threshold = threshold
        let layout = FramedLayout(height: height, width: width)
        segmentation = Segmentation(layout: layout)
        interior = .allocate(capacity: layout.count)
        interior.initialize(repeating: 0, count: layout.count)
        page.reserveCapacity(height * width)
    }

    deinit {
        segmentation.deallocate()
        interior.deallocate()
    }

    /// Two numbers and a byte of the framed page, the page and the result.
    var memoryBytes: Int { 9 * segmentation.layout.count + 8 * segmentation.layout.height * segmentation.layout.width }

    /// Takes the next rows of a page; returns the whole page's numbers when they complete it.
    ///
    /// - Throws: `TrainingError` of kind `invalid` when there are more objects than numbers.
    func add(_ rows: UnsafeBufferPointer<Float>) throws -> [Float]? {
        let layout = segmentation.layout
        page += rows
        guard page.count == layout.height * layout.width else { return nil }
        for x in 0..<layout.width {
            let column = layout.column(x).lowerBound
            for y in 0..<layout.height { interior[column + y] = page[y * layout.width + x] > threshold ? 1 : 0 }
        }
        segmentation.findComponents(of: interior)
        // Single precision, in which rows travel, holds every whole number up to here.
        guard Int(found) + segmentation.count <= 1 << 24 else {
            throw TrainingError(.invalid, "there are more than \(1 << 24) objects; predict fewer pages at a time")
        }
        let numbers = segmentation.rows.map { $0 == 0 ? 0 : found + Float($0) }
        found += Float(segmentation.count)
        page.removeAll(keepingCapacity: true)
        return numbers
    }
}
