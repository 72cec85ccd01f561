import Foundation
import Imaging

/// What `check` found out about images and labels.
public struct DataCheckReport: Encodable, Sendable {
    /// How bad a finding is.
    public enum Severity: String, Encodable, Sendable {
        /// Training would end with an error, or learn nothing.
        case error
        /// Training works, but this is probably not what was meant.
        case warning
    }

    /// Something odd.
    public struct Finding: Encodable, Equatable, Sendable {
        /// How bad it is.
        public var severity: Severity
        /// Where, what, and what to do.
        public var text: String
    }

    /// The images of a group.
    public struct Images: Encodable, Equatable, Sendable {
        var slices = 0, height = 0, width = 0, channels = 0
        var type = ""
        var least: Float = 0, greatest: Float = 0
        var mean = 0.0, deviation = 0.0
        var pixelWidth: Double?, pixelHeight: Double?, zSpacing: Double?
        var unit: String?
    }

    /// One value of the labels.
    public struct LabelValue: Encodable, Equatable, Sendable {
        var value: Float
        /// What it stands for.
        var name: String?
        var pixels: Int
        /// Of all pixels.
        var share: Double
    }

    /// The labels of a group.
    public struct Labels: Encodable, Equatable, Sendable {
        var type = ""
        /// The commonest values, in rising order, and how many there are in all.
        var values: [LabelValue] = []
        var distinctValues = 0
        /// The least and the greatest share of foreground of a slice.
        var leastForeground: Double?, greatestForeground: Double?
    }

    /// Pairs that are used together.
    public struct Group: Encodable, Sendable {
        var part: String
        var basis: DataPairing.Basis
        var pairs: [DataPairing.Pair]
        var images: Images?
        var labels: Labels?
    }

    /// What belongs together, and what was found in it.
    public internal(set) var groups: [Group] = []
    /// Volumes that have no partner.
    public internal(set) var imagesAlone: [String] = [], labelsAlone: [String] = [], unknown: [String] = []
    /// What is odd.
    public internal(set) var findings: [Finding] = []
    /// The command that trains on these data; nil where none would work.
    public internal(set) var command: [String]?

    /// 0 when the command would train, 65 when training would fail.
    public var exitStatus: Int32 { hasErrors ? 65 : 0 }
    var hasErrors: Bool { findings.contains { $0.severity == .error } }

    mutating func add(_ severity: Severity, _ text: String) { findings.append(Finding(severity: severity, text: text)) }

    /// One JSON object.
    public var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        guard let data = try? encoder.encode(self) else { preconditionFailure("a report that JSON cannot hold") }
        return String(decoding: data, as: UTF8.self)
    }

    // MARK: - Text

    /// Tables for people.
    public var text: String {
        var lines: [String] = []
        for group in groups {
            let count = "\(group.pairs.count) pair\(group.pairs.count == 1 ? "" : "s")"
            lines += ["\(group.part): \(count) of images and labels, \(Self.words(group.basis))"]
            lines += Self.table(group.pairs)
            if let images = group.images { lines += Self.lines(images) }
            if let labels = group.labels { lines += Self.lines(labels) }
            lines.append("")
        }
        for (title, paths) in [
            ("images without labels (to predict, perhaps)", imagesAlone), ("labels without images", labelsAlone), ("not used", unknown),
        ] where !paths.isEmpty {
            lines += ["\(title):"] + Self.shortened(paths.map { "  \($0)" }, "  … and") + [""]
        }
        lines += findings.map { "\($0.severity.rawValue): \($0.text)" }
        if !findings.isEmpty { lines.append("") }
        if let command {
            lines += ["training would work, for example:", "  " + command.map(BatchScript.quoted).joined(separator: " ")]
        } else {
            lines.append("training would fail; see above")
        }
        return lines.joined(separator: "\n")
    }

    private static func words(_ basis: DataPairing.Basis) -> String {
        switch basis {
        case .given: "as given"
        case .names: "paired by their names"
        case .order: "paired by their order, because their names have nothing in common: look closely"
        case .content: "labels being what has the fewer values"
        }
    }

    /// The first and the last of many lines.
    private static func shortened(_ lines: [String], _ filler: String) -> [String] {
        lines.count <= 8 ? lines : Array(lines.prefix(5)) + ["\(filler) \(lines.count - 7) more …"] + Array(lines.suffix(2))
    }

    private static func table(_ pairs: [DataPairing.Pair]) -> [String] {
        let shown = pairs.count <= 8 ? pairs : Array(pairs.prefix(5)) + Array(pairs.suffix(2))
        let width = shown.map(\.images.count).max() ?? 0
        let lines = shown.map { "  \($0.images.padding(toLength: width, withPad: " ", startingAt: 0))  \($0.labels)" }
        return pairs.count <= 8 ? lines : Array(lines.prefix(5)) + ["  … and \(pairs.count - 7) more …"] + Array(lines.suffix(2))
    }

    private static func lines(_ images: Images) -> [String] {
        let shape = VolumeShape(pages: images.slices, height: images.height, width: images.width, channels: images.channels)
        let values =
            "values \(plain(images.least)) to \(plain(images.greatest)), mean \(short(images.mean)), deviation \(short(images.deviation))"
        var size = "the files tell no pixel size"
        if let width = images.pixelWidth, let height = images.pixelHeight {
            let z = images.zSpacing.map { " × \(short($0))" } ?? ""
            size = "a pixel is \(short(width)) × \(short(height))\(z) \(images.unit ?? "") (x, y\(z.isEmpty ? "" : ", z"))"
        }
        return ["  images  \(shape), \(images.type), \(values)", "          \(size)"]
    }

    private static func lines(_ labels: Labels) -> [String] {
        let kind =
            "\(labels.type), \(labels.distinctValues > PageValues.mostValues ? "more than \(PageValues.mostValues)" : "\(labels.distinctValues)") value\(labels.distinctValues == 1 ? "" : "s")"
        let more = labels.distinctValues > labels.values.count ? ["          … and others"] : []
        var lines = ["  labels  \(kind)"]
        lines += labels.values.map { value in
            let name = value.name.map { " (\($0))" } ?? ""
            return "          \(plain(value.value))\(name): \(percent(value.share)) of the pixels"
        }
        lines += more
        if let least = labels.leastForeground, let greatest = labels.greatestForeground {
            lines.append("          foreground of a slice: \(percent(least)) to \(percent(greatest))")
        }
        return lines
    }

    static func percent(_ share: Double) -> String { "\(fixed(100 * share, share > 0 && share < 0.001 ? 3 : 1)) %" }
    static func plain(_ value: Float) -> String { Int(exactly: value).map { "\($0)" } ?? "\(value)" }
    static func short(_ value: Double) -> String {
        // Four digits are enough to look at; 4 is no 4.000.
        let text = String(format: "%.4g", value)
        return text
    }
}
