import Foundation
import Imaging
import Yams

/// One option of `train`: its name on the command line and in YAML, its help, its default, its range, and how it is written.
/// The table `all` is the only place where an option is described.
public struct TrainingOption: Sendable {
    /// Long option and YAML key.
    public let name: String
    /// What stands for the value in the help.
    public let placeholder: String
    /// What it does, with its unit.
    public let explanation: String
    /// Whether another value leads to other parameters (`TrainingConfiguration.fingerprint`).
    public let decidesBits: Bool
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
    func text(of configuration: TrainingConfiguration) -> String { get(configuration).map(TrainingOption.text) ?? "" }

    /// Sets the option from the command line.
    func apply(_ value: String, to configuration: inout TrainingConfiguration) throws {
        do {
            try set(&configuration, YAMLNode(value))
        } catch {
            throw TrainingError(.usage, "--\(name) \(value): \(error.allowed)")
        }
    }

    /// The option of this name.
    static func named(_ name: String) -> TrainingOption {
        guard let option = all.first(where: { $0.name == name }) else { preconditionFailure("no option is called \(name)") }
        return option
    }

    private static func text(_ node: YAMLNode) -> String {
        node.scalar?.string ?? serialized(node).split(whereSeparator: \.isNewline).joined(separator: ", ")
    }

    /// Why a value was refused: what would have been allowed.
    struct Refusal: Error { var allowed: String }
}

// MARK: - The table

extension TrainingOption {
    /// Every option, in the order of the help.
    public static let all: [TrainingOption] = [
        path("images", \.images, "Volume of images: multi-page TIFF, NPY, or HDF5 as FILE.h5:/DATASET."),
        path("labels", \.labels, "Volume of labels: two values, the higher one is the foreground; as many pages as --images."),
        integer(
            "validation", \.validation, 0...1_000_000, decidesBits: true, "Slices held out for validation: the last ones of the volume."),
        optionalPath("validation-images", \.validationImages, "Volume of images to validate on, instead of held-out slices."),
        optionalPath("validation-labels", \.validationLabels, "Labels of --validation-images."),
        path("output", \.output, "Run folder: configuration, log and checkpoints."),
        length("epochs", \.epochs, clears: \.steps, "Passes over the training slices, in all."),
        length("steps", \.steps, clears: \.epochs, "Updates in all, instead of --epochs."),
        integer(
            "batch-size", \.batchSize, 1...65_536, decidesBits: true,
            "Samples in an update over all ranks: the result does not depend on the number of ranks."),
        TrainingOption(
            name: "crop", placeholder: "N|HxW|full", explanation: "Part of a slice that a sample shows, in pixels; a multiple of 2^depth.",
            decidesBits: true,
            set: { configuration, node throws(Refusal) in
                guard let crop = node.string.flatMap({ Crop($0) }) else {
                    throw Refusal(allowed: "full, a side as in 256, or height x width as in 192x256 is allowed")
                }
                configuration.crop = crop
            }, get: { YAMLNode("\($0.crop)") }),
        integer("crops-per-slice", \.cropsPerSlice, 1...1_000_000, decidesBits: true, "Samples drawn from each slice in an epoch."),
        TrainingOption(
            name: "augment", placeholder: "none|standard",
            explanation:
                "How samples are varied: flips, turns, small affine maps and elastic deformation; a mapping in YAML sets each range.",
            decidesBits: true,
            set: { configuration, node throws(Refusal) in configuration.augment = try augmentation(node) },
            get: { augmentationNode($0.augment) }),
        choice("architecture", \.architecture, { architectureNames }, "Network."),
        integer(
            "base-channels", \.baseChannels, 1...1024, decidesBits: true, "Channels of the first level; each level below has twice as many."
        ),
        integer("depth", \.depth, 1...8, decidesBits: true, "Poolings from the first level to the deepest."),
        number("dropout", \.dropout, 0..<1, "Probability of dropping an element after the two deepest levels of the encoder."),
        choice("optimizer", \.optimizer, { ["adam"] }, "Optimizer."),
        number("learning-rate", \.learningRate, Double.leastNonzeroMagnitude..<10, "Step size of the optimizer."),
        choice("loss", \.loss, { ["bce"] }, "Loss: binary cross-entropy, the mean over all pixels."),
        TrainingOption(
            name: "seed", placeholder: "N", explanation: "Seed of every random decision.", decidesBits: true,
            set: { configuration, node throws(Refusal) in
                guard let value = node.string.flatMap(UInt64.init) else {
                    throw Refusal(allowed: "an integer from 0 to \(UInt64.max) is allowed")
                }
                configuration.seed = value
            }, get: { YAMLNode("\($0.seed)") }),
        integer("checkpoint-every", \.checkpointEvery, 1...Int.max, "Steps from checkpoint to checkpoint; the last step always makes one."),
        integer("validate-every", \.validateEvery, 1...Int.max, "Steps from validation to validation; the last step always validates."),
        integer("keep", \.keep, 2...1_000_000, "Newest checkpoints to keep, beside the best one."),
        choice(
            "convolution", \.convolution, { convolutionMethods },
            "Convolutions by the fastest algorithm for each shape, or directly: slower by far, to compare with."),
        choice(
            "memory", \.memory, { memoryModes }, decidesBits: false,
            "low: keep the activations of one sample of a rank's batch instead of all; forward is computed twice."),
        TrainingOption(
            name: "threads", placeholder: "auto|N",
            explanation: "Threads of each rank; auto: the cores of its affinity mask, shared with the ranks that have the same.",
            decidesBits: false,
            set: { configuration, node throws(Refusal) in
                if node.string == "auto" {
                    configuration.threads = nil
                    return
                }
                configuration.threads = try integer(node, in: 1...4096, or: "auto or ")
            }, get: { YAMLNode($0.threads.map { "\($0)" } ?? "auto") }),
        integer(
            "bucket-mib", \.bucketMebibytes, 1...1024,
            "Gradients that are sent together while backward still runs, at least, in MiB; the result does not depend on it."),
        TrainingOption(
            name: "resume", placeholder: "auto|never|PATH",
            explanation:
                "Where to go on from: the newest checkpoint of the run folder, nothing, or a checkpoint to start a new run folder from.",
            decidesBits: false,
            set: { configuration, node throws(Refusal) in
                switch node.string {
                case "auto": configuration.resume = .automatic
                case "never": configuration.resume = .never
                case .some(let path) where !path.isEmpty: configuration.resume = .checkpoint(path)
                default: throw Refusal(allowed: "auto, never or a checkpoint's path is allowed")
                }
            },
            get: {
                switch $0.resume {
                case .automatic: YAMLNode("auto")
                case .never: YAMLNode("never")
                case .checkpoint(let path): YAMLNode(path)
                }
            }),
        TrainingOption(
            name: "accept-changes", placeholder: "",
            explanation: "Go on though the data or the configuration differ from the checkpoint's.", decidesBits: false,
            set: { configuration, node throws(Refusal) in
                guard let value = node.string.flatMap(Bool.init) else { throw Refusal(allowed: "true or false is allowed") }
                configuration.acceptChanges = value
            }, get: { YAMLNode("\($0.acceptChanges)") }),
    ]

