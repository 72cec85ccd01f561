import Synchronization

/// Images with, if there are any, their labels: some of the pages of two volumes.
///
/// Every process opens the files; a slice is decoded when it is first asked for and then kept, up to a limit. Several
/// threads may read at once. Two datasets over different pages of the same files make a held-out split.
public final class SliceDataset: Sendable {
    /// The volume of images.
    public let images: VolumeReader
    /// The volume of labels.
    public let labels: VolumeReader?
    /// The pages that belong to this dataset, in rising order; its slice 0 is the first of them.
    public let pages: [Int]
    /// The classes that the labels tell apart; `nil` if they are foreground and background.
    public let classes: LabelClasses?
    /// What is done to the raw values of the images, made ready for them.
    public let normalizer: Normalizer
    private let cache: Mutex<PageCache>
    private let labelValues = Mutex<LabelValues?>(nil)

    /// What is done to the raw values of the images.
    public var normalization: Normalization { normalizer.normalization }
    /// The number of slices.
    public var count: Int { pages.count }
    /// Rows of a slice.
    public var height: Int { images.shape.height }
    /// Pixels of a row.
    public var width: Int { images.shape.width }
    /// Samples of an image's pixel; a label has one.
    public var channels: Int { images.shape.channels }

    /// Opens the files and checks that they belong together.
    ///
    /// - Parameters:
    ///   - images: The volumes of images.
    ///   - labels: The volumes of labels, one for each of images.
    ///   - classes: The classes of the labels; by default they have two values, of which the higher is the foreground.
    ///   - pages: The pages to use, in rising order; all of them by default.
    ///   - normalization: What to do to the images; `Normalization.standard` for their type by default.
    ///   - cacheBytes: How much memory decoded slices may take.
    ///   - afterEachPage: Called after each page that is read here, which all are for `Normalization.volume`.
    /// - Throws: `ImagingError` if a file cannot be read, labels and images differ in size, or there are no such pages.
    public init(
        images: VolumePaths, labels: VolumePaths? = nil, classes: LabelClasses? = nil, pages: [Int]? = nil,
        normalization: Normalization? = nil, cacheBytes: Int = 256 << 20, afterEachPage: () -> Void = {}
    ) throws {
        self.classes = classes
        if let labels, labels.paths.count != images.paths.count {
            throw ImagingError(
                .usage, labels.description,
                "each volume of images needs its labels: \(images.paths.count) volumes of images, \(labels.paths.count) of labels")
        }
        let volume = try VolumeReader(images)
        self.images = volume
        self.labels = try labels.map { try VolumeReader($0) }
        if let labels = self.labels {
            let (a, b) = (volume.shape, labels.shape)
            guard (a.pages, a.height, a.width) == (b.pages, b.height, b.width) else {
                throw ImagingError(.invalid, labels.path, "labels and images must be of one size: the labels are \(b), \(images) is \(a)")
            }
            if let (mine, theirs) = zip(volume.sources, labels.sources).first(where: { $0 != $1 }) {
                throw ImagingError(
                    .invalid, labels.place(ofPage: theirs.lowerBound).path,
                    "has \(theirs.count) pages of labels for the \(mine.count) of \(volume.place(ofPage: mine.lowerBound).path)")
            }
            guard b.channels == 1 else {
                throw ImagingError(.invalid, labels.path, "labels must have one channel, not \(b.channels); save them as grey")
            }
        }
        self.pages = pages ?? Array(0..<volume.shape.pages)
        precondition(zip(self.pages, self.pages.dropFirst()).allSatisfy { $0 < $1 }, "SliceDataset: pages \(self.pages) do not rise")
        guard let first = self.pages.first, let last = self.pages.last, first >= 0, last < volume.shape.pages else {
            throw ImagingError(.usage, volume.path, "\(Self.text(of: self.pages)) are asked for; the volume is \(volume.shape)")
        }
        normalizer = try Normalizer(normalization ?? .standard(for: volume.pixelType), for: volume, afterEachPage: afterEachPage)
        cache = Mutex(PageCache(capacity: cacheBytes))
    }

