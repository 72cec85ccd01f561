/// The XML that OME-TIFF keeps in the ImageDescription of a file's first page, as far as a stack of pages needs it.
///
/// Written is one `Image` with one `Pixels` block whose planes are the directories in their order (schema 2016-06, which Bio-Formats,
/// tifffile, napari and QuPath read).
struct OMEDescription {
    /// Size of the pixels.
    let metadata: VolumeMetadata
    /// Channels that alternate fastest among the planes; 1 if they do not.
    let channels: Int

    /// The description, if `text` is one of OME.
    init?(_ text: String) {
        // What is looked for is ASCII: among bytes it is found much faster than among characters.
        let bytes = text.utf8
        guard bytes.firstRange(ofText: "<OME") != nil, let start = bytes.firstRange(ofText: "<Pixels")?.upperBound,
            let end = bytes[start...].firstIndex(of: UInt8(ascii: ">"))
        else { return nil }
        let pixels = bytes[start..<end]
        func attribute(_ name: String) -> String? {
            guard let start = pixels.firstRange(ofText: " \(name)=\"")?.upperBound,
                let end = pixels[start...].firstIndex(of: UInt8(ascii: "\""))
            else { return nil }
            return Self.plain(Substring(pixels[start..<end]))
        }
        // The schema's own default is the micrometre.
        func size(_ axis: String) -> (Double, unit: String)? {
            guard let value = attribute("PhysicalSize\(axis)").flatMap(Double.init), value > 0, value.isFinite else { return nil }
            return (value, attribute("PhysicalSize\(axis)Unit") ?? "µm")
        }
        var metadata = VolumeMetadata()
        if let x = size("X") {
            metadata.unit = x.unit
            /// In the unit of x, where a file has several.
            func inUnitOfX(_ size: (Double, unit: String)?) -> Double? {
                guard let size else { return nil }
                if size.unit == x.unit { return size.0 }
                guard let from = VolumeMetadata.micrometres(in: size.unit), let to = VolumeMetadata.micrometres(in: x.unit) else {
                    return nil
                }
                return size.0 * from / to
            }
            metadata.pixelWidth = x.0
            metadata.pixelHeight = inUnitOfX(size("Y")) ?? x.0
            metadata.zSpacing = inUnitOfX(size("Z"))
        }
        self.metadata = metadata
        let order = attribute("DimensionOrder") ?? "XYZCT", count = attribute("SizeC").flatMap { Int($0) } ?? 1
        channels = order.hasPrefix("XYC") && (1...1 << 16).contains(count) ? count : 1
    }

    /// Without the references that XML writes for some characters.
    private static func plain(_ text: Substring) -> String {
        var text = String(text)
        guard text.utf8.contains(UInt8(ascii: "&")) else { return text }
        for (reference, character) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'")] {
            text = text.replacing(reference, with: character)
        }
        text = text.replacing(/&#(x?)([0-9A-Fa-f]{1,6});/) { match in
            UInt32(match.2, radix: match.1.isEmpty ? 10 : 16).flatMap { Unicode.Scalar($0) }.map { String($0) } ?? ""
        }
        return text.replacing("&amp;", with: "&")
    }

    /// The description of a stack that we write.
    ///
    /// - Parameters:
    ///   - shape: its pages; their channels are samples of a pixel, or with `isHyperstack` planes of their own, one after another.
    ///   - name: of the image.
    static func text(name: String, shape: VolumeShape, isHyperstack: Bool, pixelType: PixelType, metadata: VolumeMetadata) -> String {
        var sizes = ""
        let unit = metadata.unit.flatMap { schemaUnits[$0] }
        // A length whose unit the schema does not know cannot be told.
        for (axis, size) in [("X", metadata.pixelWidth), ("Y", metadata.pixelHeight), ("Z", metadata.zSpacing)] {
            if let size, let unit { sizes += " PhysicalSize\(axis)=\"\(size)\" PhysicalSize\(axis)Unit=\"\(unit)\"" }
        }
        let samples = isHyperstack ? 1 : shape.channels, channels = shape.channels / samples
        let list = (0..<channels).map { "<Channel ID=\"Channel:0:\($0)\" SamplesPerPixel=\"\(samples)\"/>" }.joined()
        let type = pixelType == .float32 ? "float" : pixelType.rawValue
        let escaped = name.unicodeScalars.map { character in
            character.isASCII && !"<>&\"".unicodeScalars.contains(character) && character.value >= 32
                ? String(character) : "&#\(character.value);"
        }.joined()
        return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
            + "<OME xmlns=\"http://www.openmicroscopy.org/Schemas/OME/2016-06\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
            + "xsi:schemaLocation=\"http://www.openmicroscopy.org/Schemas/OME/2016-06 http://www.openmicroscopy.org/Schemas/OME/2016-06/ome.xsd\">"
            + "<Image ID=\"Image:0\" Name=\"\(escaped)\"><Pixels ID=\"Pixels:0\" DimensionOrder=\"XYCZT\" Type=\"\(type)\" "
            + "SizeX=\"\(shape.width)\" SizeY=\"\(shape.height)\" SizeC=\"\(shape.channels)\" SizeZ=\"\(shape.pages)\" SizeT=\"1\"\(sizes)>"
            + "\(list)<TiffData IFD=\"0\" PlaneCount=\"\(shape.pages * channels)\"/></Pixels></Image></OME>"
    }

    /// The schema's names of lengths, of what other programs call them. TIFF keeps ASCII.
    private static let schemaUnits = [
        "nm": "nm", "nanometer": "nm", "µm": "&#181;m", "μm": "&#181;m", "um": "&#181;m", "micron": "&#181;m", "microns": "&#181;m",
        "micrometer": "&#181;m", "mm": "mm", "cm": "cm", "m": "m", "Å": "&#197;", "angstrom": "&#197;", "pm": "pm", "inch": "in",
    ]
}
