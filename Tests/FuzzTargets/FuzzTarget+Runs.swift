import Foundation
import Imaging
import Training

/// What stands between the parts of an input that is several texts: a line of four hyphens.
private func parts(of bytes: some Sequence<UInt8>, atMost count: Int) -> [String] {
    let text = String(decoding: Array(bytes), as: UTF8.self).components(separatedBy: "\n----\n")
    return Array(text.prefix(count)) + [String](repeating: "", count: max(0, count - text.count))
}

/// Reads a checkpoint, and what others make of it.
func readCheckpoint(_ path: String) throws {
    let isCheckpoint = try Checkpoint.isCheckpoint(path: path), checkpoint = try Checkpoint(path: path)
    guard isCheckpoint else { throw FuzzFailure("what was read does not look like a checkpoint") }
    _ = (checkpoint.parametersHash, checkpoint.optimizerHash, checkpoint.portableDescription, checkpoint.progress.updates)
    _ = try TrainingConfiguration(resolved: checkpoint.configuration.yaml, from: "its own words")
}

/// A sealed checkpoint with the texts that the bytes hold: configuration, progress, metrics, normalization, names of parameters, names of the
/// optimizer's states, channels.
func sealedCheckpoint(of bytes: UnsafeRawBufferPointer) throws -> [UInt8] {
    let texts = parts(of: bytes, atMost: 7).map { $0.replacingOccurrences(of: "\0", with: "") }
    let file = try HDF5File(inMemoryNamed: "made")
    try file.setAttribute("format", to: "unet-mpi checkpoint")
    try file.setAttribute("format_version", to: Int64(1))
    try file.setAttribute("program_version", to: programVersion)
    for (name, text) in zip(["configuration", "progress", "metrics", "normalization"], texts) { try file.setAttribute(name, to: text) }
    try file.setAttribute("data_fingerprint", to: "none")
    try file.setAttribute("channels", to: Int64(texts[6].prefix { $0 != "\n" }) ?? 1)
    try file.setAttribute("has_average", to: Int64(0))
    func lines(_ text: String) -> [String] { text.split(separator: "\n").prefix(4).map(String.init) }
    let names = lines(texts[4]), states = lines(texts[5])
    try file.setAttribute("parameter_names", to: names)
    try file.setAttribute("optimizer_state", to: states)
    for name in names {
        for path in ["/parameters/\(name)"] + states.map({ "/optimizer/\($0)/\(name)" }) where !file.contains(path) {
            // A name may be none that HDF5 takes.
            _ = try? file.write([1, 2, 3, 4] as [Float], shape: [2, 2], to: path)
        }
    }
    let image = try file.image()
    return image + Checkpoint.seal(of: image)
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