    /// The same with one volume.
    public convenience init(
        images: String, labels: String? = nil, classes: LabelClasses? = nil, pages: [Int]? = nil, normalization: Normalization? = nil,
        cacheBytes: Int = 256 << 20
    ) throws {
        try self.init(
            images: VolumePaths([images]), labels: labels.map { VolumePaths([$0]) }, classes: classes, pages: pages,
            normalization: normalization, cacheBytes: cacheBytes)
    }

    /// The file that a slice is in, and its page there, for messages: `slices/7.png, page 0`.
    public func name(ofSlice slice: Int) -> String {
        let place = images.place(ofPage: pages[slice])
        return "\(place.path), page \(place.page)"
    }

    /// Copies a slice's image, normalised: channel after channel, each row after row.
    ///
    /// - Throws: `ImagingError` if it cannot be read.
    public func readImage(_ slice: Int, into samples: UnsafeMutableBufferPointer<Float>) throws {
        try withImage(slice) { copy($0, to: samples) }
    }

    /// Copies a slice's label, row after row: 1 where there is foreground and 0 elsewhere; with a list of classes each pixel's place in it, and
    /// −1 for what is to be ignored.
    ///
    /// - Throws: `ImagingError` if it cannot be read, or the volume of labels has more than two values, or one that no class has.
    public func readLabel(_ slice: Int, into samples: UnsafeMutableBufferPointer<Float>) throws {
        try withLabel(slice) { copy($0, to: samples) }
    }

    /// Lends a slice's image, as `readImage` would copy it.
    public func withImage<Result>(_ slice: Int, _ body: (UnsafeBufferPointer<Float>) throws -> Result) throws -> Result {
        try page(slice, of: .images) { samples in
            try images.readPage(pages[slice], into: samples)
            guard !images.pixelType.isFloat || samples.allSatisfy(\.isFinite) else {
                throw images.failure(pages[slice], "holds values that are not finite numbers")
            }
            normalizer.apply(to: samples, page: pages[slice], channels: channels, width: width)
        }.withUnsafeBufferPointer(body)
    }

    /// Lends a slice's label, as `readLabel` would copy it.
    public func withLabel<Result>(_ slice: Int, _ body: (UnsafeBufferPointer<Float>) throws -> Result) throws -> Result {
        guard let labels else { preconditionFailure("\(images.path) was opened without labels") }
        if let classes {
            return try page(slice, of: .labels) { try labels.readLabelPage(pages[slice], classes, into: $0) }.withUnsafeBufferPointer(body)
        }
        let threshold = try valuesOfLabels(labels).threshold
        return try page(slice, of: .labels) { samples in
            try labels.readPage(pages[slice], into: samples)
            for i in samples.indices { samples[i] = samples[i] > threshold ? 1 : 0 }
        }.withUnsafeBufferPointer(body)
    }

    /// What is odd about the labels though they can be used: pages of this dataset, or all, that are of a single class, or lack one.
    /// Goes through the whole volume of labels, and calls `afterEachPage` after each of its pages.
    ///
    /// - Throws: `ImagingError` if it cannot be read or has more than two values, or one that no class has.
    public func labelWarnings(afterEachPage: () -> Void = {}) throws -> [String] {
        guard let labels else { return [] }
        if let classes { return try ClassCounts(of: labels, classes, afterEachPage: afterEachPage).warnings(pages: pages) }
        let values = try valuesOfLabels(labels, needsPages: true, afterEachPage: afterEachPage)
        if let only = values.onlyClass(of: Array(0..<labels.shape.pages)) {
            return ["\(labels.path): all pixels of all pages are \(only); a network can learn nothing from labels of one class"]
        }
        if let only = values.onlyClass(of: pages) { return ["\(labels.path): all pixels of \(Self.text(of: pages)) are \(only)"] }
        return []
    }

