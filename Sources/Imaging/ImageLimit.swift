import Synchronization

/// How large a page may be that a file claims to have. Memory for a page is taken when the page is read, and a small file can truthfully hold a large
/// one of a single colour: what is larger than the limit is refused when it is opened.
public enum ImageLimit {
    /// The limit where nothing else was said: 2³⁰, four gigabytes of float32.
    public static let standard = 1 << 30

    /// What the option that sets it does.
    package static let explanation =
        "Largest page that a file may claim to have, in pixels times channels; a larger one is refused before memory is taken for it."

    /// Samples of a page, its pixels times their channels, that are allowed, for the whole process.
    public static var samples: Int {
        get { limit.load(ordering: .relaxed) }
        set { limit.store(newValue, ordering: .relaxed) }
    }
    private static let limit = Atomic<Int>(standard)

    /// Pages of a volume, at most: lists of them must not take the memory, and a file of a kilobyte that is mostly a hole can claim any number.
    static let pages = 1 << 24

    /// Throws `ImagingError` if pages of this shape are too large, or too many.
    static func check(_ shape: VolumeShape, _ path: String) throws {
        guard shape.pages <= pages else {
            throw ImagingError(.invalid, path, "claims \(shape.pages) pages; \(pages) are possible")
        }
        let count = Double(shape.height) * Double(shape.width) * Double(shape.channels)
        guard count <= Double(samples) else {
            throw ImagingError(
                .invalid, path,
                "claims pages of \(shape.width)×\(shape.height) pixels\(shape.channels == 1 ? "" : " of \(shape.channels) channels"), and \(samples) are allowed; if that is no damage, allow more with --max-image-pixels"
            )
        }
    }
}
