import Foundation
import Imaging
import Testing
import Training

/// Several classes from labels to predictions, through the program.
@Suite(.serialized) struct ClassesTests {
    let volume = try! SmallVolume()
    static let list = "wall=10,cell=20,core=300,ignore=99"

    init() throws {
        // Cores are brighter than the cells around them. A stripe of each page is nobody's.
        func isCore(_ y: Int, _ x: Int) -> Bool { (y + 2) % 13 > 5 && x % 17 > 8 }
        var images: [Int: [Float]] = [:]
        let reader = try VolumeReader(volume.images), walls = try VolumeReader(volume.labels)
        var truth = images
        for page in 0..<reader.shape.pages {
            (images[page], truth[page]) = (try values(of: reader, page), try values(of: walls, page))
        }
        func isWall(_ page: Int, _ place: Int) -> Bool { truth[page]![place] == 0 }
        try volume.write("grey.tif") { page, y, x in
            let place = y * volume.width + x
            return min(255, images[page]![place] + (!isWall(page, place) && isCore(y, x) ? 60 : 0))
        }
        try volume.write("classes.tif", type: .uint16) { page, y, x in
            y == 11 ? 99 : isWall(page, y * volume.width + x) ? 10 : isCore(y, x) ? 300 : 20
        }
    }

    func values(of reader: VolumeReader, _ page: Int) throws -> [Float] {
        var samples = [Float](repeating: 0, count: reader.shape.pageCount)
        try samples.withUnsafeMutableBufferPointer { try reader.readPage(page, into: $0) }
        return samples
    }

    func values(_ path: String) throws -> [Float] {
        let reader = try VolumeReader(path)
        return try (0..<reader.shape.pages).flatMap { try values(of: reader, $0) }
    }

    func arguments(_ output: String, steps: Int = 10, _ more: [String] = []) -> [String] {
        volume.training(
            output, steps: steps, "--images", volume.folder / "grey.tif", "--labels", volume.folder / "classes.tif")
            + (more.contains("--classes") ? [] : ["--classes", Self.list]) + more
    }

    func run(_ arguments: [String], ranks: Int = 0, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let outcome = try Program.run(arguments, ranks: ranks, sourceLocation: sourceLocation)
        #expect(outcome.status == 0, "\(outcome.errors)", sourceLocation: sourceLocation)
    }

    func logged(_ output: String) throws -> [[String: Double]] {
        try String(contentsOfFile: volume.folder / "\(output)/log.jsonl", encoding: .utf8).split(separator: "\n").map { line in
            try JSONDecoder().decode([String: Double].self, from: Data(line.utf8)).filter {
                !$0.key.hasSuffix("_s") && !$0.key.hasSuffix("_mib")
            }
        }
    }

    func state(_ output: String, step: Int) throws -> [String: String] {
        try Program.info(volume.checkpoint(output, step: step)).filter {
            ["parameters_sha256", "optimizer_sha256", "validation_loss", "validation_dice_core"].contains($0.key)
        }
    }

    /// Every loss: the same bits and scores on one, two and three ranks, stopped in between, with other threads.
    @Test(arguments: [
        ["--loss", "bce"], ["--loss", "weighted-cross-entropy", "--architecture", "unet-residual"],
        ["--loss", "cross-entropy-dice", "--memory", "low"], ["--loss", "dice"], ["--loss", "focal", "--norm", "batch"],
        ["--loss", "weighted-bce", "--border-weight", "10", "--classes", "wall=10,cell=20,core=300,stripe=99"],
    ]) func ranksAndThreads(_ options: [String]) throws {
        let options = options + ["--best-metric", "iou_core"]
        try run(arguments("alone", options))
        try run(arguments("two", steps: 6, options + ["--threads", "2"]), ranks: 2)
        try run(arguments("two", options), ranks: 3)
        let expected = try state("alone", step: 10), log = try logged("alone")
        #expect(expected.count == 4)
        #expect(try state("two", step: 10) == expected)
        #expect(try logged("two").filter { $0["step"] == 10 } == log.filter { $0["step"] == 10 })
        let losses = log.compactMap { $0["loss"] }
        #expect(losses.count == 10 && losses.suffix(3).reduce(0, +) < losses.prefix(3).reduce(0, +), "\(losses)")
    }

