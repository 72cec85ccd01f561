import Foundation
import Imaging

// A checkpoint file is an HDF5 file followed by a seal of 96 bytes. HDF5 readers ignore what follows their end of file; we read
// nothing before the seal's hash has been verified, because libhdf5 notices almost no damage and some of it makes it crash.
//
//     /                       attributes: format, format_version, program_version, step, position, epoch, seed, configuration (YAML),
//                             progress (JSON), metrics (JSON), data_fingerprint, normalization (JSON), channels, parameter_names
//     /parameters/NAME                 float32, output channel × input channel × row × column, or channel
//     /optimizer/STATE/NAME            likewise, for each STATE of the attribute optimizer_state: first_moment and second_moment, or velocity
//     /average/NAME                    likewise, if the attribute has_average is 1: the moving average, which predictions are made with
//
//     seal:  0  "UNET-MPI-SEAL-01"
//           16  length of the HDF5 part in bytes, little endian
//           24  zero
//           32  SHA-256 of everything before, 64 hexadecimal digits

extension Checkpoint {
    /// The version of the layout above.
    static let formatVersion: Int64 = 1
    private static let formatName = "unet-mpi checkpoint"
    private static let sealPrefix = "UNET-MPI-SEAL-", sealVersion = "01"
    static let sealLength = 96

    /// The HDF5 part and the seal.
    package func file(named name: String) throws -> (image: [UInt8], seal: [UInt8]) {
        try withFile(named: name, parameters: parameters) { (Array($0), Array($1)) }
    }

    /// Lends the HDF5 part, where libhdf5 holds it, and the seal, with `parameters` instead of the checkpoint's own.
    func withFile<Result>(
        named name: String, parameters: some Sequence<Parameter>, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        try hdf5(named: name, parameters: parameters).withImage { image in
            try Self.seal(of: image).withUnsafeBytes { try body(image, $0) }
        }
    }

    /// The seal for an HDF5 part.
    package static func seal(of image: [UInt8]) -> [UInt8] { image.withUnsafeBytes { seal(of: $0) } }

    private static func seal(of image: UnsafeRawBufferPointer) -> [UInt8] {
        var seal = Array((sealPrefix + sealVersion).utf8)
        withUnsafeBytes(of: UInt64(image.count).littleEndian) { seal += $0 }
        seal += [UInt8](repeating: 0, count: 8)
        var hash = SHA256()
        hash.update(image)
        seal.withUnsafeBytes { hash.update($0) }
        return seal + Array(hash.finalize().utf8)
    }

    /// Reads and verifies a checkpoint.
    ///
    /// Throws `TrainingError`: `missing`, `inputOutput`, or `invalid` for a file that is damaged, cut short, no checkpoint, or of a
    /// newer format.
    public init(path: String) throws { try self.init(path: path, files: SystemFiles()) }

    package init(path: String, files: any FileOperations) throws {
        try self.init(bytes: try files.readAll(path), path: path)
    }

    /// A checkpoint from the bytes of its file, which errors call `path`.
    package init(bytes: [UInt8], path: String) throws {
        let length = try Self.verifiedLength(of: bytes, path)
        try self.init(
            verified: try bytes.withUnsafeBytes { try HDF5File(bytes: UnsafeRawBufferPointer(rebasing: $0[..<length]), name: path) }, path)
    }

    /// Whether a file ends like a checkpoint, so that `info` can tell it from a volume.
    public static func isCheckpoint(path: String) throws -> Bool {
        // What is no file is no checkpoint: the reader of volumes says what is wrong.
        guard let file = try? InputFile(path) else { return false }
        return try isCheckpoint(file)
    }

    /// Whether an open file ends like a checkpoint.
    package static func isCheckpoint(_ file: InputFile) throws -> Bool {
        guard file.size > sealLength else { return false }
        return try file.bytes(at: file.size - sealLength, count: sealPrefix.utf8.count) == Array(sealPrefix.utf8)
    }

    /// The length of the HDF5 part of a checkpoint file whose seal is intact.
    private static func verifiedLength(of file: [UInt8], _ path: String) throws -> Int {
        func invalid(_ text: String) -> TrainingError { TrainingError(.invalid, "\(path): \(text)") }
        let seal = Array(file.suffix(sealLength)), prefix = Array(sealPrefix.utf8)
        guard seal.count == sealLength, Array(seal.prefix(prefix.count)) == prefix else {
            throw invalid(
                file.isEmpty
                    ? "the file is empty"
                    : "not a complete checkpoint: the seal at its end is missing (cut short, or another program's file)")
        }
        let version = String(decoding: seal[prefix.count..<prefix.count + 2], as: UTF8.self)
        let length = seal[16..<24].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length == UInt64(file.count - sealLength) else {
            throw invalid("damaged: it should hold \(length) bytes and its seal, but is \(file.count) bytes long")
        }
        var hash = SHA256()
        file.withUnsafeBytes { hash.update(UnsafeRawBufferPointer(rebasing: $0[..<(file.count - 64)])) }
        guard Array(hash.finalize().utf8) == Array(seal[32...]) else {
            throw invalid("damaged: its SHA-256 is not the one it was sealed with; use an older checkpoint")
        }
        guard version == sealVersion else { throw newer(path, "seal \(version)") }
        return file.count - sealLength
    }

    private static func newer(_ path: String, _ what: String) -> TrainingError {
        TrainingError(
            .invalid,
            "\(path): written by a newer unet-mpi (\(what)); this is \(programVersion), which reads formats up to \(formatVersion)")
    }

