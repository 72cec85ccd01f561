import Foundation
import Imaging

/// The texts of a package: `bioimageio.yaml` and `README.md`.
struct BioImageDescription {
    let package: BioImagePackage
    let network: PortableNetwork

    /// Whether there are weights for Keras.
    var hasKeras: Bool { network.description.architecture == "unet-keras" }

    /// The oldest versions of PyTorch and TensorFlow that are said to load the weights.
    private static let pyTorchVersion = "2.0.0", tensorFlowVersion = "2.12.0"

    /// The description. Each text in it is written as JSON, which is YAML, too.
    func yaml(hashes: [String: String]) throws -> String {
        func file(_ name: String, _ indent: String) -> String { "source: \(name)\n\(indent)sha256: \(hashes[name]!)" }
        let output = ONNXWriter.outputName(network), rule = network.inputSize
        let smallest = rule.atLeast(2 * package.halo + 2 * rule.margin + 1)
        let classes = try jsonText(network.description.classes)
        let channels = try jsonText((0..<network.description.channels).map { network.description.channels == 1 ? "grey" : "channel\($0)" })
        let sides = ["y", "x"].map { axis in
            "  - {type: space, id: \(axis), size: {min: \(smallest), step: \(rule.multiple)}}"
        }
        let outputSides = ["y", "x"].map { axis in
            let offset = rule.margin == 0 ? "" : ", offset: \(-2 * rule.margin)"
            let halo = package.halo == 0 ? "" : ", halo: \(package.halo)"
            return "  - {type: space, id: \(axis), size: {tensor_id: image, axis_id: \(axis)\(offset)}\(halo)}"
        }
        var lines = [
            "format_version: \(BioImagePackage.formatVersion)",
            "type: model",
            "name: \(try jsonText(package.name))",
            "description: \(try jsonText(package.description))",
            "authors:",
        ]
        lines += try package.authors.map { "- {name: \(try jsonText($0))}" }
        lines += [
            "cite:",
            "- text: \"Ronneberger, Fischer, Brox (2015): U-Net: Convolutional Networks for Biomedical Image Segmentation\"",
            "  doi: 10.1007/978-3-319-24574-4_28",
            "license: \(package.license)",
            "tags: [unet, segmentation, 2d, unet-mpi, \(network.description.architecture)]",
            "documentation: README.md",
            "covers: [cover.png]",
            "inputs:",
            "- id: image",
            "  description: \"pixel values as the microscope gives them\"",
            "  axes:",
            "  - {type: batch}",
            "  - {type: channel, channel_names: \(channels)}",
        ]
        lines += sides
        lines += ["  data: {type: \(package.input.type.numpyName)}", "  test_tensor:", "    \(file("test-input.npy", "    "))"]
        lines += preprocessing
        lines += [
            "outputs:",
            "- id: \(output)",
            "  description: \"\(network.outputChannels == 1 ? "probability of the foreground" : "probability of each class")\"",
            "  axes:",
            "  - {type: batch}",
            "  - {type: channel, channel_names: \(classes)}",
        ]
        lines += outputSides
        lines += ["  data: {type: float32}", "  test_tensor:", "    \(file("test-output.npy", "    "))"]
        lines += [
            "weights:",
            "  pytorch_state_dict:",
            "    \(file("weights.pt", "    "))",
            "    pytorch_version: \(Self.pyTorchVersion)",
            "    architecture:",
            "      \(file("unet.py", "      "))",
            "      callable: UNet",
            "      kwargs: {layers: \(try PortableLayer.json(network.layers))}",
            "  onnx:",
            "    \(file("weights.onnx", "    "))",
            "    opset_version: \(ONNXWriter.operatorVersion)",
            "    parent: pytorch_state_dict",
        ]
        if hasKeras {
            lines += [
                "  keras_hdf5:", "    \(file("weights.h5", "    "))", "    tensorflow_version: \(Self.tensorFlowVersion)",
                "    parent: pytorch_state_dict",
            ]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// What is done to pixel values, as the readers know it.
    private var preprocessing: [String] {
        let first: [String] =
            switch network.description.normalization {
            case .divide(by: 1): []
            case .divide(let divisor): ["  - id: scale_linear", "    kwargs: {gain: \(1 / Double(divisor)), offset: 0.0}"]
            case .slice: ["  - id: zero_mean_unit_variance", "    kwargs: {axes: [y, x]}"]
            case .volume: ["  - id: zero_mean_unit_variance", "    kwargs: {axes: [batch, y, x]}"]
            }
        return ["  preprocessing:", "  - id: ensure_dtype", "    kwargs: {dtype: float32}"] + first
    }

    /// The page of documentation.
    var readMe: String {
        let description = network.description
        let count = network.weights.map(\.values.count).reduce(0, +)
        let lines = [
            "# \(package.name)", "", package.description, "",
            "## Network", "",
            "`\(description.architecture)` of depth \(description.options.depth) with \(description.options.baseChannels) channels at the first level, "
                + "\(count) numbers, trained with \(description.program) for \(description.step) steps.", "",
            "- Input: images of \(description.channels) channel\(description.channels == 1 ? "" : "s"), \(network.inputSizeText); pixel values: \(network.normalizationText).",
            "- Output: \(network.outputChannels == 1 ? "the probability of the foreground" : "the probabilities of \(description.classes.joined(separator: ", "))"), between 0 and 1.",
            "", "## Training", "",
        ]
        let validation = ["", "## Validation", ""]
        let advice = [
            "",
            "Compare the prediction for images of yours with labels drawn by hand, on images that the network was not trained on; "
                + "`unet-mpi evaluate --prediction prediction.tif --labels labels.tif` scores it.", "",
        ]
        return (lines + package.training + validation + package.scores + advice).joined(separator: "\n")
    }
}

extension PixelType {
    /// As NumPy and the description call it.
    fileprivate var numpyName: String {
        switch self {
        case .uint8: "uint8"
        case .uint16: "uint16"
        default: "float32"
        }
    }
}