    /// Labels above this value are foreground; `nil` without labels, and with a list of classes. Goes through the whole volume of labels, unless it
    /// is known already.
    ///
    /// - Throws: `ImagingError` if it cannot be read or has more than two values.
    package func foregroundThreshold() throws -> Float? {
        guard let labels, classes == nil else { return nil }
        return try valuesOfLabels(labels).threshold
    }

    /// Takes what another process, or another dataset of the same labels, has found; where this one has looked itself, nothing changes.
    package func take(foregroundThreshold: Float) {
        labelValues.withLock { $0 = $0 ?? LabelValues(threshold: foregroundThreshold) }
    }

    /// A SHA-256 hash of everything in the files that decides what is learnt: sizes, types, and the samples of this
    /// dataset's slices, but neither names nor compression. Reads every slice once, and calls `afterEachPage` after each page.
    ///
    /// - Throws: `ImagingError` if a slice cannot be read.
    public func fingerprint(afterEachPage: () -> Void = {}) throws -> String {
        var hash = SHA256()
        for volume in [images, labels].compactMap({ $0 }) {
            let shape = volume.shape
            let header = "\(count) \(shape.height) \(shape.width) \(shape.channels) \(volume.pixelType.rawValue)\n"
            Array(header.utf8).withUnsafeBytes { hash.update($0) }
            var samples = [Float](repeating: 0, count: shape.pageCount)
            for page in pages {
                try samples.withUnsafeMutableBufferPointer { try volume.readPage(page, into: $0) }
                // Small types are hashed as they are stored: four times less to go through.
                switch volume.pixelType {
                case .uint8, .boolean: samples.map { UInt8($0) }.withUnsafeBytes { hash.update($0) }
                case .uint16: samples.map { UInt16($0) }.withUnsafeBytes { hash.update($0) }
                default: samples.withUnsafeBytes { hash.update($0) }
                }
                afterEachPage()
            }
        }
        // Slices that are held out have their part in the volume's mean.
        for moments in normalizer.moments {
            for bits in [moments.mean.bitPattern, moments.squares.bitPattern] { withUnsafeBytes(of: bits) { hash.update($0) } }
        }
        return hash.finalize()
    }

    /// For example `page 7`, `pages 0 to 3, 8 to 29`.
    private static func text(of pages: [Int]) -> String {
        if pages.isEmpty { return "no pages" }
        var runs: [ClosedRange<Int>] = []
        for page in pages {
            if let last = runs.last, last.upperBound + 1 == page {
                runs[runs.count - 1] = last.lowerBound...page
            } else {
                runs.append(page...page)
            }
        }
        return (pages.count == 1 ? "page " : "pages ")
            + runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound) to \($0.upperBound)" }.joined(separator: ", ")
    }

    /// The samples of a slice from the cache, or else from `decode`.
    private func page(
        _ slice: Int, of volume: PageCache.Volume, _ decode: (UnsafeMutableBufferPointer<Float>) throws -> Void
    ) throws -> [Float] {
        precondition((0..<count).contains(slice), "slice \(slice) of a dataset of \(count)")
        if let samples = cache.withLock({ $0.page(slice, of: volume) }) { return samples }
        let size = (volume == .images ? channels : 1) * height * width
        let samples = try [Float](unsafeUninitializedCapacity: size) { samples, initialized in
            try decode(UnsafeMutableBufferPointer(rebasing: samples[..<size]))
            initialized = size
        }
        cache.withLock { $0.insert(samples, page: slice, of: volume) }
        return samples
    }

    private func valuesOfLabels(
        _ labels: VolumeReader, needsPages: Bool = false, afterEachPage: () -> Void = {}
    ) throws -> LabelValues {
        try labelValues.withLock { values in
            if let values, values.hasPages || !needsPages { return values }
            let found = try LabelValues(of: labels, afterEachPage: afterEachPage)
            values = found
            return found
        }
    }

    private func copy(_ source: UnsafeBufferPointer<Float>, to samples: UnsafeMutableBufferPointer<Float>) {
        precondition(samples.count == source.count, "a buffer of \(samples.count) samples for a slice of \(source.count)")
        _ = samples.update(from: source)
    }
}
