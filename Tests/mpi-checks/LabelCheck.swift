import DataParallel
import Foundation
import Imaging
import Logging
import Training

/// One rank goes through the labels and tells the others which value is foreground: none of them does it again, which with large volumes
/// takes longer than a rank may be silent within a step. A third value that the labels get after the start shows who looks.
func checkLabels(_ communicator: Communicator) throws {
    let folder = FileManager.default.temporaryDirectory.path + "/labels-\(communicator.count)-\(getppid())"
    let images = folder + "/images.npy", labels = folder + "/labels.npy", others = folder + "/others.npy"
    try communicator.agree("making a sample") {
        guard communicator.rank == 0 else { return }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        // Only of all pages together it is seen that 3 is the background, and of the others 4.
        for (path, low, high) in [(images, 10, 20), (labels, 3, 9), (others, 4, 5)] {
            let writer = try makeVolumeWriter(path: path, shape: VolumeShape(pages: 4, height: 32, width: 32), pixelType: .uint8)
            for page in 0..<4 {
                try [Float](repeating: Float(page < 2 ? low : high), count: 1024).withUnsafeBufferPointer { try writer.append($0) }
            }
            try writer.close()
        }
    }
    defer { if communicator.rank == 0 { try? FileManager.default.removeItem(atPath: folder) } }
    let logger = Logger(label: "labels") { _ in SwiftLogNoOpLogHandler() }
    for validation in [[("validation", "2")], [("validation-images", images), ("validation-labels", others)]] {
        let configuration = try TrainingConfiguration(
            file: nil,
            options: [
                ("images", images), ("labels", labels), ("output", folder + "/run"), ("base-channels", "4"), ("depth", "2"), ("crop", "32"),
            ] + validation)
        let data = try TrainingData(configuration, communicator: communicator, logger: logger)
        try communicator.agree("changing the labels") {
            guard communicator.rank == 0 else { return }
            for path in [labels, others] { try changeLastByte(of: path, to: 100) }
        }
        try communicator.agree("reading the labels") {
            let training = data.loader.dataset, heldOut = data.validation!
            try expect(training.count == (validation.count == 1 ? 2 : 4), "\(training.count) slices")
            for (dataset, expected) in [
                (training, validation.count == 1 ? [0, 0] : [0, 0, 1, 1]), (heldOut, validation.count == 1 ? [1, 1] : [0, 0, 1, 1]),
            ] {
                for (slice, value) in expected.enumerated() {
                    try expect(try dataset.withLabel(slice) { $0.allSatisfy { $0 == Float(value) } }, "slice \(slice) is not \(value)")
                }
            }
            var refusal = ""
            do { _ = try SliceDataset(images: images, labels: labels).withLabel(0) { _ in } } catch { refusal = "\(error)" }
            try expect(refusal.contains("two values"), "a dataset that has been told nothing does not look: \(refusal)")
        }
        try communicator.agree("mending the labels") {
            guard communicator.rank == 0 else { return }
            for (path, value) in [(labels, 9), (others, 5)] { try changeLastByte(of: path, to: UInt8(value)) }
        }
    }
}

/// The last byte of NPY's uint8 is the last pixel of the last page.
private func changeLastByte(of path: String, to value: UInt8) throws {
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    try file.seek(toOffset: file.seekToEnd() - 1)
    try file.write(contentsOf: [value])
    try file.close()
}
