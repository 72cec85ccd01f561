import Foundation
import Imaging

/// A tensor in somebody's file: read only when it is asked for, after its shape was found to fit.
package struct StoredWeight: Sendable {
    /// In what order its axes are.
    package enum Order: Sendable {
        /// Output channels first, as ours.
        case outputsFirst
        /// The same, but a transposed convolution's input channels come first, as in PyTorch and ONNX.
        case pyTorch
    }

    /// `conv1a.weight`
    package let name: ParameterName
    /// What errors call it: `dataset /conv2d_1/kernel:0`
    package let place: String
    /// Its shape in `order`.
    package let shape: [Int]
    /// The order of its axes.
    package let order: Order
    /// Reads the values, the last index varying fastest.
    package let read: @Sendable () throws -> [Float]

    /// A tensor from its parts.
    package init(
        name: String, place: String, shape: [Int], order: Order = .pyTorch, read: @escaping @Sendable () throws -> [Float]
    ) {
        (self.name, self.place, self.shape, self.order, self.read) = (ParameterName(name), place, shape, order, read)
    }
}

/// The weights in a file that another program, or this one, has written.
package struct WeightFile: Sendable {
    /// The file, as the user named it.
    package let path: String
    /// What it is: `safetensors`, `ONNX`, `Keras HDF5`, `Keras 3 HDF5`, `checkpoint`.
    package let format: String
    /// The tensors.
    package let weights: [StoredWeight]
    /// What our own export says of the network; nil in other files.
    package let description: PortableNetwork.Description?

    /// A file from its parts.
    package init(path: String, format: String, weights: [StoredWeight], description: PortableNetwork.Description? = nil) {
        (self.path, self.format, self.weights, self.description) = (path, format, weights, description)
    }

    /// Opens the file at `path`: the same.
    ///
    /// - Throws: as below, and `ImagingError` if it cannot be opened.
    package init(path: String) throws { self = try WeightFile(InputFile(path)) }

    /// The weights in a file of any of the formats that we read; its content tells which.
    ///
    /// - Throws: `ImagingError` if it cannot be read, `InterchangeError` if it is none of them, or damaged.
    package init(_ file: InputFile) throws {
        let path = file.path, start = try file.bytes(at: 0, count: min(file.size, 16))
        if start.starts(with: [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self =
                if let program = ReaderProcess.program {
                    try WeightFile(keras: ReaderProcess(program: program, service: ["weights", path], path: path), fileSize: file.size)
                } else { try KerasReader(path: path).weightFile() }
        } else if start.count > 8, start[8] == UInt8(ascii: "{") {
            self = try Safetensors.open(file)
        } else if start.starts(with: Array("PK".utf8)) {
            throw InterchangeError(
                .invalid,
                "\(path): a zip archive (.pt, .pth, .keras or a package); weights are read from .safetensors, .onnx and Keras' .hdf5 and .weights.h5: save them as one of these"
            )
        } else {
            self = try ONNXReader.open(file)
        }
    }

    /// The weights of a Keras file of `fileSize` bytes that `process` reads.
    ///
    /// - Throws: `ImagingError`.
    package init(keras process: ReaderProcess, fileSize: Int) throws {
        self = try KerasReader.weightFile(process, fileSize: fileSize)
    }

    /// The description that our exports have in their metadata.
    static func description(in metadata: [String: String], path: String) throws -> PortableNetwork.Description? {
        guard let text = metadata["description"], metadata["program"]?.hasPrefix("unet-mpi") == true else { return nil }
        do {
            return try JSONDecoder().decode(PortableNetwork.Description.self, from: Data(text.utf8))
        } catch {
            throw InterchangeError(.invalid, "\(path): its description of the network cannot be understood: \(text)")
        }
    }
}
