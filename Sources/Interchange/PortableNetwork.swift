import Imaging
import Model

/// A trained network as other programs take it: its layers, what they compute when they do not train, its weights, and what is to be known
/// of its input and output.
package struct PortableNetwork: Sendable {
    /// What is to be known beside layers and weights.
    package struct Description: Codable, Equatable, Sendable {
        /// The program that trained it, with its version.
        package var program: String
        /// Name of the architecture.
        package var architecture: String
        /// What the architecture was asked for.
        package var options: ArchitectureOptions
        /// Channels of the images.
        package var channels: Int
        /// How pixel values become its input.
        package var normalization: Normalization
        /// Names of the classes; of foreground and background only `foreground`, which has a channel.
        package var classes: [String]
        /// Updates that it was trained with.
        package var step: Int

        /// A description from its parts.
        package init(
            program: String, architecture: String, options: ArchitectureOptions, channels: Int, normalization: Normalization,
            classes: [String], step: Int
        ) {
            (self.program, self.architecture, self.options, self.channels) = (program, architecture, options, channels)
            (self.normalization, self.classes, self.step) = (normalization, classes, step)
        }
    }

    /// One parameter, in our order: output channels, input channels, rows, columns; or channels.
    package struct Weight: Sendable {
        /// `conv1a.weight`
        package let name: String
        /// Its shape.
        package let shape: [Int]
        /// Its values, the last index varying fastest.
        package let values: [Float]
    }

    /// What is to be known of it.
    package let description: Description
    /// The layers, inputs first.
    package let layers: [PortableLayer]
    /// The weights in the order of the layers.
    package let weights: [Weight]
    /// Which images it takes.
    package let inputSize: InputSizeRule

    /// A network with its present weights.
    ///
    /// - Throws: `InterchangeError` if it has a layer that only this program knows.
    package init(_ network: Network, graph: Graph, description: Description, inputSize: InputSizeRule) throws {
        self.description = description
        self.inputSize = inputSize
        layers = try graph.nodes.indices.map { try PortableLayer(graph, $0) }
        weights = network.parameters.map {
            Weight(name: $0.name, shape: $0.shape, values: $0.values(in: network.parameterMemory.pointer))
        }
    }

    /// The weights as PyTorch names and orders them.
    package var pyTorchWeights: [Weight] {
        let transposed = Set(layers.filter { if case .transposedConvolution = $0.operation { true } else { false } }.map(\.name))
        return weights.map { weight in
            let layer = ParameterName(weight.name)
            guard transposed.contains(layer.layer), layer.role == "weight" else {
                return Weight(name: layer.pyTorch, shape: weight.shape, values: weight.values)
            }
            let shape = weight.shape
            return Weight(
                name: layer.pyTorch, shape: [shape[1], shape[0], shape[2], shape[3]],
                values: exchangingFirstAxes(weight.values, shape[0], shape[1]))
        }
    }

    /// The name of the layer whose output is the network's logits.
    var outputName: String { layers.last!.name }
    /// Channels of the output.
    var outputChannels: Int { layers.last!.channels }

    /// The description for programs, as texts by name.
    package var metadata: [String: String] {
        get throws {
            [
                "program": description.program, "architecture": description.architecture, "layers": try PortableLayer.json(layers),
                "description": try jsonText(description), "normalization": normalizationText,
                "classes": description.classes.joined(separator: ", "), "input_size": inputSizeText,
            ]
        }
    }

    /// What the caller has to do to pixel values, in words.
    package var normalizationText: String {
        switch description.normalization {
        case .divide(by: 1): "none"
        case .divide(let divisor): "divide by \(divisor == divisor.rounded() ? "\(Int(divisor))" : "\(divisor)")"
        case .slice: "mean 0 and standard deviation 1 of each slice and channel"
        case .volume: "mean 0 and standard deviation 1 of each channel of the volume"
        }
    }

    /// Which sizes of images there are, in words.
    package var inputSizeText: String {
        inputSize.remainder == 0
            ? "height and width are multiples of \(inputSize.multiple)"
            : "height and width are \(inputSize.smallest), \(inputSize.smallest + inputSize.multiple), …; the output lacks \(inputSize.margin) pixels at each edge"
    }
}

/// The name of a parameter: its layer's, and its role there.
package struct ParameterName: Hashable, Sendable {
    /// `conv1a`
    package let layer: String
    /// `weight`, `bias`, `running_mean`, `running_variance`
    package let role: String

    /// From `conv1a.weight`, or PyTorch's `running_var`.
    package init(_ name: String) {
        let dot = name.lastIndex(of: ".")
        layer = dot.map { String(name[..<$0]) } ?? ""
        let role = dot.map { String(name[name.index(after: $0)...]) } ?? name
        self.role = role == "running_var" ? "running_variance" : role
    }

    /// As PyTorch names it.
    package var pyTorch: String { "\(layer).\(role == "running_variance" ? "running_var" : role)" }
}

/// An array [first, second, …] as [second, first, …].
func exchangingFirstAxes(_ values: [Float], _ first: Int, _ second: Int) -> [Float] {
    let rest = values.count / max(1, first * second)
    return [Float](unsafeUninitializedCapacity: values.count) { result, count in
        for a in 0..<first {
            for b in 0..<second {
                for i in 0..<rest { result[(b * first + a) * rest + i] = values[(a * second + b) * rest + i] }
            }
        }
        count = values.count
    }
}