    /// The network learns, its scores are those of what it predicts, and the prediction is what it should be in every form.
    @Test func fromLabelsToPredictions() throws {
        try run(
            arguments(
                "run", steps: 120,
                ["--validate-every", "60", "--best-metric", "dice_core", "--learning-rate", "0.004", "--augment", "light"]))
        let scores = try #require(try logged("run").last)
        for name in ["wall", "cell", "core"] { #expect(scores["validation_dice_\(name)"]! > 0.5, "\(name): \(scores)") }
        let mean = ["wall", "cell", "core"].map { scores["validation_iou_\($0)"]! }.reduce(0, +) / 3
        #expect(abs(scores["validation_iou"]! - mean) < 1e-12)

        let checkpoint = volume.checkpoint("run", step: 120), folder = volume.folder
        let text = try Program.run(["info", checkpoint]).output
        #expect(text.contains("wall=10") && text.contains("core=300") && text.contains("ignored label"), "\(text)")
        func predict(_ name: String, ranks: Int = 0, _ more: String...) throws -> [Float] {
            try run(
                ["predict", "--checkpoint", checkpoint, "--images", folder / "grey.tif", "--output", folder / name, "--quiet"] + more,
                ranks: ranks)
            return try values(folder / name)
        }
        let probabilities = try predict("p.tif"), plane = volume.height * volume.width
        let shape = try VolumeReader(folder / "p.tif").shape
        #expect(shape == VolumeShape(pages: 6, height: volume.height, width: volume.width, channels: 3))
        #expect(try predict("p.h5", ranks: 2) == probabilities && predict("p.npy", ranks: 3) == probabilities)
        func most(_ probabilities: [Float]) -> [Float] {
            (0..<6 * plane).map { place in
                let (page, pixel) = place.quotientAndRemainder(dividingBy: plane)
                let all = (0..<3).map { probabilities[(page * 3 + $0) * plane + pixel] }
                return [10, 20, 300][all.firstIndex(of: all.max()!)!]
            }
        }
        for place in stride(from: 0, to: plane, by: 17) {
            #expect(abs((0..<3).map { probabilities[$0 * plane + place] }.reduce(0, +) - 1) < 1e-6)
        }
        for name in ["l.tif", "l.h5", "l.npy"] {
            #expect(try predict(name, "--type", "labels") == most(probabilities))
            #expect(try VolumeReader(folder / name).pixelType == .uint16)
        }
        #expect(try predict("b.tif", "--type", "uint8") == probabilities.map { ($0 * 255).rounded() })
        // Tiles that overlap by all that the network sees, orientations, and the same network twice.
        let tiled = try predict("t.tif", ranks: 2, "--tile", "32", "--overlap", "28")
        #expect(tiled != probabilities && zip(tiled, probabilities).allSatisfy { abs($0 - $1) < 0.2 })
        #expect(try predict("u.tif", "--tile", "32", "--overlap", "28", "--type", "labels") == most(tiled))
        let turned = try predict("o.tif", "--augmentations", "8")
        #expect(try predict("q.tif", ranks: 3, "--augmentations", "8", "--type", "labels") == most(turned) && turned != probabilities)
        #expect(try predict("e.tif", "--checkpoint", checkpoint) == probabilities)

        // The last two pages were held out.
        let truth = try values(folder / "classes.tif")
        let counted = (4 * plane..<6 * plane).filter { truth[$0] != 99 }, found = most(probabilities)
        let right = counted.filter { found[$0] == truth[$0] }.count
        #expect(abs(scores["validation_accuracy"]! - Double(right) / Double(counted.count)) < 1e-12)
    }

    @Test(arguments: ["unet", "unet-keras", "unet-valid", "unet-residual", "attention-unet", "unet-plus-plus"]) func architectures(
        _ name: String
    ) throws {
        let more = [
            "--architecture", name, "--base-channels", "2", "--crop", name == "unet-valid" ? "44" : "32", "--norm",
            name == "unet-keras" ? "none" : "group",
        ]
        let outcome = try Program.run(arguments("run", steps: 1, more))
        if name == "unet-keras" {
            #expect(outcome.status == 64 && outcome.errors.contains("take unet for several classes"), "\(outcome.errors)")
        } else {
            #expect(outcome.status == 0, "\(outcome.errors)")
            let p = volume.folder / "p.npy"
            try run(["predict", "--checkpoint", volume.checkpoint("run", step: 1), "--images", volume.folder / "grey.tif", "--output", p])
            #expect(try VolumeReader(p).shape.channels == 3)
        }
    }

    @Test func whatDoesNotFitIsRefused() throws {
        func expect(_ status: Int32, _ text: String..., of arguments: [String], ranks: [Int] = [0]) throws {
            for ranks in ranks {
                let outcome = try Program.run(arguments, ranks: ranks, limit: 20)
                #expect(outcome.status == status && text.allSatisfy { outcome.errors.contains($0) }, "\(outcome.status) \(outcome.errors)")
            }
        }
        try expect(
            65, "classes.tif", "page 0 holds", "of value 300", "ignore=300",
            of: arguments("x", ["--classes", "wall=10,cell=20,ignore=99"]), ranks: [0, 2])
        // Labels of their own are looked at before the first step.
        try volume.write("other.tif", type: .uint16) { page, y, x in page == 3 && y == 5 && x == 7 ? 42 : 10 }
        try expect(
            65, "other.tif", "page 3 holds 1 pixel of no class", "value 42",
            of: arguments(
                "y",
                [
                    "--validation", "0", "--validation-images", volume.folder / "grey.tif", "--validation-labels",
                    volume.folder / "other.tif",
                ]), ranks: [0, 2])
        #expect(!FileManager.default.fileExists(atPath: volume.folder / "y/log.jsonl"))
        try expect(64, "--classes 1: 1 class;", of: arguments("x", ["--classes", "1"]))
        try expect(64, "--best-metric dice_axon", "no class is called 'axon'", of: arguments("x", ["--best-metric", "dice_axon"]))
        try expect(64, "--best-metric v_rand", "contradicts --classes", of: arguments("x", ["--best-metric", "v_rand"]))
        try expect(64, "--segmentation-scores-every", of: arguments("x", ["--segmentation-scores-every", "5"]))
        try expect(64, "--focal-alpha", of: arguments("x", ["--loss", "focal", "--focal-alpha", "0.3"]))
        try expect(64, "--border-weight", of: arguments("x", ["--border-weight", "10"]))
        try expect(64, "it is bce", of: volume.training("x", steps: 1, "--loss", "cross-entropy"))
        try expect(64, "there are no --classes", of: volume.training("x", steps: 1, "--best-metric", "dice_cell"))

        try run(arguments("run", steps: 1))
        try run(volume.training("binary", steps: 1))
        // Two classes that changed places, another number of classes, and none.
        try expect(
            64, "Changed: classes:", "{value: 20, name: cell",
            of: arguments("run", steps: 2, ["--classes", "cell=20,wall=10,core=300,ignore=99"]))
        try expect(65, "another architecture: head", of: arguments("run", steps: 2, ["--classes", "10,20,300,99", "--accept-changes"]))
        try expect(65, "another architecture: head", of: volume.training("run", steps: 2, "--accept-changes"))
        func predict(_ names: String..., more: [String] = []) -> [String] {
            ["predict", "--images", volume.images, "--output", volume.folder / "x.tif"]
                + names.flatMap { ["--checkpoint", volume.checkpoint($0, step: 1)] } + more
        }
        try expect(64, "--threshold is for foreground", of: predict("run", more: ["--threshold", "0.5"]), ranks: [0, 2])
        try expect(64, "--type labels is for networks", of: predict("binary", more: ["--type", "labels"]))
        try expect(65, "the classes wall=10", "foreground and background", of: predict("run", "binary"), ranks: [0, 2])
        #expect(!FileManager.default.fileExists(atPath: volume.folder / "x.tif"))
    }

    /// Scores of a hand-made prediction, as label values and as probabilities, on any number of ranks; a picture in the classes' colours.
    @Test func evaluation() throws {
        // Walls are found but for the first row, of cores one of three rows; the rest is taken for cells.
        let truth = try values(volume.folder / "classes.tif")
        func found(_ place: Int) -> Float {
            let y = place / volume.width % volume.height, value = truth[place]
            return value == 10 && y > 0 ? 10 : value == 300 && y % 3 == 0 ? 300 : 20
        }
        let plane = volume.height * volume.width
        try volume.write("found.tif", type: .uint16) { page, y, x in found(page * plane + y * volume.width + x) }
        let shape = VolumeShape(pages: 6, height: volume.height, width: volume.width, channels: 3)
        let writer = try makeVolumeWriter(path: volume.folder / "found.h5", shape: shape, pixelType: .float32)
        for page in 0..<6 {
            let samples = [Float(10), 20, 300].flatMap { value in
                (0..<plane).map { found(page * plane + $0) == value ? 0.5 : 0.25 as Float }
            }
            try samples.withUnsafeBufferPointer { try writer.append($0) }
        }
        try writer.close()
        func evaluate(_ prediction: String, ranks: Int, _ more: String...) throws -> Program.Outcome {
            try Program.run(
                ["evaluate", "--prediction", volume.folder / prediction, "--labels", volume.folder / "classes.tif"] + more, ranks: ranks)
        }
        let first = try evaluate(
            "found.tif", ranks: 0, "--classes", Self.list, "--json", "--csv", volume.folder / "s.csv", "--picture", volume.folder / "s.png",
            "--images", volume.folder / "grey.tif")
        #expect(first.status == 0, "\(first.errors)")
        for (prediction, ranks) in [("found.h5", 0), ("found.tif", 2), ("found.h5", 3)] {
            #expect(try evaluate(prediction, ranks: ranks, "--classes", Self.list, "--json").output == first.output)
        }
        struct Report: Decodable {
            struct Class: Decodable { let name: String, dice, iou, precision, recall: Double, true_pixels, predicted_pixels: Int }
            let pixel_accuracy, mean_dice, mean_iou: Double, classes: [Class], confusion: [[Int]]
        }
        let report = try JSONDecoder().decode(Report.self, from: Data(first.output.utf8)), places = truth.indices.filter { truth[$0] != 99 }
        let classes: [Float] = [10, 20, 300]
        for (c, value) in classes.enumerated() {
            let both = Double(places.count { truth[$0] == value && found($0) == value })
            let true_ = Double(places.count { truth[$0] == value }), said = Double(places.count { found($0) == value })
            let one = report.classes[c]
            #expect(one.dice == 2 * both / (true_ + said) && one.iou == both / (true_ + said - both))
            #expect(
                one.precision == both / said && one.recall == both / true_ && Double(one.true_pixels) == true_
                    && Double(one.predicted_pixels) == said)
            for (d, other) in classes.enumerated() {
                #expect(report.confusion[c][d] == places.count { truth[$0] == value && found($0) == other })
            }
        }
        #expect(
            report.classes.map(\.name) == ["wall", "cell", "core"] && report.classes[1].recall == 1 && report.classes[2].precision == 1)
        #expect(report.pixel_accuracy == Double(places.count { truth[$0] == found($0) }) / Double(places.count))
        #expect(abs(report.mean_dice - report.classes.map(\.dice).reduce(0, +) / 3) < 1e-12)
        let lines = try String(contentsOfFile: volume.folder / "s.csv", encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 1 + 7 * 3 && lines[1].hasPrefix("all,wall,10,\(report.classes[0].dice),"))
        // Truth beside the image: the first pixel is a wall, black; the row that is nobody's is grey.
        let picture = try VolumeReader(volume.folder / "s.png"), width = picture.shape.width, pixels = try values(volume.folder / "s.png")
        func color(_ y: Int, _ x: Int) -> [Float] { (0..<3).map { pixels[($0 * picture.shape.height + y) * width + x] } }
        let x = volume.width + 8
        #expect(color(0, x) == [0, 0, 0] && color(11, x) == [200, 200, 200])
        let core = try #require(truth[..<plane].firstIndex(of: 300))
        #expect(color(core / volume.width, x + core % volume.width) == [0x56, 0xB4, 0xE9])

