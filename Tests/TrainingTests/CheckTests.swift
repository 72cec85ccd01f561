import Foundation
import Imaging
import Testing
import Training

/// `check`: what belongs together, and what is odd about it.
@Suite struct CheckTests {
    let folder = TemporaryFolder()

    /// Writes a volume; images are noise, labels a square of 255 on 0 unless told otherwise.
    @discardableResult
    func write(
        _ name: String, pages: Int = 1, height: Int = 40, width: Int = 48, type: PixelType = .uint8, metadata: VolumeMetadata = .init(),
        _ value: (Int, Int, Int) -> Float
    ) throws -> String {
        let path = folder / name
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        let shape = VolumeShape(pages: pages, height: height, width: width)
        let writer = try makeVolumeWriter(path: path, shape: shape, pixelType: type, metadata: metadata)
        for page in 0..<pages {
            let samples = (0..<height).flatMap { y in (0..<width).map { x in value(page, y, x) } }
            try samples.withUnsafeBufferPointer { try writer.append($0) }
        }
        try writer.close()
        return path
    }

    @discardableResult
    func images(_ name: String, pages: Int = 1, height: Int = 40) throws -> String {
        try write(name, pages: pages, height: height) { Float(($0 * 31 + $1 * 17 + $2 * 7) % 251) }
    }

    @discardableResult
    func labels(_ name: String, pages: Int = 1, height: Int = 40) throws -> String {
        try write(name, pages: pages, height: height) { _, y, x in (10..<30).contains(y) && (10..<30).contains(x) ? 255 : 0 }
    }

    /// The pairs of each group, from the folder on.
    func pairs(_ pairing: DataPairing) -> [String: [[String]]] {
        func short(_ path: String) -> String { path.replacingOccurrences(of: folder.path + "/", with: "") }
        return Dictionary(uniqueKeysWithValues: pairing.groups.map { ($0.part, $0.pairs.map { [short($0.images), short($0.labels)] }) })
    }

    func short(_ volumes: VolumePaths) -> [String] { volumes.paths.map { $0.replacingOccurrences(of: folder.path + "/", with: "") } }

    // MARK: - Pairs

    @Test func stacksByTheirNames() throws {
        for name in ["train-volume.tif", "test-volume.tif"] { try images(name, pages: 2) }
        try labels("train-labels.tif", pages: 2)
        let pairing = try DataPairing([folder.path])
        #expect(pairs(pairing) == ["training": [["train-volume.tif", "train-labels.tif"]]])
        #expect(pairing.imagesAlone == [folder / "test-volume.tif"] && pairing.groups[0].basis == .names)
        #expect(short(pairing.groups[0].images) == ["train-volume.tif"])
    }

