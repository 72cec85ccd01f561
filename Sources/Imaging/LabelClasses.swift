/// The classes that labels tell apart, in the order of a network's outputs, and the value of pixels that are of none.
///
/// As text: `background=0,cell=1,border=2`, or the values alone, `0,1,2`, which are then also the names. The name `ignore` stands for pixels
/// that are of no known class: they count in no loss and no score.
public struct LabelClasses: Codable, Equatable, Sendable, CustomStringConvertible {
    /// The classes; a pixel's class index is a place in this list.
    public let classes: [LabelClass]
    /// The label of pixels that do not count.
    public let ignored: Int?

    /// Why a list of classes was refused: what is allowed.
    public struct Refusal: Error, CustomStringConvertible {
        /// What is wrong and what is allowed.
        public let description: String
    }

    /// What ignored pixels are instead of a class index.
    public static let ignoredIndex: Float = -1
    /// The name that marks the ignored value.
    public static let ignoredName = "ignore"
    /// How many classes there may be.
    static let counts = 2...256

    /// Classes from their values, names and colours (`#rrggbb`; `nil` for one of ours) in order, that called `ignore` being none.
    ///
    /// - Throws: `Refusal`.
    public init(_ entries: [(value: Int, name: String, color: String?)]) throws(Refusal) {
        var classes: [LabelClass] = [], ignored: Int?
        for (value, name, color) in entries {
            if classes.contains(where: { $0.value == value }) || ignored == value {
                throw Refusal(description: "the value \(value) is there twice; each class has one of its own")
            }
            if name == Self.ignoredName {
                guard ignored == nil else { throw Refusal(description: "ignore is there twice; one value can be ignored") }
                guard (-32768...65535).contains(value) else {
                    throw Refusal(description: "ignore=\(value): an integer from -32768 to 65535 is allowed")
                }
                ignored = value
                continue
            }
            guard (0...65535).contains(value) else { throw Refusal(description: "\(name)=\(value): a value is an integer from 0 to 65535") }
            guard !name.isEmpty, name.count <= 40, name.allSatisfy({ $0.isLetter || $0.isNumber || " -_.".contains($0) }) else {
                throw Refusal(description: "'\(name)': a name is made of letters, digits, blanks, '-', '_' and '.', at most 40 of them")
            }
            if classes.contains(where: { $0.name == name }) { throw Refusal(description: "the name '\(name)' is there twice") }
            if let color, LabelClass.rgb(color) == nil { throw Refusal(description: "'\(color)': a color is written as in \"#ff8000\"") }
            classes.append(LabelClass(value: value, name: name, color: color, place: classes.count))
        }
        guard Self.counts.contains(classes.count) else {
            throw Refusal(
                description:
                    "\(classes.count) class\(classes.count == 1 ? "" : "es"); from 2 to 256 are allowed, as in background=0,cell=1,border=2"
            )
        }
        (self.classes, self.ignored) = (classes, ignored)
    }

    /// Classes from text.
    ///
    /// - Throws: `Refusal`.
    public init(text: String) throws(Refusal) {
        var entries: [(value: Int, name: String, color: String?)] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", omittingEmptySubsequences: false).map { $0.trimmed }
            guard sides.count <= 2, let value = sides.last.flatMap({ Int($0) }) else {
                throw Refusal(
                    description: "'\(part)': classes are listed as in background=0,cell=1,border=2, or by their values alone, as in 0,1,2")
            }
            entries.append((value, sides[0], nil))
        }
        try self.init(entries)
    }

    /// Number of classes.
    public var count: Int { classes.count }
    /// The names in order.
    public var names: [String] { classes.map(\.name) }
    /// The greatest value.
    public var greatestValue: Int { classes.map(\.value).max()! }

    /// `background=0, cell=1, ignore=255`.
    public var description: String {
        (classes.map { "\($0.name)=\($0.value)" } + (ignored.map { ["\(Self.ignoredName)=\($0)"] } ?? [])).joined(separator: ", ")
    }

    /// The place of each value's class; −1 for what is ignored, `nil` in no value of the list.
    private var indices: [Float: Float] {
        var indices: [Float: Float] = [:]
        for (index, one) in classes.enumerated() { indices[Float(one.value)] = Float(index) }
        if let ignored { indices[Float(ignored)] = Self.ignoredIndex }
        return indices
    }

    /// Replaces label values by class indices. Returns the first value that no class has, and how often such values occur; `nil` if there is none.
    package func replaceValues(in samples: UnsafeMutableBufferPointer<Float>) -> (value: Float, count: Int)? {
        let indices = indices
        // Neighbours mostly have one label.
        var last = Float.nan, index: Float = 0
        var unknown: (value: Float, count: Int)?
        for i in samples.indices {
            let value = samples[i]
            if value != last {
                guard let found = indices[value] else {
                    unknown = (unknown?.value ?? value, (unknown?.count ?? 0) + 1)
                    continue
                }
                (last, index) = (value, found)
            }
            samples[i] = index
        }
        return unknown
    }

    /// Puts the most probable class, the first of several, of each pixel at the front of `probabilities` (class after class), as its index.
    package static func mostProbable(_ probabilities: UnsafeMutableBufferPointer<Float>, classes: Int) -> UnsafeMutableBufferPointer<Float>
    {
        let pixels = probabilities.count / classes
        precondition(pixels * classes == probabilities.count, "\(probabilities.count) probabilities of \(classes) classes")
        for pixel in 0..<pixels {
            var best = 0, greatest = probabilities[pixel]
            for c in 1..<classes where probabilities[c * pixels + pixel] > greatest {
                (best, greatest) = (c, probabilities[c * pixels + pixel])
            }
            probabilities[pixel] = Float(best)
        }
        return UnsafeMutableBufferPointer(rebasing: probabilities[..<pixels])
    }
}

extension Substring {
    /// Without blanks at the ends.
    fileprivate var trimmed: String {
        var text = self
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
