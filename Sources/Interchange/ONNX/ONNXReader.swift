import Foundation
import Imaging
import SwiftProtobuf

/// The weights of an ONNX file: the initializers, by name.
enum ONNXReader {
    /// Opens a file; everything that the tensors claim is checked before it is used.
    static func open(_ file: InputFile) throws -> WeightFile {
        func invalid(_ text: String) -> InterchangeError { InterchangeError(.invalid, "\(file.path): \(text)") }
        guard file.size < Int(Int32.max) else { throw invalid("\(file.size) bytes are more than an ONNX file can have") }
        let model: ONNXModelProto
        do {
            model = try ONNXModelProto(serializedBytes: try file.bytes(at: 0, count: file.size))
        } catch let error as ImagingError {
            throw error
        } catch {
            throw invalid("no file of weights that is known: neither HDF5 (Keras, checkpoint) nor safetensors nor ONNX")
        }
        guard model.irVersion > 0, model.hasGraph, !model.graph.node.isEmpty else {
            throw invalid("no file of weights that is known: neither HDF5 (Keras, checkpoint) nor safetensors nor ONNX")
        }
        let metadata = Dictionary(model.metadataProps.map { ($0.key, $0.value) }) { first, _ in first }
        // Constants of the graph's own have a colon in our files, and no point in anybody's.
        let tensors = model.graph.initializer.filter { $0.name.contains(".") && !$0.name.contains(":") }
        return WeightFile(
            path: file.path, format: "ONNX",
            weights: try tensors.map { tensor in
                let place = "initializer \(tensor.name)"
                // The smallest numbers that ONNX has take four bits.
                guard tensor.dims.allSatisfy({ (0..<1 << 31).contains($0) }), tensor.dims.count <= 8,
                    tensor.dims.reduce(1, { $0 * Double($1) }) <= 2 * Double(file.size)
                else { throw invalid("\(place) claims the shape \(tensor.dims), the file has \(file.size) bytes") }
                return StoredWeight(name: tensor.name, place: place, shape: tensor.dims.map { Int($0) }) {
                    try values(of: tensor, file.path)
                }
            }, description: try WeightFile.description(in: metadata, path: file.path))
    }

    private static func values(of tensor: ONNXTensorProto, _ path: String) throws -> [Float] {
        func invalid(_ text: String) -> InterchangeError { InterchangeError(.invalid, "\(path): initializer \(tensor.name) \(text)") }
        guard tensor.dataLocation == .default else { throw invalid("lies in a file of its own; save the model as one file") }
        guard tensor.dataType == Int32(ONNXTensorProto.DataType.float.rawValue) else {
            throw invalid("is of ONNX's type \(tensor.dataType); weights are float32, which is 1")
        }
        let count = tensor.dims.reduce(1.0) { $0 * Double($1) }
        let values =
            tensor.rawData.isEmpty
            ? tensor.floatData
            : tensor.rawData.withUnsafeBytes { bytes in
                (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
            }
        guard Double(values.count) == count else { throw invalid("has \(values.count) numbers for the shape \(tensor.dims)") }
        return values
    }
}
