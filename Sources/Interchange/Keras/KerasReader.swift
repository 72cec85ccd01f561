import Foundation
import Imaging

/// The weights in an HDF5 file of Keras: a file of weights or a model file of Keras 1.2 to 3 (`.h5`, `.hdf5`), or a `.weights.h5` of Keras 3.
///
/// Keras itself goes by the order of the layers, not by their names, which differ from version to version; so do we. Nothing of a dataset is
/// read before its type and shape were found to be those of a convolution's kernel or bias.
struct KerasReader {
    private let file: HDF5File
    private let path: String

    /// How many bytes a byte of the file may become: what deflate, the densest of its filters, can do.
    static let greatestRatio = Deflate.greatestRatio

    init(path: String) throws {
        self.path = path
        file = try HDF5File(path: path)
    }

    private func invalid(_ text: String) -> InterchangeError { InterchangeError(.invalid, "\(path): \(text)") }

    /// The datasets of one layer of Keras: kernel and bias.
    private typealias Layer = (kernel: HDF5Dataset, bias: HDF5Dataset)

    /// The weights under the names that unet-keras has for them.
    func weightFile() throws -> WeightFile {
        let isNew = file.contains("/layers")
        let layers = try isNew ? newLayers() : legacyLayers()
        // Two convolutions a level down and up, one that enlarges, two at the end.
        let depth = (layers.count - 4) / 5
        guard layers.count == 5 * depth + 4, (1...8).contains(depth) else {
            throw invalid(
                "\(layers.count) convolutions are no U-Net of the Keras program: it has 24 at depth 4, and five more or fewer with each level"
            )
        }
        let names = KerasReader.names(depth: depth)
        return WeightFile(
            path: path, format: isNew ? "Keras 3 HDF5" : "Keras HDF5",
            weights: zip(names, layers).flatMap { name, layer in
                let shape = layer.kernel.shape
                return [
                    StoredWeight(
                        name: "\(name).weight", place: "dataset \(layer.kernel.path)", shape: [shape[3], shape[2], shape[0], shape[1]]
                    ) { Self.outputsFirst(try layer.kernel.values(), shape) },
                    StoredWeight(name: "\(name).bias", place: "dataset \(layer.bias.path)", shape: layer.bias.shape) {
                        try layer.bias.values()
                    },
                ]
            })
    }

    /// The layers with weights of unet-keras at this depth, in order.
    static func names(depth: Int) -> [String] {
        let down = (1...depth + 1).flatMap { ["conv\($0)a", "conv\($0)b"] }
        let up = (depth + 2...2 * depth + 1).flatMap { ["up\($0)", "conv\($0)a", "conv\($0)b"] }
        return down + up + ["conv\(2 * depth + 1)c", "conv\(2 * depth + 2)"]
    }

    /// Kernel and bias, found to be such.
    private func layer(_ paths: [String]) throws -> Layer {
        guard paths.count == 2 else {
            throw invalid("\(paths) should be a kernel and a bias: layers with other weights are not those of the Keras program")
        }
        let datasets = try paths.map { path in
            let dataset = try file.dataset(path)
            guard let type = dataset.elementType, type.isFloat else {
                throw invalid("dataset \(path) does not hold floating-point numbers")
            }
            return dataset
        }
        let (kernel, bias) = (datasets[0], datasets[1])
        guard kernel.shape.count == 4, kernel.shape.allSatisfy({ (1...1 << 16).contains($0) }), kernel.count < 1 << 31 else {
            throw invalid("dataset \(kernel.path) has the shape \(kernel.shape); a kernel has rows, columns, inputs and outputs")
        }
        guard bias.shape == [kernel.shape[3]] else {
            throw invalid("dataset \(bias.path) has the shape \(bias.shape), but its kernel has \(kernel.shape[3]) outputs")
        }
        for dataset in datasets { try dataset.requireStorage(ratio: Self.greatestRatio) }
        return (kernel, bias)
    }

