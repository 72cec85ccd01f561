/// Decoded pages, the least recently used given up when they pass a limit.
struct PageCache {
    /// Which of a dataset's volumes a page is from.
    enum Volume { case images, labels }
    private struct Key: Hashable {
        let volume: Volume
        let page: Int
    }

    private let capacity: Int
    private var pages: [Key: (samples: [Float], lastUse: Int)] = [:]
    private var bytes = 0
    private var clock = 0

    /// An empty cache for `capacity` bytes of samples.
    init(capacity: Int) { self.capacity = capacity }

    /// The samples of a page, if they are here.
    mutating func page(_ page: Int, of volume: Volume) -> [Float]? {
        clock += 1
        pages[Key(volume: volume, page: page)]?.lastUse = clock
        return pages[Key(volume: volume, page: page)]?.samples
    }

    /// Keeps a page, unless it alone passes the limit.
    mutating func insert(_ samples: [Float], page: Int, of volume: Volume) {
        let size = samples.count * MemoryLayout<Float>.size
        let key = Key(volume: volume, page: page)
        guard size <= capacity, pages[key] == nil else { return }
        while bytes + size > capacity, let oldest = pages.min(by: { $0.value.lastUse < $1.value.lastUse }) {
            bytes -= oldest.value.samples.count * MemoryLayout<Float>.size
            pages[oldest.key] = nil
        }
        clock += 1
        pages[key] = (samples, clock)
        bytes += size
    }
}
