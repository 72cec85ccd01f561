import Foundation
import Imaging
import Yams

/// A value in a YAML file; `Node` alone is a network's.
typealias YAMLNode = Yams.Node

extension TrainingConfiguration {
    /// Sets every option that the YAML text names.
    mutating func apply(yaml: String, from path: String) throws {
        let root: YAMLNode?
        guard yaml.utf8.count <= Self.longestYAML else {
            throw TrainingError(.invalid, "\(path): \(yaml.utf8.count) bytes are no configuration, which has some lines")
        }
        // A short text of anchors that are repeated in each other stands for more than any memory holds.
        guard !(Self.hasToken("&", in: yaml) && Self.hasToken("*", in: yaml)) else {
            throw TrainingError(.invalid, "\(path): anchors (&name) with aliases (*name) are not taken; write the value where it is wanted")
        }
        do {
            root = try Yams.compose(yaml: yaml, .default, .default, .utf8)
        } catch {
            let text = "\(error)".split(whereSeparator: \.isNewline).first ?? ""
            throw TrainingError(.invalid, "\(path): not valid YAML: \(text)")
        }
        guard let root else { return }  // an empty file, or nothing but comments
        guard let mapping = root.mapping else { throw TrainingError(.invalid, "\(path): expected lines of the form 'option: value'") }
        for (key, value) in mapping {
            let name = key.string ?? ""
            let place = key.mark.map { "\(path), line \($0.line)" } ?? path
            guard let option = TrainingOption.all.first(where: { $0.name == name }) else {
                throw TrainingError(
                    .usage, "\(place): unknown option '\(name)'\(suggestion(for: name, among: TrainingOption.all.map(\.name)))")
            }
            do {
                try option.set(&self, value)
            } catch {
                throw TrainingError(.usage, "\(place): \(name): \(value.string.map { "\($0): " } ?? "")\(error.allowed)")
            }
        }
    }

    /// Bytes of a configuration file, at most.
    private static let longestYAML = 1 << 20

    /// The text of a configuration file.
    ///
    /// - Throws: `TrainingError` if it cannot be read, or is too long to be one.
    static func text(of path: String, files: any FileOperations = SystemFiles()) throws -> String {
        String(decoding: try files.readAll(path, atMost: longestYAML + 1), as: UTF8.self)
    }

    /// Whether something begins with `mark` where a value or key of YAML can begin.
    private static func hasToken(_ mark: Unicode.Scalar, in yaml: String) -> Bool {
        var before: Unicode.Scalar = "\n", isOpen = false
        for scalar in yaml.unicodeScalars {
            if isOpen && !scalar.properties.isWhitespace { return true }
            isOpen = scalar == mark && (before.properties.isWhitespace || "[]{},:?-\"'".unicodeScalars.contains(before))
            before = scalar
        }
        return false
    }

    /// The configuration as YAML that `--config` reads, a line for each option.
    public var yaml: String { entries.map { $0.yaml + "\n" }.joined() }

    /// The same with the options' explanations.
    var explainedYAML: String {
        "# The resolved configuration of this run; train --config reads it.\n"
            + entries.map { "\n# \($0.option.explanation)\n\($0.yaml)\n" }.joined()
    }

    private var entries: [(option: TrainingOption, yaml: String)] {
        TrainingOption.all.compactMap { option in option.get(self).map { (option, serialized(YAMLNode([(YAMLNode(option.name), $0)]))) } }
    }
}

extension TrainingOption {
    /// The name of a preset, or a mapping of the items that are on.
    static func augmentation(_ node: YAMLNode) throws(Refusal) -> AugmentationConfiguration {
        do {
            let value = try YAMLDecoder().decode(AugmentationConfiguration.self, from: node)
            try value.validate()
            return value
        } catch let error as AugmentationError {
            throw Refusal(allowed: error.description)
        } catch let error as DecodingError {
            throw Refusal(allowed: error.line)
        } catch {
            throw Refusal(allowed: "\(error)".split(whereSeparator: \.isNewline).joined(separator: " "))
        }
    }

    static func augmentationNode(_ value: AugmentationConfiguration) -> YAMLNode {
        if value == .none { return YAMLNode("none") }
        // JSON is YAML. The encoder of YAML keeps the order of the items, but writes 0.5 as 5e-1, and of a number 15 digits, which may be another
        // number; that of JSON writes the same number.
        guard let ordered = mapping(try? YAMLEncoder().encode(value)),
            let exact = mapping((try? JSONEncoder().encode(value)).map { String(decoding: $0, as: UTF8.self) })
        else {
            preconditionFailure("AugmentationConfiguration does not encode as a mapping: \(value)")
        }
        return plain(ordered, exact)
    }

    private static func mapping(_ text: String?) -> YAMLNode? {
        guard let node = text.flatMap({ try? Yams.compose(yaml: $0, .default, .default, .utf8) }), node.mapping != nil else { return nil }
        return node
    }

    /// The items in the order of `node` with the numbers of `exact`, which people can read.
    private static func plain(_ node: YAMLNode, _ exact: YAMLNode) -> YAMLNode {
        switch node {
        case .mapping(let mapping):
            YAMLNode(
                mapping.map { key, value in
                    guard let exact = exact[key] else { preconditionFailure("JSON has no \(key.string ?? "key that is no text")") }
                    return (key, plain(value, exact))
                })
        case .scalar(let scalar) where scalar.string.contains("e"): exact.string.flatMap(Double.init).map { YAMLNode("\($0)") } ?? node
        default: node
        }
    }
}

extension DecodingError {
    /// One line: where, and what is wrong.
    fileprivate var line: String {
        let (context, what): (Context, String) =
            switch self {
            case .typeMismatch(let type, let context), .valueNotFound(let type, let context): (context, "expected a value of type \(type)")
            case .keyNotFound(let key, let context): (context, "'\(key.stringValue)' is missing")
            case .dataCorrupted(let context): (context, context.debugDescription)
            @unknown default: (Context(codingPath: [], debugDescription: ""), "\(self)")
            }
        return (context.codingPath.map(\.stringValue) + [what]).joined(separator: ": ")
    }
}

/// YAML text without the final line break.
func serialized(_ node: YAMLNode) -> String {
    guard let text = try? Yams.serialize(node: node, width: -1) else { preconditionFailure("cannot serialize \(node)") }
    return text.trimmingCharacters(in: .newlines)
}

/// `; did you mean 'batch-size'?`, or the whole list when nothing is near.
func suggestion(for name: String, among known: [String]) -> String {
    let length = name.unicodeScalars.count, near = max(2, length / 2)
    // The distance is no less than the difference of the lengths.
    let candidates = known.filter { abs($0.unicodeScalars.count - length) <= near }
    let nearest = candidates.map { (editDistance(name, $0), $0) }.min { $0.0 < $1.0 }
    if let nearest, nearest.0 <= near { return "; did you mean '\(nearest.1)'?" }
    return "; known are \(known.joined(separator: ", "))"
}

/// Levenshtein's distance: how many characters must be inserted, deleted or replaced.
func editDistance(_ a: String, _ b: String) -> Int {
    let b = Array(b.unicodeScalars)
    var row = Array(0...b.count)
    for (i, character) in a.unicodeScalars.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for j in b.indices {
            let substituted = diagonal + (character == b[j] ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
        }
    }
    return row[b.count]
}
