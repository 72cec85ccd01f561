import Model

/// Which layers of a network get their weights from a file, by name.
///
/// A layer is taken whole or not at all: what a file has of it must be what the network wants, in number and shape, unless the layer is to be
/// skipped. Layers that the file lacks keep what they have, and layers that only the file has are left alone; both are named.
package struct WeightAssignment: Sendable {
    /// The layers that are taken, in forward order.
    package let taken: [String]
    /// The network's layers that the file lacks.
    package let missing: [String]
    /// The network's layers that were to be skipped.
    package let skipped: [String]
    /// Layers that only the file has.
    package let unknown: [String]
    private let file: WeightFile
    private let pairs: [(parameter: Parameter, weight: StoredWeight, isTransposed: Bool)]

    /// Finds for every layer of `network` its weights in `file`, and checks their shapes. Nothing is read yet.
    ///
    /// - Parameter skip: layers that are not to be taken.
    /// - Throws: `InterchangeError` if a layer does not fit, none does, or there is none of a name in `skip`.
    package init(of file: WeightFile, to network: Network, skip: [String] = []) throws {
        func invalid(_ text: String) -> InterchangeError { InterchangeError(.invalid, "\(file.path): \(text)") }
        let transposed = Set(network.layers.filter { $0.layer is TransposedConv2D }.map(\.name))
        let parameters = network.parameters.map { (name: ParameterName($0.name), parameter: $0) }
        var layers: [String] = []
        for (name, _) in parameters where layers.last != name.layer { layers.append(name.layer) }
        if let wrong = skip.first(where: { !layers.contains($0) }) {
            throw InterchangeError(.usage, "no layer is called \(wrong); the network has \(layers.joined(separator: ", "))")
        }
        // PyTorch counts batches in its batch normalisation; nothing depends on it.
        let stored = file.weights.filter { $0.name.role != "num_batches_tracked" }
        let byLayer = Dictionary(grouping: stored) { $0.name.layer }
        var taken: [String] = [], missing: [String] = [], pairs: [(Parameter, StoredWeight, Bool)] = []
        for layer in layers where !skip.contains(layer) {
            guard let weights = byLayer[layer] else {
                missing.append(layer)
                continue
            }
            let wanted = parameters.filter { $0.name.layer == layer }
            let advice = "take a network that it fits, or train with --skip-weights \(layer), so that the layer starts anew"
            if let more = weights.first(where: { weight in !wanted.contains { $0.name == weight.name } }) {
                throw invalid(
                    "\(more.place) is not wanted: the network's \(layer) has only \(wanted.map(\.name.role).joined(separator: ", ")); \(advice)"
                )
            }
            for (name, parameter) in wanted {
                guard let weight = weights.first(where: { $0.name == name }) else {
                    throw invalid("there is a layer \(layer), but not its \(name.role), which the network has; \(advice)")
                }
                var shape = parameter.shape
                let isTransposed = transposed.contains(layer) && shape.count == 4 && weight.order == .pyTorch
                if isTransposed { shape.swapAt(0, 1) }
                guard weight.shape == shape else {
                    throw invalid("\(weight.place) has the shape \(weight.shape), the network's \(parameter.name) has \(shape); \(advice)")
                }
                pairs.append((parameter, weight, isTransposed))
            }
            taken.append(layer)
        }
        guard !taken.isEmpty || !skip.isEmpty else {
            let names = byLayer.keys.sorted().prefix(5).joined(separator: ", ")
            throw invalid("no layer of the network is there: it has \(layers.prefix(5).joined(separator: ", ")), …, the file \(names), …")
        }
        var unknown: [String] = []
        for weight in stored where !layers.contains(weight.name.layer) && !unknown.contains(weight.name.layer) {
            unknown.append(weight.name.layer)
        }
        (self.taken, self.missing, self.unknown, self.file, self.pairs) = (taken, missing, unknown, file, pairs)
        skipped = layers.filter(skip.contains)
    }

    /// Reads the weights of the layers that are taken into the network's parameters.
    ///
    /// - Throws: what reading throws; `InterchangeError` if a value is not a finite number.
    package func load(into network: Network) throws {
        for (parameter, weight, isTransposed) in pairs {
            let values = try weight.read()
            guard values.count == parameter.count, values.allSatisfy(\.isFinite) else {
                throw InterchangeError(.invalid, "\(file.path): \(weight.place) holds values that are not finite numbers")
            }
            let ours = isTransposed ? exchangingFirstAxes(values, weight.shape[0], weight.shape[1]) : values
            parameter.setValues(ours, in: network.parameterMemory.pointer)
        }
    }

    /// One line for each layer that is not as in the file.
    package var remarks: [String] {
        missing.map { "  \($0): not in the file, starts anew" } + skipped.map { "  \($0): skipped, starts anew" }
            + unknown.map { "  \($0): in the file only, left alone" }
    }
}
