/// The pages of several volumes, one after another.
final class StackPageSource: PageSource {
    let shape: VolumeShape
    var pixelType: PixelType { volumes[0].pixelType }
    var metadata: VolumeMetadata { volumes[0].metadata }
    /// The pages of each volume.
    let ranges: [Range<Int>]
    private let volumes: [VolumeReader]

    init(_ volumes: [VolumeReader]) throws {
        for other in volumes.dropFirst() { try volumes[0].requireAlike(other) }
        self.volumes = volumes
        var shape = volumes[0].shape
        shape.pages = 0
        ranges = volumes.map {
            shape.pages += $0.shape.pages
            return shape.pages - $0.shape.pages..<shape.pages
        }
        self.shape = shape
    }

    func readRows(_ rows: Range<Int>, ofPage page: Int, into samples: UnsafeMutablePointer<Float>) throws {
        let index = index(ofPage: page)
        let buffer = UnsafeMutableBufferPointer(start: samples, count: shape.channels * rows.count * shape.width)
        try volumes[index].readRows(rows, ofPage: page - ranges[index].lowerBound, into: buffer)
    }

    func place(ofPage page: Int) -> (path: String, page: Int)? {
        let index = index(ofPage: page)
        return volumes[index].place(ofPage: page - ranges[index].lowerBound)
    }

    private func index(ofPage page: Int) -> Int { ranges.firstIndex { $0.contains(page) }! }
}
