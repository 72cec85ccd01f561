import Foundation
import Imaging
import TestSupport
import Testing
import Training

/// The subcommands on good input.
@Suite(.serialized) struct CommandTests {
    let folder = TemporaryFolder()

    func run(_ arguments: String..., ranks: Int = 0, sourceLocation: SourceLocation = #_sourceLocation) throws -> Program.Outcome {
        let outcome = try Program.run(arguments, ranks: ranks, sourceLocation: sourceLocation)
        #expect(outcome.status == 0, "\(outcome.errors)", sourceLocation: sourceLocation)
        return outcome
    }

    func pages(_ path: String) throws -> [[Float]] {
        let volume = try VolumeReader(path)
        return try (0..<volume.shape.pages).map { page in
            var samples = [Float](repeating: 0, count: volume.shape.pageCount)
            try samples.withUnsafeMutableBufferPointer { try volume.readPage(page, into: $0) }
            return samples
        }
    }

    /// Sample, training, prediction in each format and score: with one rank and with three, pages of a size that no pooling divides.
    @Test func fromSampleToScore() throws {
        _ = try run("sample", "--output", folder / "data", "--training-pages", "5", "--test-pages", "4", "--height", "57", "--width", "70")
        _ = try run(
            "train", "--images", folder / "data/train-volume.tif", "--labels", folder / "data/train-labels.tif", "--validation", "1",
            "--output", folder / "run",
            "--steps", "30", "--batch-size", "4", "--crop", "48", "--base-channels", "4", "--depth", "2", "--learning-rate", "0.003",
            "--threads", "1", ranks: 2)
        let checkpoint = folder / "run/checkpoints/best.h5"
        func predict(_ name: String, ranks: Int, _ more: String...) throws -> String {
            let arguments = [
                "predict", "--checkpoint", checkpoint, "--images", folder / "data/test-volume.tif", "--output", folder / name, "--threads",
                "1",
            ]
            let outcome = try Program.run(arguments + more, ranks: ranks)
            #expect(outcome.status == 0 && outcome.count("wrote \(folder / name)") == 1, "\(outcome.errors)")
            return folder / name
        }
        let alone = try pages(predict("alone.tif", ranks: 0))
        #expect(alone.count == 4 && alone.allSatisfy { page in page.count == 57 * 70 && page.allSatisfy { $0 > 0 && $0 < 1 } })
        for name in ["three.tif", "three.h5", "three.npy"] { #expect(try pages(predict(name, ranks: 3)) == alone, "\(name)") }
        let npy = try [UInt8](Data(contentsOf: URL(fileURLWithPath: folder / "three.npy")))
        #expect(String(decoding: npy.prefix(128), as: UTF8.self).contains("'shape': (4, 57, 70, 1)"))
        #expect(try VolumeReader(folder / "three.tif").metadata.pixelWidth == 4)
        let mask = try predict("mask.tif", ranks: 2, "--threshold", "0.5")
        #expect(try VolumeReader(mask).pixelType == .uint8)
        #expect(try pages(mask) == alone.map { $0.map { $0 > 0.5 ? 255 : 0 } })

        struct Scores: Decodable, Equatable {
            struct Slice: Decodable, Equatable {
                let slice: Int
                let pixel_accuracy, v_rand, v_info, rand_error, warping_error, pixel_error: Double
            }
            struct Point: Decodable, Equatable { let threshold, v_rand, dice: Double }
            let pixel_accuracy, pixel_error, dice, iou, threshold, rand_error, v_rand, v_info, warping_error: Double
            let v_rand_threshold, v_rand_merge, v_rand_split: Double
            let hausdorff_distance: Double?
            let slices: [Slice], curve: [Point]
        }
        func scores(_ prediction: String, ranks: Int, threads: String = "1") throws -> Scores {
            let outcome = try run(
                "evaluate", "--prediction", prediction, "--labels", folder / "data/test-labels.tif", "--json", "--threads", threads,
                ranks: ranks)
            return try JSONDecoder().decode(Scores.self, from: Data(outcome.output.utf8))
        }
        let single = try scores(folder / "alone.tif", ranks: 0)
        #expect(try scores(folder / "alone.tif", ranks: 3) == single)
        #expect(try scores(folder / "alone.tif", ranks: 2, threads: "3") == single)
        #expect(single.slices.map(\.slice) == [0, 1, 2, 3] && single.curve.count == 11 && single.curve[3].threshold == 0.3)
        #expect(abs(single.slices.map(\.v_rand).reduce(0, +) / 4 - single.v_rand) < 1e-12, "the mean at one threshold")
        #expect(single.curve.map(\.v_rand).max() == single.v_rand && single.v_rand > 0 && single.v_rand < 1)
        #expect(try scores(mask, ranks: 1).pixel_accuracy == single.pixel_accuracy)
        let perfect = try scores(folder / "data/test-labels.tif", ranks: 0)
        #expect(perfect.pixel_accuracy == 1 && perfect.dice == 1 && perfect.iou == 1 && perfect.v_rand == 1 && perfect.v_info == 1)
        #expect(perfect.pixel_error == 0 && perfect.rand_error == 0 && perfect.warping_error == 0 && perfect.hausdorff_distance == 0)
        #expect(perfect.threshold == 0)
        // The scores by hand.
        let truth = try pages(folder / "data/test-labels.tif").joined().map { $0 > 0 }, found = alone.joined().map { $0 > 0.5 }
        let right = zip(truth, found).filter { $0 == $1 }.count, both = zip(truth, found).filter { $0 && $1 }.count
        #expect(single.pixel_accuracy == Double(right) / Double(truth.count))
        #expect(single.dice == Double(2 * both) / Double(truth.filter { $0 }.count + found.filter { $0 }.count))

        let table = try run(
            "evaluate", "--prediction", folder / "alone.tif", "--labels", folder / "data/test-labels.tif", "--images",
            folder / "data/test-volume.tif",
            "--picture", folder / "picture.png", "--csv", folder / "scores.csv", "--plot", folder / "plot.png", ranks: 2)
        #expect(table.output.contains("pixel accuracy           0."), "\(table.output)")
        #expect(table.output.contains("v rand                   0."), "\(table.output)")
        let csv = try String(contentsOfFile: folder / "scores.csv", encoding: .utf8).split(separator: "\n")
        #expect(csv.count == 1 + 11 * 5 && csv[0].hasPrefix("slice,threshold,pixel_accuracy,") && csv[1].hasPrefix("all,0.0,"))
        #expect(csv[11 * 5].hasPrefix("3,1.0,"))
        #expect(try VolumeReader(folder / "plot.png").shape.channels == 3)
        let picture = try VolumeReader(folder / "picture.png")
        #expect(picture.shape == VolumeShape(pages: 1, height: 3 * 57 + 2 * 8, width: 3 * 70 + 2 * 8))
        // In the middle column, the truth: the first page's labels.
        let shown = try pages(folder / "picture.png")[0], labels = try pages(folder / "data/test-labels.tif")[0]
        for (y, x) in [(0, 0), (20, 31), (56, 69)] { #expect(shown[y * 226 + 78 + x] == labels[y * 70 + x]) }

        let smaller = try Program.run(
            ["evaluate", "--prediction", folder / "alone.tif", "--labels", folder / "data/train-labels.tif"], ranks: 2)
        #expect(smaller.status == 65 && smaller.count("alone.tif") == 1 && smaller.errors.contains("train-labels.tif"), "\(smaller.errors)")
        let raw = try Program.run([
            "evaluate", "--prediction", folder / "data/test-volume.tif", "--labels", folder / "data/test-labels.tif",
        ])
        #expect(raw.status == 0)
    }

    /// `augment` writes what a training with the same seed, crop and augmentation sees.
    @Test func augmentedPairs() throws {
        _ = try run("sample", "--output", folder / "data", "--training-pages", "4", "--test-pages", "1", "--height", "60", "--width", "80")
        let volumes = ["--images", folder / "data/train-volume.tif", "--labels", folder / "data/train-labels.tif"]
        func augment(_ output: String, ranks: Int = 0, _ more: String...) throws -> Program.Outcome {
            try Program.run(
                ["augment", "--seed", "3", "--augment", "strong", "--output", folder / output] + volumes + more, ranks: ranks)
        }
        let outcome = try augment("a", ranks: 2, "--count", "5", "--crop", "48")
        #expect(outcome.status == 0 && outcome.count("wrote 5 pairs") == 1, "\(outcome.errors)")
        let images = try pages(folder / "a/images.tif"), labels = try pages(folder / "a/labels.tif")
        #expect(images.count == 5 && labels.count == 5)
        let data = try SliceDataset(images: folder / "data/train-volume.tif", labels: folder / "data/train-labels.tif")
        let loader = try SampleLoader(dataset: data, augmentation: .strong, crop: .square(48), seed: 3)
        let stream = SampleStream(slices: 4, cropsPerSlice: 1, seed: 3)
        for k in 0..<5 {
            var image = [Float](repeating: 0, count: 48 * 48), label = image
            try image.withUnsafeMutableBufferPointer { image in
                try label.withUnsafeMutableBufferPointer { try loader.load(stream.sample(at: k), image: image, label: $0) }
            }
            #expect(labels[k] == label.map { $0 * 255 })
            #expect(zip(images[k], image).allSatisfy { abs($0 - min(max($1, 0), 1) * 255) <= 0.5001 })
        }
        #expect(try VolumeReader(folder / "a/contact-sheet.png").shape.channels == 3)
        #expect(try augment("b").status == 0)
        #expect(try VolumeReader(folder / "b/images.tif").shape == VolumeShape(pages: 4, height: 60, width: 80))
        try originals(of: augment)
        for wrong in [["--count", "0"], ["--augment", "stronger"], ["--crop", "4096"]] {
            let outcome = try Program.run(["augment", "--output", folder / "c"] + volumes + wrong)
            #expect(outcome.status == 64 && outcome.errors.contains(wrong[1]), "\(outcome.errors)")
        }
    }

    /// With `--originals` each pair of the sheet stands below the sample as it was: the same part of the same slice.
    private func originals(of augment: (String, Int, String...) throws -> Program.Outcome) throws {
        func sheet(_ output: String) throws -> (shape: VolumeShape, rows: [[Float]]) {
            let reader = try VolumeReader(folder / "\(output)/contact-sheet.png"), shape = reader.shape
            var pixels = [Float](repeating: 0, count: shape.pageCount)
            try pixels.withUnsafeMutableBufferPointer { try reader.readPage(0, into: $0) }
            return (shape, (0..<shape.height).map { Array(pixels[$0 * shape.width..<($0 + 1) * shape.width]) })
        }
        #expect(try augment("plain", 0, "--count", "2", "--crop", "48", "--augment", "none").status == 0)
        #expect(try augment("beside", 0, "--count", "2", "--crop", "48", "--originals").status == 0)
        let plain = try sheet("plain"), beside = try sheet("beside")
        #expect(beside.shape.width == plain.shape.width && beside.shape.height == plain.shape.height + 54)
        #expect(Array(beside.rows[..<54]) == Array(plain.rows[..<54]))
        #expect(Array(beside.rows[54..<108]) != Array(plain.rows[..<54]))
    }

    @Test func splitAndMerge() throws {
        _ = try run("sample", "--output", folder / "data", "--training-pages", "12", "--test-pages", "1", "--height", "20", "--width", "24")
        _ = try run("split", folder / "data/train-volume.tif", "--output", folder / "slices", ranks: 2)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder / "slices").sorted() == (0..<12).map { "\($0).tif" }.sorted())
        for name in ["merged.tif", "merged.h5", "merged.npy"] {
            _ = try run("merge", folder / "slices", "--output", folder / name)
            #expect(try pages(folder / name) == pages(folder / "data/train-volume.tif"), "\(name)")
            #expect(try VolumeReader(folder / name).pixelType == .uint8)
        }
        let empty = try Program.run(["merge", folder / "data/none", "--output", folder / "x.tif"], ranks: 3)
        #expect(empty.status == 66 && empty.count("data/none") == 1, "\(empty.errors)")
        let unlike = try Program.run(["merge", folder / "data", "--output", folder / "x.tif"])
        #expect(unlike.status == 0, "volumes of several pages are joined too")
        #expect(try VolumeReader(folder / "x.tif").shape.pages == 26)
        _ = try run(
            "sample", "--output", folder / "slices/..", "--training-pages", "1", "--test-pages", "1", "--height", "20", "--width", "22")
        let sizes = try Program.run(["merge", folder.path, "--output", folder / "data/y.tif"])
        #expect(sizes.status == 65 && sizes.count("20") > 0, "\(sizes.errors)")
    }

