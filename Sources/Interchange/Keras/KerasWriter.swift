import Foundation
import Imaging

/// A network of the architecture unet-keras as an HDF5 file of Keras.
///
/// The name decides the layout, as it does in Keras: `*.weights.h5` is Keras 3's file of weights; any other is the model file of Keras 2,
/// which also Keras 3 reads, with the network's layout beside the weights, so that both `load_model` and `load_weights` take it.
package enum KerasWriter {
    /// The version of Keras whose files these are: names and attributes as it wrote them.
    private static let version = "2.2.4"

    /// Writes `network`.
    ///
    /// - Parameter channelsFirst: whether images go in and come out as [N, C, H, W]; only in a model file.
    /// - Throws: `InterchangeError` if it is another architecture, `ImagingError` if the file cannot be written.
    package static func write(_ network: PortableNetwork, to path: String, channelsFirst: Bool = false) throws {
        try image(network, name: path, channelsFirst: channelsFirst).withImage { bytes in
            let file = try AtomicFile(path)
            try file.write(bytes)
            try file.commit()
        }
    }

    /// The file, in memory.
    static func image(_ network: PortableNetwork, name: String, channelsFirst: Bool = false) throws -> HDF5File {
        let layers = try KerasLayers(network, channelsFirst: channelsFirst).layers
        let weights = Dictionary(uniqueKeysWithValues: network.weights.map { ($0.name, $0) })
        let file = try HDF5File(inMemoryNamed: name)
        func write(_ layer: String, _ role: String, to path: String) throws {
            let weight = weights["\(layer).\(role)"]!
            let isKernel = weight.shape.count == 4
            try file.write(
                isKernel ? inputsLast(weight.values, weight.shape) : weight.values,
                shape: isKernel ? [weight.shape[2], weight.shape[3], weight.shape[1], weight.shape[0]] : weight.shape, to: path)
        }
        if name.hasSuffix(".weights.h5") {
            try file.createGroup("/vars")
            for layer in layers where layer.weights != nil {
                let group = "/layers/\(layer.storageName)/vars"
                try write(layer.weights!, "weight", to: "\(group)/0")
                try write(layer.weights!, "bias", to: "\(group)/1")
                try file.setAttribute("name", of: group, to: layer.storageName)
            }
            return file
        }
        // Older versions of Keras read texts of fixed length only.
        let root = "/model_weights"
        try file.createGroup(root)
        for group in ["/", root] {
            try file.setAttribute("keras_version", of: group, to: version)
            try file.setAttribute("backend", of: group, to: "tensorflow")
        }
        let configuration = try JSONSerialization.data(
            withJSONObject: KerasLayers(network, channelsFirst: channelsFirst).modelConfiguration, options: [.sortedKeys])
        try file.setAttribute("model_config", to: String(decoding: configuration, as: UTF8.self))
        try file.setAttribute("layer_names", of: root, to: layers.map(\.name))
        for layer in layers {
            let group = "\(root)/\(layer.name)"
            try file.createGroup(group)
            var names: [String] = []
            if let ours = layer.weights {
                for (role, name) in [("weight", "\(layer.name)/kernel:0"), ("bias", "\(layer.name)/bias:0")] {
                    try write(ours, role, to: "\(group)/\(name)")
                    names.append(name)
                }
            }
            try file.setAttribute("weight_names", of: group, to: names)
        }
        return file
    }

    /// [outputs, inputs, rows, columns] as [rows, columns, inputs, outputs].
    private static func inputsLast(_ values: [Float], _ shape: [Int]) -> [Float] {
        let (outputs, inputs, taps) = (shape[0], shape[1], shape[2] * shape[3])
        return [Float](unsafeUninitializedCapacity: values.count) { result, count in
            for output in 0..<outputs {
                for input in 0..<inputs {
                    for tap in 0..<taps {
                        result[(tap * inputs + input) * outputs + output] = values[(output * inputs + input) * taps + tap]
                    }
                }
            }
            count = values.count
        }
    }
}
