import Foundation

extension TrainingOption {
    /// A path; in a configuration that a run has written, with the hash of what was there.
    static let initialWeights = TrainingOption(
        name: "initial-weights", placeholder: "FILE",
        explanation:
            "Begin with these weights, not with random ones: a checkpoint, .safetensors, .onnx, or .hdf5 or .weights.h5 of Keras. Layers are taken by name; what the file lacks starts anew.",
        decidesBits: true, identity: { $0.initialWeights.map { $0.sha256 ?? "not read yet" } ?? "" },
        set: { configuration, node throws(Refusal) in
            guard let mapping = node.mapping else {
                configuration.initialWeights = InitialWeights(path: try nonEmpty(node))
                return
            }
            guard let path = mapping["path"]?.string, !path.isEmpty, let hash = mapping["sha256"]?.string, hash.count == 64,
                mapping.count == 2
            else { throw Refusal(allowed: "a path, or a mapping of path and sha256, is allowed") }
            configuration.initialWeights = InitialWeights(path: path, sha256: hash)
        },
        get: { configuration in
            configuration.initialWeights.map { weights in
                guard let hash = weights.sha256 else { return YAMLNode(weights.path) }
                return YAMLNode([(YAMLNode("path"), YAMLNode(weights.path)), (YAMLNode("sha256"), YAMLNode(hash))])
            }
        })

    /// Names of layers.
    static let skippedWeights = TrainingOption(
        name: "skip-weights", placeholder: "LAYER,...",
        explanation: "Layers that start anew though --initial-weights has them: those whose shape differs, or that are to be learnt again.",
        decidesBits: true,
        set: { configuration, node throws(Refusal) in
            let names = node.sequence.map { $0.map { $0.string ?? "" } } ?? (node.string ?? "").split(separator: ",").map(String.init)
            let trimmed = names.map { $0.trimmingCharacters(in: .whitespaces) }
            if trimmed.isEmpty || trimmed.contains("") { throw Refusal(allowed: "names of layers, as in head,conv9b, are allowed") }
            configuration.skippedWeights = trimmed
        },
        get: { $0.skippedWeights.isEmpty ? nil : YAMLNode($0.skippedWeights.joined(separator: ",")) })
}
