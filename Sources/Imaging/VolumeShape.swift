/// The size of a stack of pages.
public struct VolumeShape: Equatable, Codable, Sendable, CustomStringConvertible {
    /// Images in the stack.
    public var pages: Int
    /// Rows of a page.
    public var height: Int
    /// Pixels of a row.
    public var width: Int
    /// Samples of a pixel: 1 for grey, 3 for RGB.
    public var channels: Int

    /// A stack of `pages` images of `height` rows of `width` pixels of `channels` samples.
    public init(pages: Int, height: Int, width: Int, channels: Int = 1) {
        self.pages = pages
        self.height = height
        self.width = width
        self.channels = channels
    }

    /// Samples in a page.
    public var pageCount: Int { channels * height * width }

    /// For example `24 pages of 512×400 pixels (width × height)`, with the channels if there are several.
    public var description: String {
        "\(pages) page\(pages == 1 ? "" : "s") of \(width)×\(height) pixels (width × height)"
            + (channels == 1 ? "" : " with \(channels) channels")
    }
}

/// What a stack's file says of the size of its pixels, to be carried from input to output.
public struct VolumeMetadata: Equatable, Codable, Sendable {
    /// The distance between the centres of neighbouring pixels of a row, in `unit`s; nil if not known, like all here.
    public var pixelWidth: Double?
    /// The distance between rows, in `unit`s.
    public var pixelHeight: Double?
    /// The distance between pages, in `unit`s.
    public var zSpacing: Double?
    /// The unit of length, for example `nm` or `µm`.
    public var unit: String?

    /// Metadata of which any part may be unknown.
    public init(pixelWidth: Double? = nil, pixelHeight: Double? = nil, zSpacing: Double? = nil, unit: String? = nil) {
        self.pixelWidth = pixelWidth
        self.pixelHeight = pixelHeight
        self.zSpacing = zSpacing
        self.unit = unit
    }

    /// The three distances (z, y, x) in µm, if those in the plane and what their unit means are known. An unknown distance of pages is 1 unit,
    /// as ImageJ takes it.
    var elementSizeInMicrometres: [Double]? {
        guard let unit, let scale = Self.micrometres(in: unit), let pixelHeight, let pixelWidth else { return nil }
        return [(zSpacing ?? 1) * scale, pixelHeight * scale, pixelWidth * scale]
    }

    /// How many µm a unit of length is; nil if it is not known.
    static func micrometres(in unit: String) -> Double? {
        [
            "nm": 1e-3, "nanometer": 1e-3, "µm": 1, "μm": 1, "um": 1, "micron": 1, "microns": 1, "micrometer": 1, "mm": 1e3, "cm": 1e4,
            "m": 1e6, "Å": 1e-4, "angstrom": 1e-4, "pm": 1e-6, "inch": 25400,
        ][unit]
    }
}
