import Foundation
import Imaging
import Interchange
import Kernels
import Logging
import Model

/// The export of a trained network for other programs.
public struct NetworkExport: Sendable {
    /// What is written.
    public enum Format: String, CaseIterable, Sendable {
        /// The weights in PyTorch's order, for PyTorch and everything that reads safetensors.
        case safetensors
        /// The whole network, for onnxruntime and what is built on it.
        case onnx
        /// Keras' HDF5, for networks of the architecture unet-keras.
        case keras
        /// A package of the BioImage Model Zoo.
        case bioimageio

        /// The extensions that files of this format have.
        var extensions: [String] {
            switch self {
            case .safetensors: ["safetensors"]
            case .onnx: ["onnx"]
            case .keras: ["h5", "hdf5"]
            case .bioimageio: ["zip"]
            }
        }

        /// The format of a file of this name.
        public init?(path: String) {
            let name = (path as NSString).pathExtension.lowercased()
            guard let format = Self.allCases.first(where: { $0.extensions.contains(name) }) else { return nil }
            self = format
        }
    }

    /// Which checkpoint: a file, or a run folder, whose best one counts.
    public enum Source: Sendable {
        /// This file.
        case checkpoint(String)
        /// The best checkpoint of this folder, or the newest if nothing was validated.
        case run(String)
    }

    private let source: Source, format: Format
    let output: String
    let package: PackageOptions

    /// An export of `source` to `output`.
    ///
    /// - Throws: `TrainingError` (`usage`) if the name of the output does not go with the format.
    public init(_ source: Source, to output: String, format: Format?, package: PackageOptions = PackageOptions()) throws {
        guard let format = format ?? Format(path: output) else {
            throw TrainingError(
                .usage,
                "--output \(output): the extension tells no format; .safetensors, .onnx, .h5 or .hdf5 (Keras) and .zip (bioimageio) do, or give --format"
            )
        }
        guard format.extensions.contains((output as NSString).pathExtension.lowercased()) else {
            throw TrainingError(
                .usage,
                "--output \(output): the readers of --format \(format.rawValue) want a name that ends in .\(format.extensions.joined(separator: " or ."))"
            )
        }
        (self.source, self.format, self.output, self.package) = (source, format, output, package)
    }

    /// Writes the file.
    ///
    /// - Throws: `TrainingError`, `ImagingError`, `InterchangeError`; no file is left then.
    public func run(logger: Logger) throws {
        let path = try checkpointPath()
        let checkpoint = try Checkpoint(path: path)
        let network = try portableNetwork(checkpoint, path)
        logger.notice("\(path): \(network.description.architecture), step \(network.description.step)")
        switch format {
        case .safetensors: try Safetensors.write(network, to: output)
        case .onnx: try ONNXWriter.write(network, to: output)
        case .keras: try KerasWriter.write(network, to: output)
        case .bioimageio: try writePackage(network, checkpoint, path, logger)
        }
        if format != .bioimageio {
            logger.notice("pixel values for it: \(network.normalizationText); \(network.inputSizeText)")
        }
        logger.notice("wrote \(output)")
    }

    /// The network of a checkpoint with the weights that predictions are made with.
    private func portableNetwork(_ checkpoint: Checkpoint, _ path: String) throws -> PortableNetwork {
        let configuration = checkpoint.configuration, rule = try configuration.inputSize
        let output = try Network.graph(configuration, channels: checkpoint.data.channels, height: rule.smallest, width: rule.smallest)
        let network = Network(output, purpose: .inference(batch: 1), device: Device())
        try network.restore(checkpoint, from: path)
        return try PortableNetwork(network, graph: Graph(output), description: checkpoint.portableDescription, inputSize: rule)
    }

    private func checkpointPath() throws -> String {
        switch source {
        case .checkpoint(let path): return path
        case .run(let folder):
            let checkpoints = "\(folder)/checkpoints", best = "\(checkpoints)/best.h5"
            if FileManager.default.fileExists(atPath: best) { return best }
            let names = (try? FileManager.default.contentsOfDirectory(atPath: checkpoints)) ?? []
            guard let newest = names.filter({ $0.hasPrefix("step-") && $0.hasSuffix(".h5") }).max() else {
                throw TrainingError(.missing, "--run \(folder): there is no checkpoint in \(checkpoints)")
            }
            return "\(checkpoints)/\(newest)"
        }
    }
}
