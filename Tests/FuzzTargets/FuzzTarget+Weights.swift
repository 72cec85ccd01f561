import DataParallel
import Foundation
import Imaging
import Interchange
import Logging
import Synchronization
import Training

/// Reads every tensor.
func readWeights(_ file: InputFile) throws { try read(WeightFile(file)) }

private func read(_ file: WeightFile) throws {
    for weight in file.weights.prefix(256) {
        let count = weight.shape.reduce(1.0) { $0 * Double($1) }
        // A tensor may be too large for a fuzzer's memory; the file is, too, then.
        guard count <= 0x1p24 else { continue }
        do {
            let values = try weight.read()
            guard Double(values.count) == count else { throw FuzzFailure("\(values.count) values for the shape \(weight.shape)") }
        } catch let error as any ExitStatusProviding {
            // The next may be sound.
            _ = "\(error)"
        }
    }
}

/// Makes a checkpoint of weights.
func importNetwork(_ file: InputFile, in folder: ScratchFolder) throws {
    let output = "\(folder.path)/imported.h5"
    try NetworkImport(file.path, to: output).run(file, logger: silent)
    defer { unlink(output) }
    _ = try Checkpoint(path: output)
}

private let silent = Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }

/// Reads an HDF5 file of `size` bytes, by way of `program` if there is one: the names of its volumes, its only volume, the weights in it. One that
/// is neither of the latter is refused.
func readHDF5(_ path: String, size: Int, by program: String?) throws {
    var limits = ReaderProcess.Limits()
    (limits.processorSeconds, limits.seconds) = (1, 20)
    func process(_ service: String...) -> ReaderProcess? {
        program.map { ReaderProcess(program: $0, service: service, path: path, limits: limits) }
    }
    func refusal(_ body: () throws -> Void) throws -> (any Error)? {
        do {
            try body()
            return nil
        } catch let error as any ExitStatusProviding { return error }
    }
    // To open the only volume this process makes a list of all, too.
    _ = try refusal { _ = try process("volumes", path)?.description([String].self) }
    // Where a damaged file's pixels lie among its descriptions, libhdf5 gives them as it has them in its cache, or on disk.
    let volume = try refusal {
        try readPages(process("volume", path, path).map { try VolumeReader($0, fileSize: size) } ?? VolumeReader(path), isSteady: false)
    }
    let weights = try refusal {
        try read(process("weights", path).map { try WeightFile(keras: $0, fileSize: size) } ?? WeightFile(path: path))
    }
    if let volume, weights != nil { throw volume }
}

/// Plays the process that reads HDF5: the first byte says for whom, `v` for a volume, `w` for weights, `n` for names; what follows is what the
/// process says.
func readAnswers(_ bytes: UnsafeRawBufferPointer) throws {
    guard let kind = bytes.first else { return }
    let answers = Array(bytes.dropFirst()), fileSize = 4096
    let process = ReaderProcess(path: "file.h5") { RecordedAnswers(answers) }
    switch kind {
    case UInt8(ascii: "v"): try readPages(VolumeReader(process, fileSize: fileSize), isSteady: false)
    case UInt8(ascii: "w"): try read(WeightFile(keras: process, fileSize: fileSize))
    default: _ = try process.description([String].self)
    }
}

/// Says the same, whatever it is asked.
private final class RecordedAnswers: ReaderConnection {
    private let bytes: [UInt8]
    private let position = Mutex(0)

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func send(_ bytes: UnsafeRawBufferPointer, until deadline: ContinuousClock.Instant) throws {}

    func receive(into buffer: UnsafeMutableRawBufferPointer, until deadline: ContinuousClock.Instant) throws {
        try position.withLock { position in
            guard buffer.count <= bytes.count - position else { throw ReaderFailure.ended }
            buffer.copyBytes(from: bytes[position..<position + buffer.count])
            position += buffer.count
        }
    }

    var endingSignal: Int32? { bytes.count % 2 == 0 ? nil : 11 }
}
