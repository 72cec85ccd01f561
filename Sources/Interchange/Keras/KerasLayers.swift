import Foundation

/// The layers of a network of ours as Keras has them, with the names that Keras gives.
struct KerasLayers {
    /// One layer of Keras.
    struct Layer {
        /// `Conv2D`
        let className: String
        /// Its place among the layers of its class, from 0.
        let number: Int
        /// Arguments of its constructor, beside the name.
        let arguments: [String: Any]
        /// The layers that it takes its input from: places in the list.
        let inputs: [Int]
        /// Our layer whose weights it has.
        let weights: String?

        /// As Keras 2 names it: `conv2d_1`
        var name: String { "\(snakeCase)_\(number + 1)" }
        /// As Keras 3 finds it in a `.weights.h5`: `conv2d`, `conv2d_1`
        var storageName: String { number == 0 ? snakeCase : "\(snakeCase)_\(number)" }

        private var snakeCase: String { KerasLayers.snakeCases[className] ?? className.lowercased() }
    }

    private static let snakeCases = [
        "InputLayer": "input", "Conv2D": "conv2d", "MaxPooling2D": "max_pooling2d", "UpSampling2D": "up_sampling2d",
        "Concatenate": "concatenate", "Dropout": "dropout", "Permute": "permute",
    ]

    /// The layers, inputs first.
    private(set) var layers: [Layer] = []

    /// - Parameters:
    ///   - network: of the architecture unet-keras.
    ///   - channelsFirst: whether images go in and come out as [N, C, H, W], with layers that change that, and not as [N, H, W, C].
    /// - Throws: `InterchangeError` if it has a layer that the Keras program has not.
    init(_ network: PortableNetwork, channelsFirst: Bool = false) throws {
        guard network.description.architecture == "unet-keras" else {
            throw InterchangeError(
                .usage,
                "the Keras format is for the architecture unet-keras, and this is \(network.description.architecture); take safetensors or onnx"
            )
        }
        let channels = network.description.channels
        let shape: [Any] = channelsFirst ? [NSNull(), channels, NSNull(), NSNull()] : [NSNull(), NSNull(), NSNull(), channels]
        var places = [network.layers[0].name: add("InputLayer", ["batch_input_shape": shape, "sparse": false])]
        if channelsFirst { places[network.layers[0].name] = add("Permute", ["dims": [2, 3, 1]], [0]) }
        for layer in network.layers.dropFirst() {
            let inputs = layer.inputs.map { places[$0]! }
            func convolution(_ kernel: [Int], _ inputs: [Int]) -> Int {
                let isLast = layer.name == network.outputName
                return add(
                    "Conv2D",
                    [
                        "filters": layer.channels, "kernel_size": kernel, "strides": [1, 1], "padding": "same", "use_bias": true,
                        "data_format": "channels_last", "activation": isLast ? "sigmoid" : layer.isRectified ? "relu" : "linear",
                    ], inputs, weights: layer.name)
            }
            switch layer.operation {
            case .convolution(let kernel, _, hasBias: true): places[layer.name] = convolution(kernel, inputs)
            case .upsampledConvolution(_, hasBias: true):
                places[layer.name] = convolution(
                    [2, 2], [add("UpSampling2D", ["size": [2, 2], "data_format": "channels_last"], inputs)])
            case .maxPooling:
                places[layer.name] = add(
                    "MaxPooling2D", ["pool_size": [2, 2], "strides": [2, 2], "padding": "valid", "data_format": "channels_last"], inputs)
            case .concatenation: places[layer.name] = add("Concatenate", ["axis": 3], inputs)
            case .dropout(let rate): places[layer.name] = add("Dropout", ["rate": Double(rate)], inputs)
            default: throw InterchangeError(.usage, "the layer \(layer.name) is none of those of the Keras program")
            }
        }
        if channelsFirst { _ = add("Permute", ["dims": [3, 1, 2]], [layers.count - 1]) }
    }

    private mutating func add(_ className: String, _ arguments: [String: Any], _ inputs: [Int] = [], weights: String? = nil) -> Int {
        let number = layers.filter { $0.className == className }.count
        layers.append(Layer(className: className, number: number, arguments: arguments, inputs: inputs, weights: weights))
        return layers.count - 1
    }

    /// `model_config` as Keras 2 wrote it and Keras 3 still reads it, as a JSON object.
    var modelConfiguration: [String: Any] {
        let list = layers.map { layer -> [String: Any] in
            var configuration = layer.arguments.merging(["name": layer.name, "dtype": "float32"]) { old, _ in old }
            // Of an input Keras 3 will not hear this.
            if !layer.inputs.isEmpty { configuration["trainable"] = true }
            let inputs = layer.inputs.map { [layers[$0].name, 0, 0, [String: Any]()] as [Any] }
            return [
                "class_name": layer.className, "name": layer.name, "config": configuration, "inbound_nodes": inputs.isEmpty ? [] : [inputs],
            ]
        }
        return [
            "class_name": "Model",
            "config": [
                "name": "unet", "layers": list, "input_layers": [[layers[0].name, 0, 0] as [Any]],
                "output_layers": [[layers.last!.name, 0, 0] as [Any]],
            ] as [String: Any],
        ]
    }
}