    /// Of a Keras 3 file: groups /layers/conv2d, /layers/conv2d_1, … with vars/0 and vars/1.
    private func newLayers() throws -> [Layer] {
        var numbered: [(number: Int, name: String)] = []
        for name in try file.links(in: "/layers") {
            let variables = "/layers/\(name)/vars"
            guard file.contains(variables), try !file.links(in: variables).isEmpty else { continue }
            guard name == "conv2d" || name.hasPrefix("conv2d_"), let number = name == "conv2d" ? 0 : Int(name.dropFirst(7)) else {
                throw invalid("/layers/\(name) has weights; the Keras program has convolutions only, conv2d, conv2d_1, …")
            }
            numbered.append((number, name))
        }
        return try numbered.sorted { $0.number < $1.number }.map { _, name in
            let group = "/layers/\(name)/vars"
            return try layer(file.links(in: group).map { "\(group)/\($0)" })
        }
    }

    /// Of a file of Keras 2, or a model file: the attribute layer_names names groups, whose weight_names name datasets.
    private func legacyLayers() throws -> [Layer] {
        let root = try !hasTexts("layer_names", of: "/") && file.contains("/model_weights") ? "/model_weights" : "/"
        guard try hasTexts("layer_names", of: root) else {
            throw invalid(
                "no file of weights of Keras: it has neither /layers nor the attribute layer_names (and is no checkpoint of unet-mpi)")
        }
        guard file.hasAttribute("keras_version", of: root), let version = try? file.text("keras_version", of: root),
            !version.hasPrefix("0."), !version.hasPrefix("1.")
        else {
            throw invalid("written by Keras 1 or older, which kept kernels in another order; load and save it with Keras 2 once")
        }
        if file.hasAttribute("backend", of: root), try file.text("backend", of: root) == "theano" {
            throw invalid("written with the Theano backend, which kept kernels turned; load and save it with the TensorFlow backend once")
        }
        let prefix = root == "/" ? "" : root
        return try texts("layer_names", of: root).compactMap { name in
            let group = "\(prefix)/\(name)"
            let weights = try texts("weight_names", of: group)
            return weights.isEmpty ? nil : try layer(weights.map { "\(group)/\($0)" })
        }
    }

    private func hasTexts(_ attribute: String, of group: String) throws -> Bool {
        file.hasAttribute(attribute, of: group) || file.hasAttribute("\(attribute)0", of: group)
    }

    /// A list of texts; Keras divides one of more than 64 KiB into several attributes with numbers.
    private func texts(_ attribute: String, of group: String) throws -> [String] {
        guard file.contains(group) || group == "/" else { throw invalid("there is no group \(group), which layer_names lists") }
        if file.hasAttribute(attribute, of: group) { return try file.texts(attribute, of: group) }
        var texts: [String] = [], number = 0
        while file.hasAttribute("\(attribute)\(number)", of: group) {
            texts += try file.texts("\(attribute)\(number)", of: group)
            number += 1
        }
        guard number > 0 else { throw invalid("group \(group) has no attribute \(attribute)") }
        return texts
    }

    /// [rows, columns, inputs, outputs] as [outputs, inputs, rows, columns].
    private static func outputsFirst(_ values: [Float], _ shape: [Int]) -> [Float] {
        let (taps, inputs, outputs) = (shape[0] * shape[1], shape[2], shape[3])
        return [Float](unsafeUninitializedCapacity: values.count) { result, count in
            for tap in 0..<taps {
                for input in 0..<inputs {
                    for output in 0..<outputs {
                        result[(output * inputs + input) * taps + tap] = values[(tap * inputs + input) * outputs + output]
                    }
                }
            }
            count = values.count
        }
    }
}

extension HDF5Dataset {
    /// All values as float32.
    fileprivate func values() throws -> [Float] {
        try [Float](unsafeUninitializedCapacity: count) { values, initialized in
            try read(into: UnsafeMutableBufferPointer(rebasing: values[..<count]))
            initialized = count
        }
    }
}
