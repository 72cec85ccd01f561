import Foundation
import Imaging
import Testing
import Training

/// What a run writes beside its checkpoints.
@Suite struct RecordsTests {
    let volume: SmallVolume
    init() throws { volume = try SmallVolume() }

    func text(_ name: String) throws -> String { try String(contentsOfFile: volume.folder / name, encoding: .utf8) }

    func table(_ output: String) throws -> (columns: [String], rows: [[String]]) {
        let lines = try text("\(output)/log.csv").split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        return (try #require(lines.first), Array(lines.dropFirst()))
    }

    func names(_ folder: String) throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: volume.folder / folder).sorted() }

    /// The parts of a table that do not tell times.
    func numbers(_ output: String) throws -> [[String]] {
        let (columns, rows) = try table(output)
        let kept = columns.indices.filter { !columns[$0].hasSuffix("_s") && !columns[$0].hasSuffix("_mib") }
        return rows.map { row in kept.map { row[$0] } }
    }

    @Test func aRunAndItsRecords() throws {
        let result = try Program.run(volume.training("run"), ranks: 2)
        #expect(result.status == 0, "\(result.errors)")
        let files = try names("run")
        for name in ["configuration.yaml", "history.jsonl", "log.csv", "log.jsonl", "progress.png", "report.html", "validation.json"] {
            #expect(files.contains(name), "\(files)")
        }
        #expect(
            files.filter { $0.hasPrefix("events.out.tfevents.") }.count == 1 && !files.contains { $0.contains(".writing-") }, "\(files)")
        // Two slices are held out, the fifth and the sixth. What is drawn at step 5 keeps what is due at 10 and 15 from being drawn.
        #expect(
            try names("run/previews")
                == ["slice-0004", "slice-0005"].flatMap { slice in
                    ["image", "step-00000020-prediction", "truth"].map { "\(slice)-\($0).png" }
                })
        let picture = try VolumeReader(volume.folder / "run/progress.png").shape
        #expect(picture.channels == 3 && picture.width == 1600 && picture.height > 900)

        let (columns, rows) = try table("run")
        #expect(rows.count == 20 && rows.allSatisfy { $0.count == columns.count })
        #expect(rows.map { $0[0] } == (1...20).map(String.init))
        // The same numbers as in log.jsonl.
        for line in try text("run/log.jsonl").split(separator: "\n") {
            let entry = try JSONDecoder().decode([String: Double].self, from: Data(line.utf8))
            let row = rows[Int(try #require(entry["step"])) - 1]
            for (name, value) in entry { #expect(Double(row[try #require(columns.firstIndex(of: name), "\(name)")]) == value, "\(name)") }
        }
        let dice = try #require(columns.firstIndex(of: "validation_dice"))
        #expect(rows.map { !$0[dice].isEmpty } == (1...20).map { $0 % 10 == 0 })

        let events = RunHistory.events(of: try Array(text("run/history.jsonl").utf8))
        #expect(events.map(\.event) == [.start, .finish] && events.map(\.step) == [0, 20])
        let start = try #require(events.first?.start)
        #expect(start.ranks.count == 2 && start.totalSteps == 20 && start.slices == 4 && start.validationSlices == 2)
        #expect(start.ranks.allSatisfy { $0.threads == 1 && !$0.processors.isEmpty && !$0.host.isEmpty })
    }

    /// Stopped by death and gone on: as if nothing had been.
    @Test func afterDeathTheRecordsGoOn() throws {
        #expect(try Program.run(volume.training("whole")).status == 0)
        let killed = try Program.run(volume.training("run"), environment: ["UNET_TEST_FAULT": "0:13:backward:kill"])
        #expect(killed.status != 0)
        #expect(try table("run").rows.count == 12)
        #expect(try Program.run(volume.training("run"), ranks: 2).status == 0)
        #expect(try numbers("run") == numbers("whole"))
        let events = RunHistory.events(of: try Array(text("run/history.jsonl").utf8))
        #expect(events.map(\.event) == [.start, .start, .finish] && events.map(\.step) == [0, 10, 20])
        #expect(events[1].start?.resumedFrom?.hasSuffix("step-00000010.h5") == true)
        let page = try text("run/report.html")
        #expect(page.contains("went on from") && page.contains("class=\"marker\""))
    }

    @Test func picturesDoNotChangeTheNetwork() throws {
        func hash(_ output: String) throws -> String { try Checkpoint(path: volume.checkpoint(output, step: 20)).parametersHash }
        #expect(try Program.run(volume.training("with")).status == 0)
        #expect(try Program.run(volume.training("without") + ["--report", "false", "--tensorboard", "false"], ranks: 2).status == 0)
        #expect(try hash("with") == hash("without"))
        #expect(try names("without") == ["checkpoints", "configuration.yaml", "history.jsonl", "log.csv", "log.jsonl", "validation.json"])
    }

    /// Without held-out slices a sample of the training is shown; a network that holds a part of its batch at a time has one too.
    @Test(arguments: [["--memory", "low"], ["--accumulate", "3"], ["--architecture", "unet-valid", "--crop", "44"]])
    func aSampleOfTheTraining(more: [String]) throws {
        let result = try Program.run(volume.training("run", steps: 7) + ["--validation", "0"] + more, ranks: 2)
        #expect(result.status == 0, "\(result.errors)")
        #expect(
            try names("run/previews")
                == ["image", "prediction", "truth"].map { "training-sample-step-00000007-\($0).png" })
        let sizes = try names("run/previews").map { try VolumeReader(volume.folder / "run/previews/\($0)").shape }
        #expect(Set(sizes.map { [$0.height, $0.width] }).count == 1)
        #expect(try !text("run/log.csv").contains("validation") && text("run/report.html").contains("Accuracy of training"))
    }

    @Test func severalClasses() throws {
        let labels = try volume.write("three.tif") { page, y, x in Float((x / 16 + y / 16 + page) % 3) }
        let result = try Program.run(
            volume.training("run", steps: 10, "--labels", labels, "--classes", "back ground=0,cell=1,border=2"), ranks: 3)
        #expect(result.status == 0, "\(result.errors)")
        let page = try text("run/report.html")
        #expect(page.contains("Confusion matrix") && page.contains("Dice of back ground") && page.contains("wrong class"))
        #expect(try table("run").columns.contains("validation_dice_back ground"))
    }

    /// A picture that cannot be written ends the run like any other output, and the picture that was there stays.
    @Test(arguments: ["report.html", "progress.png", "previews/slice-0004-image.png"]) func whatCannotBeWritten(name: String) throws {
        let blocked = volume.folder / "run/\(name)"
        try FileManager.default.createDirectory(atPath: blocked, withIntermediateDirectories: true)
        let result = try Program.run(volume.training("run"), ranks: 2)
        #expect(result.status == 74 && result.errors.contains(blocked), "\(result.status) \(result.errors)")
        var isFolder: ObjCBool = false
        #expect(FileManager.default.fileExists(atPath: blocked, isDirectory: &isFolder) && isFolder.boolValue)
        #expect(try !names("run").contains { $0.contains(".writing-") } && !names("run/previews").contains { $0.contains(".writing-") })
        // What the run had learned is saved, and it goes on once the way is free.
        try FileManager.default.removeItem(atPath: blocked)
        #expect(try Program.run(volume.training("run")).status == 0)
        // The previews come first with the last step, when all steps are done.
        let events = RunHistory.events(of: try Array(text("run/history.jsonl").utf8)).map(\.event)
        #expect(events.suffix(3) == [.failure, .start, .finish], "\(events)")
    }

    /// Whichever operation of the disk fails: an error, and no half picture.
    @Test(arguments: [FaultyFiles.Fault.inputOutput, .noSpace]) func previewsOnABadDisk(fault: FaultyFiles.Fault) throws {
        let folder = TemporaryFolder()
        func preview(_ grey: UInt8) -> Preview {
            let picture = PreviewPicture(width: 3, height: 2, channels: 1, pixels: Array(repeating: grey, count: 6))
            return Preview(name: "slice-0001", image: picture, truth: picture, prediction: picture)
        }
        try PreviewFolder(run: folder.path).prepare(step: 0)
        try PreviewFolder(run: folder.path).write([preview(10)], step: 1, of: 100)
        var failing = 1
        while true {
            let files = FaultyFiles(fault, at: failing, forEver: false)
            do {
                try PreviewFolder(run: folder.path, files: files).write([preview(20)], step: 2, of: 100)
                break
            } catch { #expect((error as? TrainingError)?.kind == .inputOutput, "\(error)") }
            for name in try FileManager.default.contentsOfDirectory(atPath: folder / "previews") where name.hasSuffix(".png") {
                let picture = try PreviewPicture(path: folder / "previews/\(name)")
                #expect(Set(picture.pixels).count == 1, "\(name) after operation \(failing)")
            }
            failing += 1
        }
        #expect(failing > 20)
    }

    @Test func differences() throws {
        func picture(_ pixels: [UInt8]) -> PreviewPicture { PreviewPicture(width: 4, height: 1, channels: 1, pixels: pixels) }
        let shown = try #require(
            PreviewPicture.differences(
                image: picture([9, 8, 7, 6]), truth: picture([255, 255, 0, 0]), prediction: picture([200, 100, 100, 200])))
        #expect(shown.pixels == [9, 9, 9, 0xD5, 0x5E, 0x00, 7, 7, 7, 0x56, 0xB4, 0xE9])
    }

    /// Large slices are shown smaller: each pixel the mean of those that it covers, of classes one of them.
    @Test func largeSlices() throws {
        let height = 700, width = 1030
        let image = (0..<height * width).map { Float(($0 / width / 3 + $0 % width / 3) & 1) }
        let picture = image.withUnsafeBufferPointer { PreviewPicture(image: $0, channels: 1, height: height, width: width) }
        #expect(picture.width == 343 && picture.height == 233)
        // Squares of three pixels: each becomes one, black or white.
        #expect(picture.pixels.indices.allSatisfy { picture.pixels[$0] == (($0 / 343 + $0 % 343) & 1 == 1 ? 255 : 0) })
        let file = TemporaryFolder(), path = file / "a.png"
        try Data(picture.png).write(to: URL(fileURLWithPath: path))
        #expect(try PreviewPicture(path: path) == picture)
    }
}
