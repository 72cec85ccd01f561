import Foundation
import Imaging
import SwiftProtobuf

/// A network as an ONNX file: IR version 7, operators of version 13, every weight an initializer under its name in PyTorch.
/// https://github.com/onnx/onnx/blob/main/docs/Operators.md
///
/// The input `image`, [N, C, H, W], is normalised as the metadata say; the output, of the same axes, is the probability of the foreground, or
/// that of each class.
package struct ONNXWriter {
    /// Of the operators.
    package static let operatorVersion = 13
    private static let formatVersion: Int64 = 7
    /// Bytes that a file may have: the limit of protocol buffers.
    private static let largestFile = Int(Int32.max)

    private var graph = ONNXGraphProto()
    private let network: PortableNetwork

    /// Writes `network`.
    ///
    /// - Throws: `InterchangeError` if it is too large for the format, `ImagingError` if the file cannot be written.
    package static func write(_ network: PortableNetwork, to path: String) throws {
        let bytes = try bytes(network, path: path)
        let file = try AtomicFile(path)
        try bytes.withUnsafeBytes { try file.write($0) }
        try file.commit()
    }

    /// The bytes of the file that errors call `path`.
    static func bytes(_ network: PortableNetwork, path: String) throws -> Data {
        let weights = 4 * network.weights.map(\.values.count).reduce(0, +)
        guard weights < largestFile - 1 << 20 else {
            throw InterchangeError(
                .usage, "\(path): the weights have \(weights) bytes, an ONNX file has at most \(largestFile); take safetensors")
        }
        var model = ONNXModelProto()
        model.irVersion = formatVersion
        let program = network.description.program.split(separator: " ", maxSplits: 1)
        model.producerName = String(program.first ?? "")
        model.producerVersion = program.count > 1 ? String(program[1]) : ""
        model.docString =
            "\(network.description.architecture); pixel values: \(network.normalizationText); \(network.inputSizeText); output: \(network.description.classes.joined(separator: ", "))"
        model.opsetImport = [.with { $0.version = Int64(operatorVersion) }]
        // The list of layers is for unet.py; the graph says the same here.
        model.metadataProps = try network.metadata.filter { $0.key != "layers" }.sorted { $0.key < $1.key }.map { key, value in
            .with { ($0.key, $0.value) = (key, value) }
        }
        var writer = ONNXWriter(network)
        writer.addLayers()
        model.graph = writer.graph
        return try model.serializedData()
    }

    /// The output's name.
    package static func outputName(_ network: PortableNetwork) -> String {
        network.outputChannels == 1 ? "probability" : "probabilities"
    }

    private init(_ network: PortableNetwork) { self.network = network }

    private mutating func addLayers() {
        graph.name = network.description.architecture
        for weight in network.pyTorchWeights { addInitializer(weight.name, weight.shape, weight.values) }
        for layer in network.layers { add(layer) }
        let output = Self.outputName(network), isSame = network.inputSize.margin == 0
        if network.outputChannels == 1 {
            addNode("Sigmoid", [network.outputName], output)
        } else {
            addNode("Softmax", [network.outputName], output, integers: ["axis": 1])
        }
        graph.input = [Self.value("image", channels: network.description.channels, height: "height", width: "width")]
        graph.output = [
            Self.value(
                output, channels: network.outputChannels, height: isSame ? "height" : "output_height",
                width: isSame ? "width" : "output_width")
        ]
    }

    private mutating func add(_ layer: PortableLayer) {
        let name = layer.name, inputs = layer.inputs.map { $0 == network.layers[0].name ? "image" : $0 }
        // A ReLU is a node of its own.
        let result = layer.isRectified ? "\(name):linear" : name
        func weights(_ hasBias: Bool) -> [String] { ["\(name).weight"] + (hasBias ? ["\(name).bias"] : []) }
        switch layer.operation {
        case .input: return
        case .convolution(let kernel, let border, let hasBias):
            addNode("Conv", inputs + weights(hasBias), result, lists: ["kernel_shape": kernel, "pads": border.onnx])
        case .upsampledConvolution(let border, let hasBias):
            addInitializer("\(name):scales", [4], [1, 1, 2, 2])
            addNode(
                "Resize", inputs + ["", "\(name):scales"], "\(name):enlarged",
                texts: ["mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"])
            addNode("Conv", ["\(name):enlarged"] + weights(hasBias), result, lists: ["kernel_shape": [2, 2], "pads": border.onnx])
        case .transposedConvolution(let hasBias):
            addNode("ConvTranspose", inputs + weights(hasBias), result, lists: ["kernel_shape": [2, 2], "strides": [2, 2]])
        case .maxPooling: addNode("MaxPool", inputs, result, lists: ["kernel_shape": [2, 2], "strides": [2, 2]])
        case .concatenation: addNode("Concat", inputs, result, integers: ["axis": 1])
        case .addition: addNode("Add", inputs, result)
        case .gate:
            addNode("Sigmoid", [inputs[1]], "\(name):sigmoid")
            addNode("Mul", [inputs[0], "\(name):sigmoid"], result)
        case .border(let border):
            // Counted from the end, so that images may be of any size.
            addInitializer("\(name):starts", [2], integers: [-border.top, -border.left])
            addInitializer(
                "\(name):ends", [2], integers: [border.bottom == 0 ? .max : border.bottom, border.right == 0 ? .max : border.right])
            addInitializer("\(name):axes", [2], integers: [2, 3])
            addNode("Slice", inputs + ["\(name):starts", "\(name):ends", "\(name):axes"], result)
        case .groupNormalization(let groups, let epsilon):
            addGroupNormalization(name, inputs[0], result, groups: groups, channels: layer.channels, epsilon)
        case .batchNormalization(let epsilon):
            addNode(
                "BatchNormalization", inputs + ["weight", "bias", "running_mean", "running_var"].map { "\(name).\($0)" }, result,
                numbers: ["epsilon": Float(epsilon)])
        case .dropout: addNode("Identity", inputs, result)
        }
        if layer.isRectified { addNode("Relu", [result], name) }
    }

    /// Operators of version 13 have no group normalisation: the channels of a group are made one, and normalised like an instance.
    private mutating func addGroupNormalization(
        _ name: String, _ input: String, _ result: String, groups: Int, channels: Int, _ epsilon: Double
    ) {
        if groups == channels {
            addNode(
                "InstanceNormalization", [input, "\(name).weight", "\(name).bias"], result, numbers: ["epsilon": Float(epsilon)])
            return
        }
        addInitializer("\(name):groups", [3], integers: [0, groups, -1])
        addInitializer("\(name):ones", [groups], [Float](repeating: 1, count: groups))
        addInitializer("\(name):zeros", [groups], [Float](repeating: 0, count: groups))
        addInitializer("\(name):channel_axis", [2], integers: [1, 2])
        addNode("Shape", [input], "\(name):shape")
        addNode("Reshape", [input, "\(name):groups"], "\(name):grouped")
        addNode(
            "InstanceNormalization", ["\(name):grouped", "\(name):ones", "\(name):zeros"], "\(name):normalized",
            numbers: ["epsilon": Float(epsilon)])
        addNode("Reshape", ["\(name):normalized", "\(name):shape"], "\(name):channels")
        for role in ["weight", "bias"] { addNode("Unsqueeze", ["\(name).\(role)", "\(name):channel_axis"], "\(name):\(role)") }
        addNode("Mul", ["\(name):channels", "\(name):weight"], "\(name):scaled")
        addNode("Add", ["\(name):scaled", "\(name):bias"], result)
    }

    private mutating func addNode(
        _ type: String, _ inputs: [String], _ output: String, integers: KeyValuePairs<String, Int> = [:],
        lists: KeyValuePairs<String, [Int]> = [:], numbers: KeyValuePairs<String, Float> = [:], texts: KeyValuePairs<String, String> = [:]
    ) {
        var node = ONNXNodeProto()
        (node.opType, node.name, node.input, node.output) = (type, output, inputs, [output])
        for (name, value) in integers { node.attribute.append(.with { ($0.name, $0.type, $0.i) = (name, .int, Int64(value)) }) }
        for (name, value) in lists { node.attribute.append(.with { ($0.name, $0.type, $0.ints) = (name, .ints, value.map(Int64.init)) }) }
        for (name, value) in numbers { node.attribute.append(.with { ($0.name, $0.type, $0.f) = (name, .float, value) }) }
        for (name, value) in texts { node.attribute.append(.with { ($0.name, $0.type, $0.s) = (name, .string, Data(value.utf8)) }) }
        graph.node.append(node)
    }

    private mutating func addInitializer(_ name: String, _ shape: [Int], _ values: [Float]) {
        add(name, shape, .float, values.withUnsafeBytes { Data($0) })
    }

    private mutating func addInitializer(_ name: String, _ shape: [Int], integers: [Int]) {
        add(name, shape, .int64, integers.map { Int64($0) }.withUnsafeBytes { Data($0) })
    }

    private mutating func add(_ name: String, _ shape: [Int], _ type: ONNXTensorProto.DataType, _ bytes: Data) {
        graph.initializer.append(
            .with {
                ($0.name, $0.dims, $0.rawData) = (name, shape.map(Int64.init), bytes)
                $0.dataType = Int32(type.rawValue)
            })
    }

    private static func value(_ name: String, channels: Int, height: String, width: String) -> ONNXValueInfoProto {
        .with {
            $0.name = name
            $0.type.tensorType.elemType = Int32(ONNXTensorProto.DataType.float.rawValue)
            $0.type.tensorType.shape.dim = [
                .with { $0.dimParam = "batch" }, .with { $0.dimValue = Int64(channels) }, .with { $0.dimParam = height },
                .with { $0.dimParam = width },
            ]
        }
    }
}

extension PortableLayer.Border {
    /// ONNX's order: beginnings, then ends.
    fileprivate var onnx: [Int] { [top, left, bottom, right] }
}
