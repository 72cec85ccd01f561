import Imaging

/// Weights of Keras that a process of its own reads.
extension KerasReader {
    /// What is said of a file.
    fileprivate struct Description: Codable {
        struct Weight: Codable {
            let name, place: String
            let shape: [Int]
        }

        let format: String
        let weights: [Weight]
    }

    /// The weights under the names that unet-keras has for them, read by `program`, which keeps the file open as long as one of them is.
    ///
    /// - Throws: `ImagingError`
    static func weightFile(path: String, program: String) throws -> WeightFile {
        let process = ReaderProcess(program: program, service: ["weights", path], path: path)
        let description = try process.description(Description.self)
        let weights = try description.weights.enumerated().map { number, weight in
            let count = weight.shape.reduce(1.0) { $0 * Double($1) }
            guard weight.shape.allSatisfy({ $0 > 0 }), count < 0x1p31 else {
                throw ImagingError(.invalid, path, "\(weight.place) has the shape \(weight.shape)")
            }
            return StoredWeight(name: weight.name, place: weight.place, shape: weight.shape) {
                try [Float](unsafeUninitializedCapacity: Int(count)) { values, initialized in
                    try process.read([number], into: UnsafeMutableBufferPointer(rebasing: values[..<Int(count)]))
                    initialized = Int(count)
                }
            }
        }
        return WeightFile(path: path, format: description.format, weights: weights)
    }
}

extension ReaderService {
    /// The service `weights`: the tensors of a file of Keras, and the values of each, asked for by its number.
    package static func kerasWeights(_ arguments: ArraySlice<String>) throws -> ReaderService {
        let file = try KerasReader(path: arguments.first!).weightFile()
        let description = KerasReader.Description(
            format: file.format, weights: file.weights.map { .init(name: $0.name.pyTorch, place: $0.place, shape: $0.shape) })
        return try ReaderService(describedBy: description, requestCount: 1) { try file.weights[$0[0]].read() }
    }
}
