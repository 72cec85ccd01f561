import Foundation
import Imaging
import Yams

/// One option of `train`: its name on the command line and in YAML, its help, its default, its range, and how it is written.
/// The table `all` is the only place where an option is described.
public struct TrainingOption: Sendable {
    /// Long option and YAML key.
    public let name: String
    /// What stands for the value in the help.
    public internal(set) var placeholder: String
    /// What it does, with its unit.
    public let explanation: String
    /// Whether another value leads to other parameters (`TrainingConfiguration.fingerprint`).
    public let decidesBits: Bool
    /// Whether the option may be given several times; of others the last counts.
    var takesSeveral = false
    /// What tells one value from another where that is not its text.
    var identity: (@Sendable (TrainingConfiguration) -> String)?
    /// Sets the property from a YAML value. Throws a text that says what is allowed.
    let set: @Sendable (inout TrainingConfiguration, YAMLNode) throws(Refusal) -> Void
    /// The property as a YAML value; `nil` if it is not set.
    let get: @Sendable (TrainingConfiguration) -> YAMLNode?

    /// The help text with the default.
    public var help: String { help(defaults: TrainingConfiguration()) }

    /// The help text with the default that `defaults` holds.
    public func help(defaults: TrainingConfiguration) -> String {
        let fallback = get(defaults).map { $0.mapping == nil ? TrainingOption.text($0) : "standard" } ?? ""
        return fallback.isEmpty ? explanation : "\(explanation) (default: \(fallback))"
    }

    /// The value as one line of text, empty if it is not set.
    func text(of configuration: TrainingConfiguration) -> String {
        identity?(configuration) ?? get(configuration).map(TrainingOption.text) ?? ""
    }

    /// Sets the option from the command line.
    func apply(_ values: [String], to configuration: inout TrainingConfiguration) throws {
        let values = takesSeveral ? values : values.suffix(1)
        do {
            try set(&configuration, values.count == 1 ? YAMLNode(values[0]) : YAMLNode(values.map { YAMLNode($0) }))
        } catch {
            throw TrainingError(.usage, "--\(name) \(values.joined(separator: " ")): \(error.allowed)")
        }
    }

    /// The option of this name.
    static func named(_ name: String) -> TrainingOption {
        guard let option = all.first(where: { $0.name == name }) else { preconditionFailure("no option is called \(name)") }
        return option
    }

    static func text(_ node: YAMLNode) -> String {
        node.scalar?.string ?? serialized(node).split(whereSeparator: \.isNewline).joined(separator: ", ")
    }

    /// Why a value was refused: what would have been allowed.
    struct Refusal: Error { var allowed: String }
}

// MARK: - Kinds of options

extension TrainingOption {
    typealias Property<Value> = WritableKeyPath<TrainingConfiguration, Value> & Sendable

    static func path(_ name: String, _ property: any Property<String>, _ help: String) -> TrainingOption {
        TrainingOption(
            name: name, placeholder: "PATH", explanation: help, decidesBits: false,
            set: { configuration, node throws(Refusal) in configuration[keyPath: property] = try nonEmpty(node) },
            get: { $0[keyPath: property].isEmpty ? nil : YAMLNode($0[keyPath: property]) })
    }

    /// Volumes: a path, or a list of them.
    static func volumes(_ name: String, _ property: any Property<VolumePaths>, _ help: String) -> TrainingOption {
        TrainingOption(
            name: name, placeholder: "PATH", explanation: help, decidesBits: false, takesSeveral: true,
            set: { configuration, node throws(Refusal) in configuration[keyPath: property] = try volumes(node) },
            get: { $0[keyPath: property].isEmpty ? nil : volumesNode($0[keyPath: property]) })
    }

    static func optionalVolumes(_ name: String, _ property: any Property<VolumePaths?>, _ help: String) -> TrainingOption {
        TrainingOption(
            name: name, placeholder: "PATH", explanation: help, decidesBits: false, takesSeveral: true,
            set: { configuration, node throws(Refusal) in configuration[keyPath: property] = try volumes(node) },
            get: { $0[keyPath: property].map(volumesNode) })
    }

    private static func volumes(_ node: YAMLNode) throws(Refusal) -> VolumePaths {
        guard let list = node.sequence else { return VolumePaths([try nonEmpty(node)]) }
        if list.isEmpty { throw Refusal(allowed: "a path or a list of them is allowed") }
        var paths: [String] = []
        for node in list { paths.append(try nonEmpty(node)) }
        return VolumePaths(paths)
    }