    /// The layout of the Keras program: folders of slices with the same names, in each part.
    @Test func foldersOfSlices() throws {
        for part in ["train", "val"] {
            for k in [2, 10, 1] {
                try images("membrane/\(part)/image/\(k).png.tif")
                try labels("membrane/\(part)/label/\(k).png.tif")
            }
        }
        let pairing = try DataPairing([folder / "membrane"])
        #expect(
            pairs(pairing)["training"]
                == ["1", "2", "10"].map { ["membrane/train/image/\($0).png.tif", "membrane/train/label/\($0).png.tif"] })
        #expect(pairs(pairing)["validation"]?.count == 3 && pairing.unknown.isEmpty && pairing.labelsAlone.isEmpty)
        #expect(
            short(pairing.groups[0].images) == ["membrane/train/image"] && short(pairing.groups[0].labels) == ["membrane/train/label"])
    }

    /// Labels beside their images, one of which has none.
    @Test func slicesSideBySide() throws {
        for k in 1...3 { try images("cell\(k).tif") }
        for k in [1, 3] { try labels("cell\(k)_mask.tif") }
        let pairing = try DataPairing([folder.path])
        #expect(pairs(pairing) == ["training": [["cell1.tif", "cell1_mask.tif"], ["cell3.tif", "cell3_mask.tif"]]])
        #expect(pairing.unknown == [folder / "cell2.tif"])
        #expect(short(pairing.groups[0].images) == ["cell1.tif", "cell3.tif"], "the folder holds labels, too")
    }

    /// Files in a folder of labels may be called after their images.
    @Test func aFolderOfLabelsHasTheLastWord() throws {
        for k in 0..<2 {
            try images("imagesTr/img_\(k).tif")
            try labels("labelsTr/img_\(k).tif")
        }
        let pairing = try DataPairing([folder / "imagesTr", folder / "labelsTr"])
        #expect(pairs(pairing) == ["training": (0..<2).map { ["imagesTr/img_\($0).tif", "labelsTr/img_\($0).tif"] }])
    }

    /// nnU-Net's names: the first channel of a case is called CASE_0000.
    @Test func channelsOfNNUNet() throws {
        for k in [1, 2, 10] {
            try images("imagesTr/em_\(k)_0000.tif")
            try labels("labelsTr/em_\(k).tif")
        }
        let pairing = try DataPairing([folder.path])
        #expect(pairing.groups.map(\.basis) == [.names])
        #expect(pairs(pairing) == ["training": [1, 2, 10].map { ["imagesTr/em_\($0)_0000.tif", "labelsTr/em_\($0).tif"] }])
        // A series that is numbered so from 0 loses nothing by it.
        let series = folder / "series"
        for k in 0..<2 {
            try images("series/s_000\(k).tif")
            try labels("series/s_000\(k)_mask.tif")
        }
        #expect(try pairs(DataPairing([series]))["training"]?.count == 2)
    }

    @Test func byOrderWhereNamesSayNothing() throws {
        for k in 0..<3 {
            try images("images/day\(k).tif")
            try labels("masks/annotator\(k + 5).tif")
        }
        let pairing = try DataPairing([folder.path])
        #expect(pairing.groups.first?.basis == .order)
        #expect(pairs(pairing)["training"]?.last == ["images/day2.tif", "masks/annotator7.tif"])
        let report = try DataCheck.report(on: pairing, classes: nil)
        #expect(report.exitStatus == 0 && report.findings.contains { $0.severity == .warning && $0.text.contains("order") })
    }

    @Test func byContentWhereTwoPlacesSayNothing() throws {
        for k in 0..<2 {
            try labels("a/\(k).tif")
            try images("b/\(k).tif")
        }
        let pairing = try DataPairing([folder / "a", folder / "b"])
        #expect(pairing.groups.first?.basis == .content)
        #expect(pairs(pairing) == ["training": (0..<2).map { ["b/\($0).tif", "a/\($0).tif"] }])
    }

    @Test func datasetsOfAnHDF5File() throws {
        let file = try HDF5File(creating: folder / "cremi.h5", name: "cremi.h5")
        try file.write((0..<48).map { UInt8($0) }, shape: [3, 4, 4], to: "/volumes/raw")
        try file.write((0..<48).map { UInt8($0 % 2) }, shape: [3, 4, 4], to: "/volumes/labels/clefts")
        try file.flush()
        let pairing = try DataPairing([folder / "cremi.h5"])
        #expect(pairs(pairing) == ["training": [["cremi.h5:/volumes/raw", "cremi.h5:/volumes/labels/clefts"]]])
    }

    @Test func nothingToPair() throws {
        #expect(throws: TrainingError.self) { try DataPairing([folder / "none"]) }
        _ = folder.file("notes.txt", "no volume")
        #expect(throws: TrainingError.self) { try DataPairing([folder.path]) }
        try images("a.tif")
        let report = try DataCheck.report(on: try DataPairing([folder.path]), classes: nil)
        #expect(report.exitStatus == 65 && report.findings[0].text.contains("no labels were found"), "\(report.text)")
    }

    // MARK: - What is odd

    func report(_ images: String, _ labels: String, classes: LabelClasses? = nil) throws -> DataCheckReport {
        try DataCheck.report(on: try DataPairing(images: [images], labels: [labels]), classes: classes)
    }

    @Test func goodData() throws {
        let nm = VolumeMetadata(pixelWidth: 4, pixelHeight: 4, zSpacing: 50, unit: "nm")
        let volume = try write("i.tif", pages: 6, metadata: nm) { Float(($0 + $1 + $2) % 200) }
        let report = try report(volume, labels("l.tif", pages: 6))
        #expect(report.findings.isEmpty && report.exitStatus == 0, "\(report.text)")
        #expect(report.text.contains("a pixel is 4 × 4 × 50 nm"), "\(report.text)")
        #expect(report.text.contains("255 (foreground): 20.8 % of the pixels"), "\(report.text)")  // 400 of 1920
        // A training that the report proposes, on slices smaller than the default crop.
        let command = try #require(report.command)
        #expect(command.dropFirst(2).starts(with: ["--images", volume, "--labels", folder / "l.tif", "--validation", "1"]))
        #expect(command.contains("--crop"))
    }

    @Test func sizesThatDiffer() throws {
        for k in 0..<4 {
            try images("images/\(k).tif", height: k == 2 ? 44 : 40)
            try labels("labels/\(k).tif", height: k == 2 ? 44 : 40)
        }
        let report = try DataCheck.report(on: try DataPairing([folder.path]), classes: nil)
        let errors = report.findings.filter { $0.severity == .error }
        #expect(report.exitStatus == 65 && errors.count == 2, "\(report.text)")
        #expect(errors[0].text.hasPrefix("\(folder / "images/2.tif"): 48×44 of type uint8, but 3 of the 4 images are 48×40"), "\(errors)")
        let unlike = try self.report(images("a.tif", height: 40), labels("b.tif", height: 44))
        #expect(unlike.exitStatus == 65 && unlike.findings[0].text.contains("they must be of one size"), "\(unlike.text)")
    }

    @Test func emptyMasksAndConstantSlices() throws {
        let volume = try write("i.tif", pages: 4) { page, y, x in page == 3 ? 7 : Float((y * x) % 90) }
        let truth = try write("l.tif", pages: 4) { page, y, _ in page == 1 ? 0 : page == 2 ? 1 : y < 9 ? 1 : 0 }
        let report = try report(volume, truth)
        #expect(report.exitStatus == 0 && report.findings.count == 3, "\(report.text)")
        #expect(report.findings.contains { $0.text == "images without any contrast: \(volume), page 3 (all 7)" }, "\(report.text)")
        #expect(report.findings.contains { $0.text.hasSuffix("(not labelled yet?): \(truth), page 1") }, "\(report.text)")
        #expect(report.findings.contains { $0.text.hasSuffix("nothing but foreground: \(truth), page 2") }, "\(report.text)")
        let empty = try self.report(volume, write("e.tif", pages: 4) { _, _, _ in 0 })
        #expect(empty.exitStatus == 65 && empty.findings.contains { $0.text.contains("all labels are background") }, "\(empty.text)")
    }

    @Test func valuesOfLabels() throws {
        let volume = try images("i.tif", pages: 2)
        let three = try write("three.tif", pages: 2) { _, y, _ in Float(y % 3) }
        let refused = try report(volume, three)
        #expect(refused.exitStatus == 65 && refused.text.contains("--classes background=0,class1=1,class2=2"), "\(refused.text)")
        let named = try report(volume, three, classes: try LabelClasses(text: "a=0,b=1,c=2"))
        #expect(named.exitStatus == 0 && named.command?.contains("a=0,b=1,c=2") == true, "\(named.text)")
        let missing = try report(volume, three, classes: try LabelClasses(text: "a=0,b=1,d=3"))
        #expect(missing.exitStatus == 65 && missing.text.contains("labels of no class: 2, first in \(three), page 0"), "\(missing.text)")
        #expect(missing.text.contains("no pixel is of the class d (3)"))
        let numbered = try report(volume, write("n.tif", pages: 2) { page, y, _ in Float(page * 40 + y) })
        #expect(numbered.exitStatus == 65 && numbered.text.contains("if each object has its own number"), "\(numbered.text)")
        let blurred = try report(volume, write("b.tif", pages: 2) { _, y, x in y < 20 ? 0 : y > 21 ? 255 : Float(x) })
        #expect(blurred.text.contains("compressed with loss"), "\(blurred.text)")
        let floats = try report(volume, write("f.tif", pages: 2, type: .float32) { _, y, _ in Float(y) / 39 })
        #expect(floats.exitStatus == 0 && floats.text.contains("foreground of a slice: 50.0 % to 50.0 %"), "\(floats.text)")
    }

    @Test func swapped() throws {
        let report = try report(labels("a.tif", pages: 2), images("b.tif", pages: 2))
        #expect(report.exitStatus == 65 && report.findings.contains { $0.text.contains("look swapped") }, "\(report.text)")
    }

    @Test func imagesOfWideTypes() throws {
        let truth = try labels("l.tif", pages: 2)
        let dark = try report(write("d.tif", pages: 2, type: .uint16) { Float($0 + $1 * $2) }, truth)
        #expect(dark.exitStatus == 0 && dark.command?.contains("--normalization") == true, "\(dark.text)")
        let wide = try report(write("w.tif", pages: 2, type: .float32) { Float($0 + $1 * $2) }, truth)
        #expect(wide.command?.contains("--normalization") == true && wide.text.contains("floating-point numbers from 0 to"), "\(wide.text)")
        let holes = try report(write("h.tif", pages: 2, type: .float32) { $0 == 1 && $1 == 3 ? .nan : Float($2) / 50 }, truth)
        #expect(holes.exitStatus == 65 && holes.text.contains("h.tif, page 1 holds 48 values that are not finite"), "\(holes.text)")
    }

    // MARK: - The command

    /// What the report proposes does train, and what it refuses does not.
    @Test func theProposedCommandTrains() throws {
        for k in 0..<6 {
            try images("data/images/\(k).tif")
            try labels("data/labels/\(k).tif")
        }
        let outcome = try Program.run(["check", folder / "data", "--json"])
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        struct Report: Decodable { var command: [String] }
        let command = try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8)).command
        var arguments = Array(command.dropFirst())
        arguments[try #require(arguments.lastIndex(of: "runs/first"))] = folder / "run"
        let training = try Program.run(arguments + ["--steps", "1", "--base-channels", "2", "--batch-size", "2"])
        #expect(training.status == 0, "\(training.errors)")

        try write("data/labels/3.tif") { _, y, _ in Float(y % 3) }
        let bad = try Program.run(["check", folder / "data"], ranks: 2)
        #expect(bad.status == 65 && bad.output.components(separatedBy: "training would fail").count == 2, "\(bad.output)")
        #expect(try Program.run(arguments + ["--steps", "1"]).status == 65)
        #expect(try Program.run(["check"]).status == 64)
        #expect(try Program.run(["check", folder / "nowhere"]).status == 66)
    }
}
