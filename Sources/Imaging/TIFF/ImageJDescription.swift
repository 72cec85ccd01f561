import Foundation

/// The text that ImageJ keeps in the ImageDescription of a stack's first page: `ImageJ=<version>`, then `key=value` lines.
struct ImageJDescription {
    private var values: [Substring: Substring] = [:]

    /// The description, if `text` is one of ImageJ's.
    init?(_ text: String) {
        guard text.hasPrefix("ImageJ=") else { return nil }
        for line in text.utf8.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            let parts = line.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { values[Substring(parts[0])] = Substring(parts[1]) }
        }
    }

    /// Images in the stack, over all channels, slices and frames.
    var images: Int { values["images"].flatMap { Int($0) } ?? 1 }
    /// Channels, which alternate fastest among the images.
    var channels: Int { values["channels"].flatMap { Int($0) } ?? 1 }
    /// Distance between slices.
    var spacing: Double? { values["spacing"].flatMap { Double($0) } }
    /// Unit of length; ImageJ writes what is not ASCII as `\u00B5`.
    var unit: String? {
        guard let unit = values["unit"], !unit.isEmpty, unit != "pixel" else { return nil }
        guard unit.utf8.contains(UInt8(ascii: "\\")) else { return String(unit) }
        return String(unit).replacing(/\\u([0-9A-Fa-f]{4})/) { match in
            UInt32(match.1, radix: 16).flatMap { Unicode.Scalar($0) }.map { String($0) } ?? ""
        }
    }

    /// The description of a stack that we write. `range` is what is shown from black to white.
    static func text(pages: Int, channels: Int = 1, metadata: VolumeMetadata, range: ClosedRange<Float>?) -> String {
        var lines = ["ImageJ=1.54f"]
        if pages * channels > 1 { lines.append("images=\(pages * channels)") }
        if channels > 1 { lines.append("channels=\(channels)") }
        if pages > 1 { lines.append("slices=\(pages)") }
        if channels > 1 { lines += ["hyperstack=true", "mode=grayscale"] }
        if let unit = metadata.unit {
            lines.append("unit=" + unit.unicodeScalars.map { $0.isASCII ? String($0) : String(format: "\\u%04X", $0.value) }.joined())
        }
        if let spacing = metadata.zSpacing { lines.append("spacing=\(spacing)") }
        lines.append("loop=false")
        if let range { lines += ["min=\(range.lowerBound)", "max=\(range.upperBound)"] }
        return lines.joined(separator: "\n") + "\n"
    }
}
