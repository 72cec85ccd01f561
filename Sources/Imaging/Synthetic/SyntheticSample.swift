import Foundation

/// A small made-up volume with labels, so that everything can be tried without data of one's own.
///
/// It resembles serial-section electron microscopy of neural tissue (4 × 4 × 50 nm): cells between dark membranes, with mitochondria and vesicles
/// inside, which a threshold does not tell from membranes. Labels are 255 in cells and 0 on membranes; of three classes 0 on membranes, 1 in cells
/// and 2 in mitochondria.
public enum SyntheticSample {
    /// Writes `train-volume.tif`, `train-labels.tif`, `test-volume.tif` and `test-labels.tif`, 8 bits a pixel, into `folder`, which is
    /// made if it is not there. The test pages follow the training pages in the same block of tissue.
    ///
    /// The files' pixels depend on nothing but the parameters.
    /// - Parameters:
    ///   - folder: Where the files go.
    ///   - trainingPages: Pages of the training volume.
    ///   - testPages: Pages of the test volume.
    ///   - height: Rows of a page.
    ///   - width: Columns of a page.
    ///   - classes: What labels tell apart: 2 or 3.
    ///   - seed: Seed of the tissue.
    /// - Throws: `ImagingError` if a count is not positive, or a file cannot be written.
    public static func write(
        to folder: String, trainingPages: Int = 20, testPages: Int = 10, height: Int = 256, width: Int = 256, classes: Int = 2,
        seed: UInt64 = 0
    ) throws {
        guard min(trainingPages, testPages, height, width) > 0 else {
            throw ImagingError(
                .usage, folder,
                "a sample of \(trainingPages) and \(testPages) pages of \(width)×\(height) pixels makes no sense; all must be positive")
        }
        guard (2...3).contains(classes) else { throw ImagingError(.usage, folder, "a sample has 2 or 3 classes, not \(classes)") }
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw ImagingError(.inputOutput, folder, "cannot make the folder: \(error.localizedDescription)")
        }
        let tissue = SyntheticTissue(height: height, width: width, seed: seed)
        for (name, pages) in [("train", 0..<trainingPages), ("test", trainingPages..<trainingPages + testPages)] {
            let shape = VolumeShape(pages: pages.count, height: height, width: width)
            let metadata = VolumeMetadata(pixelWidth: 4, pixelHeight: 4, zSpacing: 50, unit: "nm")
            func writer(_ kind: String) throws -> any VolumeWriter {
                try makeVolumeWriter(path: "\(folder)/\(name)-\(kind).tif", shape: shape, pixelType: .uint8, metadata: metadata)
            }
            let volume = try writer("volume"), labels = try writer("labels")
            for page in pages {
                let (image, label) = tissue.page(page, classes: classes)
                try image.map(Float.init).withUnsafeBufferPointer { try volume.append($0) }
                try label.map(Float.init).withUnsafeBufferPointer { try labels.append($0) }
            }
            try volume.close()
            try labels.close()
        }
    }
}