        let table = try evaluate("found.tif", ranks: 2, "--classes", Self.list).output
        #expect(table.contains("truth \\ found") && table.contains("precision") && table.contains("core"), "\(table)")
        for (status, text, outcome) in [
            (64, "--plot draws", try evaluate("found.tif", ranks: 0, "--classes", Self.list, "--plot", volume.folder / "s.png")),
            (64, "--classes 1: 1 class", try evaluate("found.tif", ranks: 2, "--classes", "1")),
            (65, "scored with --classes", try evaluate("found.h5", ranks: 0)),
            (65, "of the prediction holds", try evaluate("grey.tif", ranks: 2, "--classes", Self.list)),
            (65, "one of label values, or 4", try evaluate("found.h5", ranks: 0, "--classes", "10,20,300,99")),
        ] as [(Int32, String, Program.Outcome)] {
            #expect(outcome.status == status && outcome.errors.contains(text), "\(outcome.status) \(outcome.errors)")
        }
    }

    /// YAML gives each class value, name and color; what a run stores is read back as the same.
    @Test func configurations() throws {
        let path = volume.folder / "c.yaml"
        let base = "images: a\nlabels: b\noutput: c\n"
        func read(_ classes: String) throws -> TrainingConfiguration {
            try (base + classes).write(toFile: path, atomically: true, encoding: .utf8)
            return try TrainingConfiguration(file: path, options: [])
        }
        let full = try read(
            "classes: [{value: 0, name: background, color: \"#010203\"}, {value: 4, name: \"8\"}, {value: 2}, {value: 9, name: ignore}]\n")
        let classes = try #require(full.classes)
        #expect(classes.description == "background=0, 8=4, 2=2, ignore=9" && classes.classes[0].color == "#010203")
        #expect(try read("classes:\n- 3\n- 1\n").classes?.description == "3=3, 1=1")
        #expect(try read("classes: a=3,b=1\n").classes?.names == ["a", "b"] && read("classes: none\n").classes == nil)
        try full.yaml.write(toFile: path, atomically: true, encoding: .utf8)
        let again = try TrainingConfiguration(file: path, options: [])
        #expect(again == full && full.loss == "cross-entropy" && again.fingerprint == full.fingerprint)
        #expect(try TrainingConfiguration(file: path, options: [("classes", "none"), ("loss", "bce")]).fingerprint != full.fingerprint)
        for (text, reason) in [
            ("classes: {a: 1}", "mappings as in"), ("classes: [{value: 0, nam: x}, 1]", "did you mean 'name'"),
            ("classes: [{name: x}, 1]", "needs a value"),
            ("classes: [{value: 0, color: red}, 1]", "color"), ("classes: [a, b]", "integer"), ("classes: []", "0 classes"),
        ] {
            do {
                _ = try read(text)
                Issue.record("'\(text)' was taken")
            } catch { #expect("\(error)".contains(reason) && "\(error)".contains("line 4"), "\(error)") }
        }
    }
}
