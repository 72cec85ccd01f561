import Foundation
import Imaging
import TestSupport
import Testing

/// Every kind of bad input ends the job within ten seconds, on one rank and on three, with one line that names the file, and the
/// documented exit status.
@Suite(.serialized) struct BadInputTests {
    let volume = try! SmallVolume()

    /// Runs the arguments alone and on three ranks.
    func expect(
        _ arguments: [String], status: Int32, _ texts: String..., ranks: [Int] = [0, 3], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for ranks in ranks {
            let outcome = try Program.run(arguments, ranks: ranks, limit: 10, sourceLocation: sourceLocation)
            #expect(outcome.status == status, "\(ranks) ranks: \(outcome.errors)", sourceLocation: sourceLocation)
            let lines = outcome.errors.split(separator: "\n").filter { line in texts.allSatisfy { line.contains($0) } }
            // MPICH's launcher lets the others go on when a rank ends before MPI has begun, and they say it too.
            let most = MPILauncher.isMPICH ? max(1, ranks) : 1
            #expect((1...most).contains(lines.count), "\(ranks) ranks: \(outcome.errors)", sourceLocation: sourceLocation)
            if ranks == 0 && status != 0 {
                #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)", sourceLocation: sourceLocation)
            }
        }
    }

    func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: volume.folder / name))
        return volume.folder / name
    }

    @Test func missingFile() throws {
        try expect(volume.training("run", steps: 20, "--images", volume.folder / "none.tif"), status: 66, "none.tif")
        try expect(volume.training("run", steps: 20, "--labels", volume.folder / "none.tif"), status: 66, "none.tif")
        try expect(volume.training("run", steps: 20, "--config", volume.folder / "none.yaml"), status: 66, "none.yaml")
        try expect(
            ["predict", "--checkpoint", volume.folder / "none.h5", "--images", volume.images, "--output", volume.folder / "p.tif"],
            status: 66, "none.h5")
    }

    @Test func filesThatAreNoVolumes() throws {
        try expect(volume.training("run", steps: 20, "--images", try file("empty.tif", [])), status: 65, "empty.tif")
        try expect(
            volume.training("run", steps: 20, "--labels", try file("text.tif", Array("This is no image.\n".utf8))), status: 65, "text.tif")
    }

    @Test func truncatedVolume() throws {
        let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: volume.images)))
        try expect(
            volume.training("run", steps: 20, "--images", try file("half.tif", Array(whole.prefix(whole.count / 2)))), status: 65,
            "half.tif")
    }

    @Test func pagesOfDifferentSizes() throws {
        try expect(volume.training("run", steps: 20, "--images", try file("pages.tif", twoPages())), status: 65, "pages.tif")
    }

    /// A TIFF of an 8×8 and an 8×4 page, uncompressed.
    func twoPages() -> [UInt8] {
        var bytes: [UInt8] = Array("II".utf8) + [42, 0, 8, 0, 0, 0]
        func short(_ value: Int) -> [UInt8] { [UInt8(value & 255), UInt8(value >> 8)] }
        func long(_ value: Int) -> [UInt8] { short(value & 65535) + short(value >> 16) }
        for (index, height) in [8, 4].enumerated() {
            let entries = [
                (256, 8), (257, height), (258, 8), (259, 1), (262, 1), (273, bytes.count + 2 + 9 * 12 + 4), (277, 1), (278, height),
                (279, 8 * height),
            ]
            bytes += short(entries.count)
            for (tag, value) in entries { bytes += short(tag) + short(4) + long(1) + long(value) }
            bytes += long(index == 0 ? bytes.count + 4 + 8 * height : 0)
            bytes += [UInt8](repeating: 100, count: 8 * height)
        }
        return bytes
    }

    @Test func imagesAndLabelsThatDiffer() throws {
        let short = try volume.write("short.tif", pages: 5) { _, _, x in Float(x % 2 * 255) }
        try expect(volume.training("run", steps: 20, "--labels", short), status: 65, "short.tif", "images.tif")
        let low = try volume.write("low.tif", height: 32) { _, _, x in Float(x % 2 * 255) }
        try expect(volume.training("run", steps: 20, "--labels", low), status: 65, "low.tif", "images.tif")
        let grey = try volume.write("grey.tif") { _, _, x in Float(x) }
        try expect(volume.training("run", steps: 20, "--labels", grey), status: 65, "grey.tif", "two values")
    }

    @Test func labelsOfOneClassAreAWarning() throws {
        let one = try volume.write("one.tif") { _, _, _ in 255 }
        try expect(volume.training("run", steps: 1, "--labels", one), status: 0, "warning", "one.tif", ranks: [0])
        try expect(volume.training("run3", steps: 1, "--labels", one, "--batch-size", "3"), status: 0, "warning", "one.tif", ranks: [3])
    }

    @Test func checkpointsThatCannotBeUsed() throws {
        #expect(try Program.run(volume.training("run", steps: 1)).status == 0)
        let good = try [UInt8](Data(contentsOf: URL(fileURLWithPath: volume.checkpoint("run", step: 1))))
        func predict(_ checkpoint: String) -> [String] {
            ["predict", "--checkpoint", checkpoint, "--images", volume.images, "--output", volume.folder / "p.tif", "--threads", "1"]
        }
        try expect(predict(try file("cut.h5", Array(good.prefix(good.count - 1000)))), status: 65, "cut.h5")
        var flipped = good
        flipped[good.count / 2] ^= 4
        try expect(predict(try file("flipped.h5", flipped)), status: 65, "flipped.h5", "SHA-256")
        try expect(
            volume.training(
                "other", steps: 2, "--resume", volume.checkpoint("run", step: 1), "--architecture", "unet-keras"), status: 65,
            "step-00000001.h5", "head.weight", "conv5c.weight")
        let rgb = volume.folder / "rgb.npy"
        let writer = try makeVolumeWriter(path: rgb, shape: VolumeShape(pages: 1, height: 8, width: 8, channels: 3), pixelType: .uint8)
        try [Float](repeating: 1, count: 192).withUnsafeBufferPointer { try writer.append($0) }
        try writer.close()
        try expect(
            [
                "predict", "--checkpoint", volume.checkpoint("run", step: 1), "--images", rgb, "--output", volume.folder / "p.tif",
                "--threads", "1",
            ], status: 65,
            "rgb.npy", "3 channels")
        #expect(!FileManager.default.fileExists(atPath: volume.folder / "p.tif"))
    }

    @Test func placesThatCannotBeWritten() throws {
        // A folder below a file cannot be made by anyone, not even by root.
        try expect(volume.training("images.tif/run"), status: 74, "images.tif/run")
        #expect(try Program.run(volume.training("run", steps: 1)).status == 0)
        try expect(
            [
                "predict", "--checkpoint", volume.checkpoint("run", step: 1), "--images", volume.images, "--output",
                volume.folder / "none/p.tif", "--threads", "1",
            ],
            status: 66, "none/p.tif")
    }

    @Test func settingsThatDoNotFit() throws {
        try expect(volume.training("run", steps: 20, "--crop", "64"), status: 64, "images.tif", "64", "40")
        try expect(volume.training("run", steps: 20, "--batch-size", "2"), status: 64, "batch of 2", "3 ranks", ranks: [3])
        try expect(volume.training("run", steps: 20, "--batch-size", "0"), status: 64, "--batch-size 0")
        try expect(volume.training("run", steps: 20, "--validation", "6"), status: 64, "--validation 6", "images.tif")
        try expect(
            volume.training("run", steps: 20, "--config", try file("c.yaml", Array("batchsize: 2\n".utf8))), status: 64, "c.yaml",
            "'batch-size'")
        try expect(volume.training("run", steps: 20, "--crop", "full", "--depth", "4"), status: 64, "48×40")
    }

    @Test func mistypedCommandLines() throws {
        for ranks in [0, 3] {
            let outcome = try Program.run(["train", "--imagse", "x"], ranks: ranks, limit: 10)
            #expect(outcome.status == 64 && outcome.count("--imagse") == 1, "\(outcome.errors)")
            let help = try Program.run(["train", "--help"], ranks: ranks, limit: 10)
            #expect(help.status == 0 && help.output.components(separatedBy: "--base-channels").count == 2, "\(help.output)")
        }
    }

    @Test func lossThatIsNotANumber() throws {
        // Finite pixels, but their products are not.
        let bad = try volume.write("bad.npy", type: .float32) { page, _, x in page == 1 ? 3e38 : Float(x) / 48 }
        try expect(
            volume.training("run", steps: 20, "--images", bad, "--augment", "none", "--crop", "full", "--quiet"), status: 77, "step 1,",
            "slice 1,")
        #expect(try FileManager.default.contentsOfDirectory(atPath: volume.folder / "run/checkpoints").isEmpty)
    }
}