    private static func volumesNode(_ volumes: VolumePaths) -> YAMLNode {
        volumes.paths.count == 1 ? YAMLNode(volumes.paths[0]) : YAMLNode(volumes.paths.map { YAMLNode($0) })
    }

    static func integer(
        _ name: String, _ property: any Property<Int>, _ range: ClosedRange<Int>, decidesBits: Bool = false, _ help: String
    ) -> TrainingOption {
        TrainingOption(
            name: name, placeholder: "N", explanation: help, decidesBits: decidesBits,
            set: { configuration, node throws(Refusal) in configuration[keyPath: property] = try integer(node, in: range) },
            get: { YAMLNode("\($0[keyPath: property])") })
    }

    /// The length of the run: the option given last counts.
    static func length(_ name: String, _ property: any Property<Int?>, clears other: any Property<Int?>, _ help: String)
        -> TrainingOption
    {
        TrainingOption(
            name: name, placeholder: "N", explanation: help, decidesBits: false,
            set: { configuration, node throws(Refusal) in
                configuration[keyPath: property] = try integer(node, in: 1...1_000_000_000)
                configuration[keyPath: other] = nil
            }, get: { $0[keyPath: property].map { YAMLNode("\($0)") } })
    }

    static func number(_ name: String, _ property: any Property<Double>, _ range: Range<Double>, _ help: String) -> TrainingOption {
        TrainingOption(
            name: name, placeholder: "X", explanation: help, decidesBits: true,
            set: { configuration, node throws(Refusal) in configuration[keyPath: property] = try number(node, in: range) },
            get: { YAMLNode("\($0[keyPath: property])") })
    }

    /// A number, or a word that stands for its absence.
    static func number(_ name: String, _ property: any Property<Double?>, _ range: Range<Double>, or word: String, _ help: String)
        -> TrainingOption
    {
        TrainingOption(
            name: name, placeholder: "\(word)|X", explanation: help, decidesBits: true,
            set: { configuration, node throws(Refusal) in
                configuration[keyPath: property] = node.string == word ? nil : try number(node, in: range, or: "\(word) or ")
            }, get: { YAMLNode($0[keyPath: property].map { "\($0)" } ?? word) })
    }

    static func flag(_ name: String, _ property: any Property<Bool>, decidesBits: Bool, _ help: String) -> TrainingOption {
        TrainingOption(
            name: name, placeholder: "", explanation: help, decidesBits: decidesBits,
            set: { configuration, node throws(Refusal) in
                guard let value = node.string.flatMap(Bool.init) else { throw Refusal(allowed: "true or false is allowed") }
                configuration[keyPath: property] = value
            }, get: { YAMLNode("\($0[keyPath: property])") })
    }

    /// Something that is done unless it is switched off.
    static func toggle(_ name: String, _ property: any Property<Bool>, _ help: String) -> TrainingOption {
        var option = flag(name, property, decidesBits: false, help)
        option.placeholder = "true|false"
        return option
    }

    static func choice(
        _ name: String, _ property: any Property<String>, _ allowed: @escaping @Sendable () -> [String],
        decidesBits: Bool = true, _ help: String
    ) -> TrainingOption {
        TrainingOption(
            name: name, placeholder: allowed().joined(separator: "|"), explanation: help, decidesBits: decidesBits,
            set: { configuration, node throws(Refusal) in
                guard let value = node.string, allowed().contains(value) else {
                    throw Refusal(allowed: "\(allowed().joined(separator: " or ")) is allowed")
                }
                configuration[keyPath: property] = value
            }, get: { YAMLNode($0[keyPath: property]) })
    }

    static func integer(_ node: YAMLNode, in range: ClosedRange<Int>, or alternative: String = "") throws(Refusal) -> Int {
        guard let value = node.string.flatMap({ Int($0) }), range.contains(value) else {
            let limits = range.upperBound == Int.max ? "of at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
            throw Refusal(allowed: "\(alternative)an integer \(limits) is allowed")
        }
        return value
    }

    static func number(_ node: YAMLNode, in range: Range<Double>, or alternative: String = "") throws(Refusal) -> Double {
        guard let value = node.string.flatMap(Double.init), range.contains(value) else {
            let lower = range.lowerBound == .leastNonzeroMagnitude ? "above 0" : "from \(range.lowerBound)"
            throw Refusal(allowed: "\(alternative)a number \(lower) and below \(range.upperBound) is allowed")
        }
        return value
    }

    static func nonEmpty(_ node: YAMLNode) throws(Refusal) -> String {
        guard let value = node.string, !value.isEmpty else { throw Refusal(allowed: "a path is allowed") }
        return value
    }
}