    private typealias Property<Value> = WritableKeyPath<TrainingConfiguration, Value> & Sendable

    private static func path(_ name: String, _ property: any Property<String>, _ help: String) -> TrainingOption {
        TrainingOption(
            name: name, placeholder: "PATH", explanation: help, decidesBits: false,
            set: { configuration, node throws(Refusal) in configuration[keyPath: property] = try nonEmpty(node) },
            get: { $0[keyPath: property].isEmpty ? nil : YAMLNode($0[keyPath: property]) })
    }

    private static func optionalPath(_ name: String, _ property: any Property<String?>, _ help: String) -> TrainingOption {
        TrainingOption(
            name: name, placeholder: "PATH", explanation: help, decidesBits: false,
            set: { configuration, node throws(Refusal) in configuration[keyPath: property] = try nonEmpty(node) },
            get: { $0[keyPath: property].map { YAMLNode($0) } })
    }

    private static func integer(
        _ name: String, _ property: any Property<Int>, _ range: ClosedRange<Int>, decidesBits: Bool = false, _ help: String
    ) -> TrainingOption {
        TrainingOption(
            name: name, placeholder: "N", explanation: help, decidesBits: decidesBits,
            set: { configuration, node throws(Refusal) in configuration[keyPath: property] = try integer(node, in: range) },
            get: { YAMLNode("\($0[keyPath: property])") })
    }

    /// The length of the run: the option given last counts.
    private static func length(_ name: String, _ property: any Property<Int?>, clears other: any Property<Int?>, _ help: String)
        -> TrainingOption
    {
        TrainingOption(
            name: name, placeholder: "N", explanation: help, decidesBits: false,
            set: { configuration, node throws(Refusal) in
                configuration[keyPath: property] = try integer(node, in: 1...1_000_000_000)
                configuration[keyPath: other] = nil
            }, get: { $0[keyPath: property].map { YAMLNode("\($0)") } })
    }

    private static func number(_ name: String, _ property: any Property<Double>, _ range: Range<Double>, _ help: String) -> TrainingOption {
        TrainingOption(
            name: name, placeholder: "X", explanation: help, decidesBits: true,
            set: { configuration, node throws(Refusal) in
                guard let value = node.string.flatMap(Double.init), range.contains(value) else {
                    let lower = range.lowerBound == .leastNonzeroMagnitude ? "above 0" : "from \(range.lowerBound)"
                    throw Refusal(allowed: "a number \(lower) and below \(range.upperBound) is allowed")
                }
                configuration[keyPath: property] = value
            }, get: { YAMLNode("\($0[keyPath: property])") })
    }

    private static func choice(
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

    private static func integer(_ node: YAMLNode, in range: ClosedRange<Int>, or alternative: String = "") throws(Refusal) -> Int {
        guard let value = node.string.flatMap({ Int($0) }), range.contains(value) else {
            let limits = range.upperBound == Int.max ? "of at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
            throw Refusal(allowed: "\(alternative)an integer \(limits) is allowed")
        }
        return value
    }

    private static func nonEmpty(_ node: YAMLNode) throws(Refusal) -> String {
        guard let value = node.string, !value.isEmpty else { throw Refusal(allowed: "a path is allowed") }
        return value
    }
}