    @Test func naturalOrder() {
        let names = ["10.tif", "2.tif", "a10b2.tif", "a10b1.tif", "a9.tif", "02.tif", "1.tif"]
        #expect(names.sorted(by: naturallyPrecedes) == ["1.tif", "2.tif", "02.tif", "10.tif", "a9.tif", "a10b1.tif", "a10b2.tif"])
    }

    @Test func infoOfANetwork() throws {
        let table = try run("info", "--architecture", "unet-keras", "--base-channels", "64", "--crop", "256", ranks: 2)
        #expect(table.output.components(separatedBy: "31,031,685").count == 2, "\(table.output)")
        let volume = try SmallVolume()
        let info = try Program.info(volume.images)
        #expect(
            info["kind"] == "volume" && info["pages"] == "6" && info["height"] == "40" && info["width"] == "48" && info["type"] == "uint8")
    }

    /// The options of `train` are those of the one table, and each subcommand's help has an example.
    @Test func helpFollowsTheTable() throws {
        struct Help: Decodable {
            struct Name: Decodable { var name: String }
            struct Argument: Decodable {
                var names: [Name]?
                var abstract: String?
            }
            struct Command: Decodable {
                var commandName: String
                var discussion: String?
                var arguments: [Argument]?
                var subcommands: [Command]?
            }
            var command: Command
        }
        let dump = try run("--experimental-dump-help").output
        let help = try JSONDecoder().decode(Help.self, from: Data(dump.utf8)).command
        let commands = try #require(help.subcommands).filter { $0.commandName != "help" }
        for command in commands {
            #expect(command.discussion?.contains("unet-mpi \(command.commandName) ") == true, "\(command.commandName) has no example")
        }
        let train = try #require(commands.first { $0.commandName == "train" }?.arguments)
        let common = ["config", "dry-run", "quiet", "verbose", "help", "version"]
        let options = train.filter { !common.contains($0.names?.last?.name ?? "") }
        #expect(options.map { $0.names?.last?.name } == TrainingOption.all.map(\.name))
        #expect(options.map(\.abstract) == TrainingOption.all.map(\.help))
    }

    @Test func terminalsAndLogs() throws {
        let volume = try SmallVolume()
        let plain = try Program.run(volume.training("plain", steps: 3))
        #expect(!plain.errors.contains("\u{1B}") && !plain.errors.contains("\r") && plain.output.isEmpty, "\(plain.errors)")
        #expect(plain.errors.contains("step 1/3  epoch 1  loss ") && plain.errors.contains("step 3/3") && plain.errors.contains("images/s"))
        let quiet = try Program.run(volume.training("quiet", steps: 3, "--quiet"), ranks: 2)
        #expect(quiet.status == 0 && quiet.errors.isEmpty, "\(quiet.errors)")
        let verbose = try Program.run(volume.training("verbose", steps: 5, "--verbose"), ranks: 2)
        #expect(verbose.count("saved step 5") >= 1, "\(verbose.errors)")
        // On a terminal one line is rewritten; script(1) gives the program one.
        let terminal = Process(), output = Pipe()
        terminal.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let command = ([Program.path] + volume.training("terminal", steps: 3)).map { "'\($0)'" }.joined(separator: " ")
        terminal.arguments = ["TERM=xterm", "script", "-qec", command, "/dev/null"]
        terminal.standardOutput = output
        terminal.standardInput = FileHandle.nullDevice
        try terminal.run()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        terminal.waitUntilExit()
        #expect(text.contains("\r\u{1B}[Kstep 2/3"), "\(text)")
    }
}
