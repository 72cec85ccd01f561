/// What a file's name says it is: images or their labels, and which other images or labels it belongs to.
///
/// Names are cut into words at everything that is no letter, between letters and digits, and where a small letter meets a capital:
/// `imagesTr/Slice_007-mask.tif` is `images tr / slice 007 mask`.
struct VolumeRole: Equatable {
    enum Kind: Equatable { case images, labels, unknown }

    /// Part of the data, as far as the names tell.
    enum Part: String, Codable, Sendable, CaseIterable { case training, validation, test }

    let kind: Kind
    let part: Part
    /// What is left of the name without the words that say the kind: images and labels that belong together have it in common.
    let key: String
    /// The same of the file's own name.
    let ownKey: String

    private static let imageWords: Set<String> = [
        "image", "images", "img", "imgs", "im", "raw", "volume", "volumes", "vol", "input", "inputs", "picture", "pictures", "photo", "em",
        "source",
    ]
    private static let labelWords: Set<String> = [
        "label", "labels", "mask", "masks", "seg", "segs", "segmentation", "segmentations", "annotation", "annotations", "annotated", "gt",
        "groundtruth", "truth", "target", "targets", "labeled", "labelled",
    ]
    private static let testWords: Set<String> = ["test", "tests", "testing", "ts"]
    private static let validationWords: Set<String> = ["validation", "valid", "val", "va", "dev"]

    /// The role of a file by its path, as far as that was found in the data that the user named.
    init(path: String) {
        let components = path.split(separator: "/").map(String.init)
        let stem = Self.words(Self.stem(components.last ?? ""))
        let folders = components.dropLast().map(Self.words)
        // The innermost folder that says anything; a folder of labels often holds files that are called after their images.
        let folder = folders.lazy.reversed().map(Self.kind).first { $0 != .unknown } ?? .unknown
        let own = Self.kind(stem)
        kind = own == .labels ? .labels : folder != .unknown ? folder : own
        let all = folders.flatMap { $0 } + stem
        part = !Self.testWords.isDisjoint(with: all) ? .test : !Self.validationWords.isDisjoint(with: all) ? .validation : .training
        ownKey = Self.key(stem)
        key = (folders.map(Self.key).filter { !$0.isEmpty } + [ownKey]).joined(separator: "/")
    }

    /// A role with its kind decided otherwise.
    init(path: String, kind: Kind) {
        let named = VolumeRole(path: path)
        (self.kind, part, key, ownKey) = (kind, named.part, named.key, named.ownKey)
    }

    private static func kind(_ words: [String]) -> Kind {
        let pairs = zip(words, words.dropFirst()).map { $0 + $1 }  // ground truth
        if !labelWords.isDisjoint(with: words + pairs) { return .labels }
        if !imageWords.isDisjoint(with: words) { return .images }
        // X and Y are images and labels where they are all that a name says; tile_x3_y7 is a place.
        return letters(words) == ["y"] ? .labels : letters(words) == ["x"] ? .images : .unknown
    }

    private static func key(_ words: [String]) -> String {
        let single = letters(words).count == 1
        var left = words.filter {
            !imageWords.contains($0) && !labelWords.contains($0) && $0 != "ground" && !(single && ($0 == "x" || $0 == "y"))
        }
        // nnU-Net calls the first channel of a case CASE_0000, and its labels CASE.
        if left.count > 1, left.last == "0000" { left.removeLast() }
        return left.joined(separator: " ")
    }

    private static func letters(_ words: [String]) -> [String] { words.filter { $0.first?.isLetter == true } }

    /// Without the last extension, two of `.ome.tif`.
    private static func stem(_ name: String) -> String {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count < 2 ? name : parts.dropLast(parts.count > 2 && parts[parts.count - 2] == "ome" ? 2 : 1).joined(separator: ".")
    }

    static func words(_ text: String) -> [String] {
        enum Sort { case small, capital, digit, other }
        func sort(_ c: Character) -> Sort { c.isNumber ? .digit : !c.isLetter ? .other : c.isUppercase ? .capital : .small }
        var words: [String] = [], last = Sort.other
        for c in text {
            let now = sort(c)
            defer { last = now }
            if now == .other { continue }
            if words.isEmpty || last == .other || (now == .digit) != (last == .digit) || last == .small && now == .capital {
                words.append("")
            }
            words[words.count - 1] += c.lowercased()
        }
        return words
    }
}
