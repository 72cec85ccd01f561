import Foundation
import Imaging
import Training

/// What stands between the parts of an input that is several texts: a line of four hyphens.
private func parts(of bytes: some Sequence<UInt8>, atMost count: Int) -> [String] {
    let text = String(decoding: Array(bytes), as: UTF8.self).components(separatedBy: "\n----\n")
    return Array(text.prefix(count)) + [String](repeating: "", count: max(0, count - text.count))
}

/// Reads a checkpoint, and what others make of it.
func readCheckpoint(_ bytes: [UInt8]) throws {
    try use(Checkpoint(bytes: bytes, path: "checkpoint.h5"))
    guard try Checkpoint.isCheckpoint(InputFile("checkpoint.h5", holding: bytes)) else {
        throw FuzzFailure("what was read does not look like a checkpoint")
    }
}

private func use(_ checkpoint: Checkpoint) throws {
    _ = (checkpoint.parametersHash, checkpoint.optimizerHash, checkpoint.portableDescription, checkpoint.progress.updates)
    _ = try TrainingConfiguration(resolved: checkpoint.configuration.yaml, from: "its own words")
}

/// Makes a checkpoint of the texts that the bytes hold: configuration, progress, metrics, normalization, names of parameters, names of the
/// optimizer's states, channels. They are those of a file whose seal is right.
func readContents(_ bytes: UnsafeRawBufferPointer) throws {
    let texts = parts(of: bytes, atMost: 7)
    func lines(_ text: String) -> [String] { text.split(separator: "\n").prefix(4).map(String.init) }
    let contents = Checkpoint.Contents(
        configuration: texts[0], progress: texts[1], metrics: texts[2], fingerprint: "none", normalization: texts[3],
        channels: Int(texts[6].prefix { $0 != "\n" }) ?? 1, parameters: lines(texts[4]), states: lines(texts[5]),
        hasAverage: bytes.count % 2 == 0)
    try use(Checkpoint(contents, "checkpoint.h5", shape: { _ in [2, 2] }, values: { _ in [1, 2, 3, 4] }))
}

/// Reads a configuration; what it is written as is read again, as the same.
func readConfiguration(_ bytes: UnsafeRawBufferPointer, in folder: ScratchFolder) throws {
    let configuration = try TrainingConfiguration(file: folder.file(bytes), options: [])
    let text = configuration.yaml, again = try TrainingConfiguration(resolved: text, from: "its own words")
    guard again == configuration else { throw FuzzFailure("written as \(text.debugDescription), it is read as another configuration") }
    _ = (configuration.fingerprint, configuration.differences(from: TrainingConfiguration()))
}

/// Makes the page of a run folder with the texts that the bytes hold: configuration, log, history, validation; and its picture if the
/// configuration begins with a blank line.
func readRunFolder(_ bytes: UnsafeRawBufferPointer, in folder: ScratchFolder) throws {
    let texts = parts(of: bytes, atMost: 4)
    for (name, text) in zip(["configuration.yaml", "log.jsonl", "history.jsonl", "validation.json"], texts) {
        _ = try folder.file(Array(text.utf8), name)
    }
    let report = try RunReport(folder: folder.path), page = report.page
    // Of what stands in the files nothing is left that a browser would run.
    guard !page.lowercased().contains("<script") else { throw FuzzFailure("the page holds a script") }
    if texts[0].hasPrefix("\n") { try report.writePicture(to: "\(folder.path)/progress.png") }
}
