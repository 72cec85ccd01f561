import Foundation
import Imaging
import Yams

/// A YAML file to begin with: every option of `train` with what it does, what is allowed and its default, from the table of the options.
public struct ConfigurationTemplate {
    private let configuration: TrainingConfiguration

    /// A template for these volumes; what is not given has its default, the run folder is `runs/first`.
    ///
    /// Throws `TrainingError` of kind `usage` for an empty path.
    public init(images: [String] = [], labels: [String] = []) throws {
        var configuration = TrainingConfiguration()
        try configuration.apply(
            images.map { (name: "images", value: $0) } + labels.map { (name: "labels", value: $0) } + [("output", "runs/first")])
        self.configuration = configuration
    }

    /// The file's text. Options without a value are comments.
    public var text: String {
        var lines = [
            "# Configuration of unet-mpi train:", "#", "#     unet-mpi train --config THIS-FILE", "#",
            "# Options on the command line win over those here, and what is left out has its default.",
        ]
        for (title, options) in TrainingOption.sections {
            lines += ["", "", "# \(title)", "# " + String(repeating: "-", count: title.count)]
            for option in options { lines += [""] + Self.entry(option, configuration) }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func entry(_ option: TrainingOption, _ configuration: TrainingConfiguration) -> [String] {
        var lines = wrapped(option.explanation)
        let choices = option.placeholder.replacingOccurrences(of: "|", with: " | ")
        if choices.contains(" | ") { lines += wrapped("allowed: \(choices)") }
        if let fallback = shown(option, TrainingConfiguration()) { lines += wrapped("default: \(TrainingOption.text(fallback))") }
        guard let value = shown(option, configuration) else {
            return lines + ["# \(option.name): \(option.placeholder)"]
        }
        return lines + [serialized(YAMLNode([(YAMLNode(option.name), value)]))]
    }

    /// The option's value; that of an augmentation which has a name is its name instead of all of its parts.
    private static func shown(_ option: TrainingOption, _ configuration: TrainingConfiguration) -> YAMLNode? {
        guard option.name == "augment" else { return option.get(configuration) }
        let preset = AugmentationConfiguration.presets.first { $0.configuration == configuration.augment }
        return preset.map { YAMLNode($0.name) } ?? option.get(configuration)
    }

    /// Comment lines of at most 100 characters.
    private static func wrapped(_ text: String) -> [String] {
        var lines = ["#"]
        for word in text.split(separator: " ") {
            if lines[lines.count - 1].count + 1 + word.count > 100 { lines.append("#") }
            lines[lines.count - 1] += " \(word)"
        }
        return lines
    }
}

extension ConfigurationTemplate {
    /// Writes the file, which must not exist yet.
    ///
    /// Throws `TrainingError`: `usage` if it exists, or `inputOutput`.
    public func write(to path: String) throws {
        if FileManager.default.fileExists(atPath: path) {
            throw TrainingError(.usage, "\(path): exists already; name another file with --output, or delete it")
        }
        try Array(text.utf8).withUnsafeBytes { try SystemFiles().writeAtomically([$0], to: path) }
    }
}
