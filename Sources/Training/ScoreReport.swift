import Foundation
import Imaging

/// The scores of a volume as text: a table to read, JSON and CSV for programs.
public struct ScoreReport {
    private let scores: VolumeScores

    /// A report of these scores.
    public init(_ scores: VolumeScores) { self.scores = scores }

    /// The scores of the volume, by the names of the JSON keys, in the order of the table.
    public var totals: [(name: String, value: Double)] {
        let pixels = scores.pixels, vRand = scores.bestVRand, vInfo = scores.bestVInfo
        let rand = scores.bestRandError, warping = scores.bestWarpingError
        return [
            ("pixel_accuracy", pixels.pixelAccuracy), ("dice", pixels.dice), ("iou", pixels.iou),
            ("hausdorff_distance", scores.hausdorffDistance),
            ("pixel_error", pixels.pixelError), ("threshold", Self.short(pixels.bestThreshold)),
            ("rand_error", rand.randError), ("rand_error_threshold", Self.short(rand.threshold)),
            ("v_rand", vRand.vRand), ("v_rand_threshold", Self.short(vRand.threshold)),
            ("v_rand_merge", vRand.vRandMerge), ("v_rand_split", vRand.vRandSplit),
            ("v_info", vInfo.vInfo), ("v_info_threshold", Self.short(vInfo.threshold)),
            ("warping_error", warping.warpingError), ("warping_error_threshold", Self.short(warping.threshold)),
        ]
    }

    /// A line for each score.
    public var table: String {
        totals.map { name, value in
            let digits = name.hasSuffix("threshold") ? 1 : name == "hausdorff_distance" ? 2 : name == "warping_error" ? 6 : 4
            return name.replacingOccurrences(of: "_", with: " ").padding(toLength: 25, withPad: " ", startingAt: 0) + fixed(value, digits)
                + "\n"
        }.joined()
    }

    /// One object: the totals, `slices` (each with the volume's best thresholds) and `curve` (each threshold).
    public var json: String {
        let slices = scores.slices.indices.map { slice in
            let pixels = scores.slices[slice].pixels, curve = scores.curve(ofSlice: slice)
            func at(_ best: VolumeScores.Point) -> VolumeScores.Point { curve.first { $0.threshold == best.threshold }! }
            let half = curve.first { $0.threshold == pixels.bestThreshold }!
            return Self.object([
                ("slice", "\(slice)"), ("pixel_accuracy", Self.number(pixels.pixelAccuracy)), ("dice", Self.number(pixels.dice)),
                ("iou", Self.number(pixels.iou)),
                ("hausdorff_distance", Self.number(scores.slices[slice].hausdorffDistance)),
                ("pixel_error", Self.number(1 - half.dice)), ("rand_error", Self.number(at(scores.bestRandError).randError)),
                ("v_rand", Self.number(at(scores.bestVRand).vRand)), ("v_info", Self.number(at(scores.bestVInfo).vInfo)),
                ("warping_error", Self.number(at(scores.bestWarpingError).warpingError)),
            ])
        }
        let curve = scores.curve.map { point in Self.object(Self.columns(point).map { ($0.name, Self.number($0.value)) }) }
        return Self.object(
            totals.map { ($0.name, Self.number($0.value)) }
                + [("slices", "[\(slices.joined(separator: ", "))]"), ("curve", "[\(curve.joined(separator: ", "))]")])
    }

    /// A line for each threshold of all slices together (`all`), then of each slice.
    public var csv: String {
        var lines = [(["slice"] + Self.columns(scores.curve[0]).map(\.name)).joined(separator: ",")]
        func add(_ name: String, _ curve: [VolumeScores.Point]) {
            for point in curve { lines.append(([name] + Self.columns(point).map { "\($0.value)" }).joined(separator: ",")) }
        }
        add("all", scores.curve)
        for slice in scores.slices.indices { add("\(slice)", scores.curve(ofSlice: slice)) }
        return lines.map { $0 + "\n" }.joined()
    }

    /// Writes `csv` to a file that appears whole or not at all.
    public func write(csv path: String) throws {
        let file = try AtomicFile(path)
        try Array(csv.utf8).withUnsafeBytes { try file.write($0) }
        try file.commit()
    }

    private static func columns(_ point: VolumeScores.Point) -> [(name: String, value: Double)] {
        [
            ("threshold", short(point.threshold)), ("pixel_accuracy", point.pixelAccuracy), ("dice", point.dice), ("iou", point.iou),
            ("rand_error", point.randError), ("v_rand", point.vRand), ("v_rand_merge", point.vRandMerge),
            ("v_rand_split", point.vRandSplit), ("v_info", point.vInfo), ("warping_error", point.warpingError),
        ]
    }

    /// The thresholds are sums of 0.1; people write 0.8, not 0.7999999999999999.
    private static func short(_ threshold: Double) -> Double { (threshold * 10).rounded() / 10 }

    /// JSON knows no infinity.
    private static func number(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }

    private static func object(_ fields: [(String, String)]) -> String {
        "{" + fields.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ") + "}"
    }
}
