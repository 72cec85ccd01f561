import Imaging
import Interchange
import Kernels
import Model

/// A file of weights that a training begins with instead of random ones.
public struct InitialWeights: Codable, Equatable, Sendable {
    /// The file: a checkpoint, safetensors, ONNX or Keras HDF5.
    public var path: String
    /// SHA-256 of its content, once it is known: that, and not the name, decides what is learnt.
    public var sha256: String?

    /// A file that has not been read.
    public init(path: String, sha256: String? = nil) { (self.path, self.sha256) = (path, sha256) }

    /// The same with the hash of what is in the file now.
    ///
    /// - Throws: `ImagingError` if it cannot be read; `TrainingError` if a configuration file says that it has another hash.
    func hashed() throws -> InitialWeights {
        let found = try Self.hash(of: InputFile(path))
        guard sha256 == nil || sha256 == found else {
            throw TrainingError(
                .invalid, "\(path): not the weights that the configuration means: their SHA-256 is \(sha256!), the file's is \(found)")
        }
        return InitialWeights(path: path, sha256: found)
    }

    /// SHA-256 of what is in a file.
    static func hash(of file: InputFile) throws -> String {
        var hash = SHA256()
        let piece = 1 << 22
        for offset in stride(from: 0, to: file.size, by: piece) {
            try file.bytes(at: offset, count: min(piece, file.size - offset)).withUnsafeBytes { hash.update($0) }
        }
        return hash.finalize()
    }
}

extension WeightFile {
    /// Opens a file of any kind that weights are taken from: a checkpoint too, whose moving average, if it has one, is what counts.
    ///
    /// - Throws: `TrainingError`, `ImagingError` or `InterchangeError`.
    package init(anyKind path: String) throws {
        let file = try InputFile(path)
        guard try Checkpoint.isCheckpoint(file) else {
            self = try WeightFile(file)
            return
        }
        let checkpoint = try Checkpoint(path: path)
        self.init(
            path: path, format: "checkpoint",
            weights: checkpoint.parameters.map { parameter in
                let values = parameter.average ?? parameter.values
                return StoredWeight(
                    name: parameter.name, place: "parameter \(parameter.name)", shape: parameter.shape, order: .outputsFirst
                ) { values }
            }, description: checkpoint.portableDescription)
    }
}

extension Checkpoint {
    /// What other programs are to know of the network.
    package var portableDescription: PortableNetwork.Description {
        PortableNetwork.Description(
            program: "unet-mpi \(programVersion)", architecture: configuration.architecture, options: configuration.architectureOptions,
            channels: data.channels, normalization: data.normalization,
            classes: configuration.classes?.names ?? ["foreground"], step: progress.step)
    }
}
