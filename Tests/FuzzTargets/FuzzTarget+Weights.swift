import DataParallel
import Foundation
import Imaging
import Interchange
import Logging
import Synchronization
import Training

/// Reads every tensor.
func readWeights(_ path: String) throws { try read(WeightFile(path: path)) }

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
func importNetwork(_ path: String, in folder: ScratchFolder) throws {
    let output = "\(folder.path)/imported.h5"
    defer { unlink(output) }
    try NetworkImport(path, to: output).run(logger: Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() })
    _ = try Checkpoint(path: output)
}

/// Plays the process that reads HDF5: the first byte says for whom, `v` for a volume, `w` for weights, `n` for names; what follows is what the
/// process says.
func readAnswers(_ bytes: UnsafeRawBufferPointer) throws {
    guard let kind = bytes.first else { return }
    let answers = Array(bytes.dropFirst()), fileSize = 4096
    let process = ReaderProcess(path: "file.h5") { RecordedAnswers(answers) }
    switch kind {
    case UInt8(ascii: "v"): try readPages(VolumeReader(process, fileSize: fileSize))
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
