import Foundation
import Imaging
import TestSupport
import Testing
import Training

/// What training and prediction take as input beside one volume.
@Suite(.serialized) struct InputTests {
    let volume = try! SmallVolume()

    func hash(_ output: String, step: Int = 4) throws -> String {
        try #require(try Program.info(volume.checkpoint(output, step: step))["parameters_sha256"])
    }

    func train(_ output: String, ranks: Int = 0, _ more: String...) throws -> Program.Outcome {
        var arguments = volume.training(output, steps: 4)
        for name in ["--images", "--labels"] where more.contains(name) {
            let place = arguments.firstIndex(of: name)!
            arguments.removeSubrange(place..<place + 2)
        }
        return try Program.run(arguments + more, ranks: ranks)
    }

    /// The same pixels are the same training: as one volume, as two, as folders of files, with a cache that holds all, some, or nothing.
    @Test func howSlicesAreStoredChangesNothing() throws {
        let folder = volume.folder
        #expect(try train("one").status == 0)
        let expected = try hash("one")
        for name in ["images", "labels"] {
            #expect(try Program.run(["split", folder / "\(name).tif", "--output", folder / "\(name)"]).status == 0)
            for (part, pages) in [("a", 0..<2), ("b", 2..<6)] {
                try FileManager.default.createDirectory(atPath: folder / "\(part)-\(name)", withIntermediateDirectories: false)
                for page in pages {
                    try FileManager.default.copyItem(atPath: folder / "\(name)/\(page).tif", toPath: folder / "\(part)-\(name)/\(page).tif")
                }
                #expect(try Program.run(["merge", folder / "\(part)-\(name)", "--output", folder / "\(part)-\(name).h5"]).status == 0)
            }
        }
        var outcome = try train("folders", "--images", folder / "images", "--labels", folder / "labels")
        #expect(try outcome.status == 0 && hash("folders") == expected, "\(outcome.errors)")
        outcome = try train(
            "two", ranks: 2, "--images", folder / "a-images", "--images", folder / "b-images.h5", "--labels", folder / "a-labels.h5",
            "--labels", folder / "b-labels")
        #expect(try outcome.status == 0 && hash("two") == expected, "\(outcome.errors)")
        // The configuration that the run wrote names both; from it the run goes on.
        let yaml = folder / "two/configuration.yaml"
        outcome = try Program.run(["train", "--config", yaml, "--steps", "6"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        for mebibytes in ["0", "1"] {
            outcome = try train("cache" + mebibytes, ranks: 3, "--cache-mib", mebibytes)
            #expect(try outcome.status == 0 && hash("cache" + mebibytes) == expected, "\(outcome.errors)")
        }
        let unpaired = try Program.run(
            volume.training("unpaired", steps: 4, "--images", folder / "images", "--images", folder / "b-images"), ranks: 2, limit: 10)
        #expect(unpaired.status == 64 && unpaired.errors.contains("2 volumes of images, 1 of labels"), "\(unpaired.errors)")
    }

    /// Brightness and contrast are forgotten, in training and, without being told again, in prediction.
    @Test(arguments: ["slice", "volume"]) func normalizations(_ name: String) throws {
        let folder = volume.folder
        #expect(try train("z", "--normalization", name).status == 0)
        #expect(try train("range").status == 0)
        #expect(try hash("z") != hash("range"))
        func predict(_ images: String, _ checkpoint: String, _ more: String...) throws -> [Float] {
            let arguments = ["predict", "--checkpoint", checkpoint, "--images", images, "--output", folder / "p.npy", "--quiet"]
            let outcome = try Program.run(arguments + more, ranks: 2)
            #expect(outcome.status == 0, "\(outcome.errors)")
            let volume = try VolumeReader(folder / "p.npy")
            return try (0..<volume.shape.pages).flatMap { page in
                var samples = [Float](repeating: 0, count: volume.shape.pageCount)
                try samples.withUnsafeMutableBufferPointer { try volume.readPage(page, into: $0) }
                return samples
            }
        }
        let reader = try VolumeReader(volume.images)
        var pages = [[Float]]()
        for page in 0..<6 {
            var samples = [Float](repeating: 0, count: reader.shape.pageCount)
            try samples.withUnsafeMutableBufferPointer { try reader.readPage(page, into: $0) }
            pages.append(samples)
        }
        let dim = try volume.write("dim.npy", type: .float32) { page, y, x in pages[page][y * 48 + x] * 0.25 + 3 }
        let checkpoint = volume.checkpoint("z", step: 4)
        let bright = try predict(volume.images, checkpoint), dimmed = try predict(dim, checkpoint)
        #expect(zip(bright, dimmed).allSatisfy { abs($0 - $1) < 1e-4 })
        let changed = try Program.run(volume.training("z", steps: 8))
        #expect(changed.status == 64 && changed.errors.contains("normalization: type-range, was \(name)"), "\(changed.errors)")
    }

    /// Three channels, and a name for the slice that cannot be read.
    @Test func coloursAndBadSlices() throws {
        let folder = volume.folder
        try FileManager.default.createDirectory(atPath: folder / "rgb", withIntermediateDirectories: false)
        for page in 0..<6 {
            let pixels = testNumbers(40 * 48 * 3, seed: UInt64(page)).map { UInt8($0 * 120 + 128) }
            try PNG.write(rgb: pixels, width: 48, height: 40, to: folder / "rgb/\(page).png")
        }
        var outcome = try train("rgb-run", ranks: 2, "--images", folder / "rgb")
        #expect(outcome.status == 0, "\(outcome.errors)")
        outcome = try Program.run([
            "predict", "--checkpoint", volume.checkpoint("rgb-run", step: 4), "--images", folder / "rgb", "--output", folder / "p.tif",
            "--augmentations", "8", "--tile", "32", "--overlap", "8",
        ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try VolumeReader(folder / "p.tif").shape == VolumeShape(pages: 6, height: 40, width: 48))
        var bytes = try Data(contentsOf: URL(fileURLWithPath: folder / "rgb/3.png"))
        bytes.replaceSubrange(bytes.count / 2..<bytes.count / 2 + 8, with: [UInt8](repeating: 255, count: 8))
        try bytes.write(to: URL(fileURLWithPath: folder / "rgb/3.png"))
        outcome = try train("bad", ranks: 2, "--images", folder / "rgb")
        #expect(outcome.status == 65 && outcome.count("rgb/3.png") == 1, "\(outcome.status) \(outcome.errors)")
    }
}
