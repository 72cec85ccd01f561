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

    /// The weights under the names that unet-keras has for them, read by `process` from a file of `fileSize` bytes, which it keeps open as long as
    /// one of them is. What it says a file made it say: nothing of it is believed.
    ///
    /// - Throws: `ImagingError`
    static func weightFile(_ process: ReaderProcess, fileSize: Int) throws -> WeightFile {
        let path = process.path, description = try process.description(Description.self)
        // The smallest numbers that weights are stored in have two bytes.
        var left = Double(fileSize) * Double(greatestRatio) / 2
        let weights = try description.weights.enumerated().map { number, weight in
            let count = weight.shape.reduce(1.0) { $0 * Double($1) }
            left -= count
            guard weight.shape.allSatisfy({ $0 > 0 }), count < 0x1p31, left >= 0 else {
                throw ImagingError(.invalid, path, "\(weight.place) claims the shape \(weight.shape), the file has \(fileSize) bytes")
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
    /// The service that is asked for by its name and arguments: `volume`, `volumes` or `weights`.
    ///
    /// - Throws: `ImagingError`, `InterchangeError`, also if there is no such service.
    package static func named(_ words: [String]) throws -> ReaderService {
        switch words.first {
        case "volume" where (3...4).contains(words.count): try volume(words.dropFirst())
        case "volumes" where words.count == 2: try volumes(words.dropFirst())
        case "weights" where words.count == 2: try kerasWeights(words.dropFirst())
        default: throw InterchangeError(.usage, "\(words): no service of a reader")
        }
    }

    /// The service `weights`: the tensors of a file of Keras, and the values of each, asked for by its number.
    private static func kerasWeights(_ arguments: ArraySlice<String>) throws -> ReaderService {
        let file = try KerasReader(path: arguments.first!).weightFile()
        let description = KerasReader.Description(
            format: file.format, weights: file.weights.map { .init(name: $0.name.pyTorch, place: $0.place, shape: $0.shape) })
        return try ReaderService(describedBy: description, requestCount: 1) { try file.weights[$0[0]].read() }
    }
}