    private func hdf5(named name: String, parameters: some Sequence<Parameter>) throws -> HDF5File {
        let file = try HDF5File(inMemoryNamed: name)
        try file.setAttribute("format", to: Self.formatName)
        try file.setAttribute("format_version", to: Self.formatVersion)
        try file.setAttribute("program_version", to: programVersion)
        try file.setAttribute("step", to: Int64(progress.step))
        try file.setAttribute("position", to: Int64(progress.position))
        try file.setAttribute("seed", to: configuration.seed)
        try file.setAttribute("configuration", to: configuration.yaml)
        try file.setAttribute("progress", to: try json(progress))
        try file.setAttribute("metrics", to: try json(metrics))
        try file.setAttribute("data_fingerprint", to: data.fingerprint)
        try file.setAttribute("normalization", to: try json(data.normalization))
        try file.setAttribute("channels", to: Int64(data.channels))
        var names: [String] = [], states: [String] = [], hasAverage = false
        for parameter in parameters {
            names.append(parameter.name)
            try file.write(parameter.values, shape: parameter.shape, to: "/parameters/\(parameter.name)")
            states = parameter.optimizerState.keys.sorted()
            for state in states {
                try file.write(parameter.optimizerState[state]!, shape: parameter.shape, to: "/optimizer/\(state)/\(parameter.name)")
            }
            hasAverage = parameter.average != nil
            if let average = parameter.average { try file.write(average, shape: parameter.shape, to: "/average/\(parameter.name)") }
        }
        try file.setAttribute("optimizer_state", to: states)
        try file.setAttribute("has_average", to: Int64(hasAverage ? 1 : 0))
        try file.setAttribute("parameter_names", to: names)
        return file
    }

    private init(verified file: HDF5File, _ path: String) throws {
        guard file.hasAttribute("format"), try file.text("format") == Self.formatName else {
            throw TrainingError(.invalid, "\(path): an HDF5 file, but not a checkpoint of unet-mpi")
        }
        let version = try file.number("format_version", as: Int64.self)
        guard version <= Self.formatVersion else {
            throw Self.newer(path, "format \(version), program \((try? file.text("program_version")) ?? "unknown")")
        }
        // The first files of this format had only Adam, and did not name its state.
        let isNamed = file.hasAttribute("optimizer_state")
        let contents = Contents(
            configuration: try file.text("configuration"), progress: try file.text("progress"), metrics: try file.text("metrics"),
            fingerprint: try file.text("data_fingerprint"), normalization: try file.text("normalization"),
            channels: Int(try file.number("channels", as: Int64.self)), parameters: try file.texts("parameter_names"),
            states: isNamed ? try file.texts("optimizer_state") : ["first_moment", "second_moment"],
            hasAverage: isNamed ? try file.number("has_average", as: Int64.self) == 1 : false)
        try self.init(contents, path, shape: { try file.dataset($0).shape }, values: { try file.read($0) })
    }

    /// What the attributes of a checkpoint say.
    package struct Contents {
        /// YAML.
        package var configuration: String
        /// JSON.
        package var progress, metrics: String
        /// Of the data: their hash, and JSON of what was done to them.
        package var fingerprint, normalization: String
        package var channels: Int
        /// Names.
        package var parameters, states: [String]
        package var hasAverage: Bool

        package init(
            configuration: String, progress: String, metrics: String, fingerprint: String, normalization: String, channels: Int,
            parameters: [String], states: [String], hasAverage: Bool
        ) {
            (self.configuration, self.progress, self.metrics) = (configuration, progress, metrics)
            (self.fingerprint, self.normalization, self.channels) = (fingerprint, normalization, channels)
            (self.parameters, self.states, self.hasAverage) = (parameters, states, hasAverage)
        }
    }

    /// A checkpoint from what its attributes say and from its arrays, whose `shape` and `values` are asked for by their place in the file.
    ///
    /// - Throws: `TrainingError` if they are none of a run.
    package init(
        _ contents: Contents, _ path: String, shape: (String) throws -> [Int], values: (String) throws -> [Float]
    ) throws {
        configuration = try TrainingConfiguration(resolved: contents.configuration, from: path)
        progress = try Self.value(contents.progress, path)
        metrics = try Self.value(contents.metrics, path)
        data = DataDescription(
            fingerprint: contents.fingerprint, normalization: try Self.value(contents.normalization, path), channels: contents.channels)
        guard progress.isPossible, (1...1 << 16).contains(data.channels) else {
            throw TrainingError(.invalid, "\(path): its counts are none of a run: \(data.channels) channels, \(progress)")
        }
        let (names, states) = (contents.parameters, contents.states)
        guard Set(states).count == states.count, Set(names).count == names.count else {
            throw TrainingError(.invalid, "\(path): its parameters \(names) or the optimizer's \(states) are listed twice")
        }
        parameters = try names.map { name in
            let shape = try shape("/parameters/\(name)")
            func array(_ group: String) throws -> [Float] {
                let values = try values("\(group)/\(name)")
                guard values.count == shape.reduce(1, *) else {
                    throw TrainingError(.invalid, "\(path): \(group)/\(name) has \(values.count) values, the parameter is \(shape)")
                }
                return values
            }
            return Parameter(
                name: name, shape: shape, values: try array("/parameters"), average: contents.hasAverage ? try array("/average") : nil,
                optimizerState: try Dictionary(uniqueKeysWithValues: states.map { ($0, try array("/optimizer/\($0)")) }))
        }
    }

    private func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    private static func value<T: Decodable>(_ text: String, _ path: String) throws -> T {
        do {
            return try JSONDecoder().decode(T.self, from: Data(text.utf8))
        } catch {
            throw TrainingError(.invalid, "\(path): cannot understand '\(text)': \(error)")
        }
    }
}
