/// What is done to the raw values of images before a network sees them. It is stored with the network, so that the same is
/// done at prediction.
public enum Normalization: Codable, Equatable, Sendable {
    /// Every sample is divided by a number.
    case divide(by: Float)
    /// In each slice by itself, each channel has its mean subtracted and is divided by its standard deviation. A slice without
    /// contrast becomes zeros: blank sections occur in real stacks.
    case slice
    /// The same with mean and standard deviation of all slices of the volume, which are those of each volume by itself.
    case volume

    /// The rule for images of a type when nothing else is asked for: divide by its largest value, and leave floating-point
    /// numbers as they are.
    public static func standard(for type: PixelType) -> Normalization { .divide(by: type.maximum ?? 1) }
}

/// A normalization made ready for one volume.
public struct Normalizer: Sendable {
    /// What is done.
    public let normalization: Normalization
    /// For each volume that the pages come from, one after another: its pages, and its channels' moments.
    private let volumes: [(pages: Range<Int>, moments: [PixelMoments])]

    /// Prepares to normalise the pages of `volume`.
    ///
    /// - Parameters:
    ///   - normalization: what is to be done.
    ///   - volume: whose pages it is done to.
    ///   - moments: gives the moments of each of some pages, channel after channel; only `Normalization.volume` asks, for each of
    ///     the volumes that `volume` is made of.
    /// - Throws: what `moments` throws; `ImagingError` if all pixels of a channel are the same.
    public init(
        _ normalization: Normalization, for volume: VolumeReader, moments: (Range<Int>) throws -> [[PixelMoments]]
    ) throws {
        self.normalization = normalization
        guard normalization == .volume else {
            volumes = []
            return
        }
        volumes = try volume.sources.map { pages in
            var sums = [PixelMoments](repeating: PixelMoments(), count: volume.shape.channels)
            for page in try moments(pages) {
                for channel in sums.indices { sums[channel].add(page[channel]) }
            }
            if let channel = sums.firstIndex(where: { $0.deviation == 0 }) {
                throw ImagingError(
                    .invalid, volume.place(ofPage: pages.lowerBound).path,
                    "all pixels\(sums.count > 1 ? " of channel \(channel)" : "") are \(sums[channel].mean): the volume cannot be divided by its standard deviation, which is 0"
                )
            }
            return (pages, sums)
        }
    }

    /// The same with moments that are computed here; `afterEachPage` is called after each page that was read for them.
    public init(_ normalization: Normalization, for volume: VolumeReader, afterEachPage: () -> Void = {}) throws {
        try self.init(normalization, for: volume) { pages in
            try pages.map { page in
                defer { afterEachPage() }
                return try volume.moments(ofPage: page)
            }
        }
    }

    /// The moments of all channels of all volumes, where they have a part in the result.
    var moments: [PixelMoments] { volumes.flatMap(\.moments) }
    /// Whether the moments of a page are needed for normalising a part of it.
    package var needsPageMoments: Bool { normalization == .slice }

    /// Normalises a page, or with its moments a part of one, in place: channel after channel, rows of `width` samples.
    package func apply(
        to samples: UnsafeMutableBufferPointer<Float>, page: Int, channels: Int, width: Int, pageMoments: [PixelMoments]? = nil
    ) {
        switch normalization {
        case .divide(let divisor):
            guard divisor != 1 else { return }
            for i in samples.indices { samples[i] /= divisor }
        case .slice:
            var moments = pageMoments ?? [PixelMoments](repeating: PixelMoments(), count: channels)
            if pageMoments == nil { PixelMoments.add(UnsafeBufferPointer(samples), width: width, to: &moments) }
            standardize(samples, moments)
        case .volume:
            standardize(samples, volumes.first { $0.pages.contains(page) }!.moments)
        }
    }

    private func standardize(_ samples: UnsafeMutableBufferPointer<Float>, _ moments: [PixelMoments]) {
        let plane = samples.count / moments.count
        for (channel, moments) in moments.enumerated() {
            let mean = Float(moments.mean), deviation = moments.deviation > 0 ? Float(moments.deviation) : 1
            // All the same, a mean that was rounded may not be.
            let isConstant = moments.deviation == 0
            for i in channel * plane..<(channel + 1) * plane { samples[i] = isConstant ? 0 : (samples[i] - mean) / deviation }
        }
    }
}
