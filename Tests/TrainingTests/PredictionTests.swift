import Foundation
import Imaging
import TestSupport
import Testing
import Training

/// `predict`: tiles, orientations, several networks, types, and what is left when it is interrupted.
@Suite(.serialized) struct PredictionTests {
    let volume = try! SmallVolume()

    init() throws {
        // Two poolings: tiles begin at multiples of 4, and an overlap of 64 covers what the network sees.
        for (name, steps) in [("run", 6), ("other", 1)] {
            let outcome = try Program.run(volume.training(name, steps: steps, "--quiet"))
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
    }

    var folder: TemporaryFolder { volume.folder }
    var checkpoint: String { volume.checkpoint("run", step: 6) }

    /// Writes pages of noise; the value of a pixel is that of the place that `source` names.
    func write(
        _ name: String, pages: Int = 1, height: Int, width: Int, source: (Int, Int) -> (row: Int, column: Int) = { ($0, $1) }
    ) throws -> String {
        let numbers = testNumbers(1 << 12)
        let writer = try makeVolumeWriter(
            path: folder / name, shape: VolumeShape(pages: pages, height: height, width: width), pixelType: .uint8)
        for page in 0..<pages {
            let samples = (0..<height * width).map { place in
                let (row, column) = source(place / width, place % width)
                return numbers[(page * 977 + row * 613 + column * 7) % numbers.count] * 127 + 128
            }
            try samples.withUnsafeBufferPointer { try writer.append($0) }
        }
        try writer.close()
        return folder / name
    }

    /// Predicts and returns all pages' values.
    func predict(
        _ images: String, to name: String = "p.npy", ranks: Int = 0, _ more: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [Float] {
        let arguments = ["predict", "--checkpoint", checkpoint, "--images", images, "--output", folder / name, "--quiet"]
        let outcome = try Program.run(arguments + more, ranks: ranks)
        #expect(outcome.status == 0, "\(outcome.errors)", sourceLocation: sourceLocation)
        return try values(folder / name)
    }

    func values(_ path: String) throws -> [Float] {
        let volume = try VolumeReader(path)
        return try (0..<volume.shape.pages).flatMap { page in
            var samples = [Float](repeating: 0, count: volume.shape.pageCount)
            try samples.withUnsafeMutableBufferPointer { try volume.readPage(page, into: $0) }
            return samples
        }
    }

    func difference(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).map { abs($0 - $1) }.max()! }

    @Test func tilesMakeWhatTheWholePageMakes() throws {
        let images = try write("large.tif", pages: 2, height: 331, width: 203)
        let whole = try predict(images, "--tile", "none")
        #expect(whole.count == 2 * 331 * 203 && Set(whole).count > 1000)
        for (tile, overlap) in [("128", "64"), ("160x96", "64"), ("96", "84")] {
            let tiled = try predict(images, "--tile", tile, "--overlap", overlap)
            #expect(difference(tiled, whole) <= 1e-5, "tiles of \(tile): \(difference(tiled, whole))")
        }
        // Too little overlap shows at the tiles' edges.
        let abrupt = try predict(images, "--tile", "32", "--overlap", "0")
        #expect(difference(abrupt, whole) > 1e-4)
        #expect(try predict(images) == whole, "small pages are taken whole")
    }

    @Test func ranksAndThreadsChangeNothing() throws {
        let images = try write("a.tif", pages: 3, height: 90, width: 130)
        let options = ["--tile", "48x64", "--overlap", "16", "--augmentations", "8"]
        func bytes(_ name: String, ranks: Int, threads: Int) throws -> Data {
            let arguments = ["predict", "--checkpoint", checkpoint, "--images", images, "--output", folder / name, "--quiet"]
            let outcome = try Program.run(arguments + options + ["--threads", "\(threads)"], ranks: ranks)
            #expect(outcome.status == 0, "\(outcome.errors)")
            return try Data(contentsOf: URL(fileURLWithPath: folder / name))
        }
        for name in ["a.tif", "a.npy", "a.h5"] {
            let alone = try bytes("alone-" + name, ranks: 0, threads: 1)
            for (ranks, threads) in name == "a.npy" ? [(1, 2), (2, 1), (3, 2), (7, 1)] : [(3, 1)] {
                #expect(try bytes("shared-" + name, ranks: ranks, threads: threads) == alone, "\(name), \(ranks) ranks of \(threads)")
            }
        }
    }

    /// The mean over the flips is, bit for bit, that of the predictions of flipped images; that over all orientations is as symmetric as
    /// rounding lets it be.
    @Test func orientationsAreAveraged() throws {
        let (height, width) = (48, 64)
        let upright = try write("0.npy", height: height, width: width)
        let flips: [(Int, Int) -> (row: Int, column: Int)] = [
            { ($0, $1) }, { ($0, width - 1 - $1) }, { (height - 1 - $0, $1) }, { (height - 1 - $0, width - 1 - $1) },
        ]
        var sums = [Float](repeating: 0, count: height * width)
        for (index, flip) in flips.enumerated() {
            let flipped = try predict(write("flip\(index).npy", height: height, width: width, source: flip))
            for y in 0..<height {
                for x in 0..<width {
                    let place = flip(y, x)
                    sums[place.row * width + place.column] += flipped[y * width + x]
                }
            }
        }
        #expect(try predict(upright, "--augmentations", "4") == sums.map { $0 / 4 })
        #expect(try predict(upright) != sums.map { $0 / 4 })

        let all = try predict(upright, "--augmentations", "8")
        #expect(all != sums.map { $0 / 4 })
        let onItsSide = try write("turned.npy", height: width, width: height) { ($1, $0) }
        let turned = try predict(onItsSide, "--augmentations", "8")
        let back = (0..<height * width).map { turned[$0 % width * height + $0 / width] }
        #expect(difference(all, back) < 2e-6)
    }

    @Test func severalNetworksAreAveraged() throws {
        let other = volume.checkpoint("other", step: 1)
        let a = try predict(volume.images), both = try predict(volume.images, to: "both.npy", ranks: 2, "--checkpoint", other)
        let single = ["predict", "--checkpoint", other, "--images", volume.images, "--output", folder / "b.npy"]
        #expect(try Program.run(single).status == 0)
        let b = try values(folder / "b.npy")
        #expect(a != b && both == zip(a, b).map { ($0 + $1) / 2 })
        // Another architecture is welcome; another kind of images is not.
        #expect(
            try Program.run(volume.training("keras", steps: 1, "--architecture", "unet-keras", "--depth", "3", "--crop", "24")).status == 0)
        _ = try predict(
            volume.images, to: "mixed.npy", "--checkpoint", volume.checkpoint("keras", step: 1), "--tile", "24", "--overlap", "8")
    }

    @Test func typesAndThresholds() throws {
        let exact = try predict(volume.images)
        for (type, scale) in [("uint8", Float(255)), ("uint16", 65535)] {
            for name in ["t.tif", "t.h5", "t.npy"] {
                #expect(try predict(volume.images, to: name, "--type", type) == exact.map { ($0 * scale).rounded() }, "\(type) \(name)")
                #expect(try VolumeReader(folder / name).pixelType.rawValue == type)
            }
        }
        #expect(try predict(volume.images, to: "m.tif", "--threshold", "0.5") == exact.map { $0 > 0.5 ? 255 : 0 })
    }

    @Test func whatDoesNotFitIsRefused() throws {
        func expect(_ status: Int32, _ text: String, _ more: String...) throws {
            let arguments = ["predict", "--checkpoint", checkpoint, "--images", volume.images, "--output", folder / "x.tif", "--quiet"]
            for ranks in [0, 2] {
                let outcome = try Program.run(arguments + more, ranks: ranks, limit: 10)
                #expect(outcome.status == status && outcome.errors.contains(text), "\(outcome.status) \(outcome.errors)")
            }
        }
        try expect(64, "--tile 30 is not a multiple of 4, which the network's depth needs; the next is 32", "--tile", "30")
        try expect(64, "can share at most 28", "--tile", "32", "--overlap", "32")
        try expect(64, "--tile none", "--tile", "none", "--overlap", "4")
        try expect(64, "--augmentations 3", "--augmentations", "3")
        try expect(64, "'int8' is invalid for '--type", "--type", "int8")
        try expect(64, "--type uint16", "--type", "uint16", "--threshold", "0.5")
        try expect(66, "none.h5", "--checkpoint", folder / "none.h5")
        #expect(!FileManager.default.fileExists(atPath: folder / "x.tif"))
    }

    // MARK: Interruptions

    /// A prediction that takes long enough to be interrupted, whose output is in a folder of its own.
    func begin(ranks: Int, through: [String] = []) throws -> (process: Process, errors: Pipe, output: String) {
        let images = try write("long.npy", pages: 40, height: 256, width: 256)
        try FileManager.default.createDirectory(atPath: folder / "result", withIntermediateDirectories: false)
        let errors = Pipe()
        let process = try Program.start(
            [
                "predict", "--checkpoint", checkpoint, "--images", images, "--output", folder / "result/p.tif", "--augmentations", "8",
                "--tile", "64", "--overlap", "60", "--threads", "1",
            ], ranks: ranks, through: through, errors: errors, output: Pipe())
        return (process, errors, folder / "result")
    }

    func files(_ folder: String) -> [String] { ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted() }

    /// Waits until the output has been begun.
    func waitForOutput(_ folder: String) {
        for _ in 0..<400 where files(folder).isEmpty { usleep(50_000) }
        usleep(200_000)
    }

    /// The ranks that an mpirun started: its children, or those of MPICH's proxy, which is its child.
    func ranks(of process: Process) -> [pid_t] {
        func status(_ process: pid_t) -> [Substring]? {
            (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8))?.split(separator: " ")
        }
        return files("/proc").compactMap { pid_t($0) }.filter { child in
            guard let own = status(child), own[1] == "(unet-mpi)", let parent = pid_t(own[3]) else { return false }
            return parent == process.processIdentifier || status(parent)?[3] == "\(process.processIdentifier)"
        }
    }

    @Test(arguments: [SIGTERM, SIGKILL]) func aSignalLeavesNoFile(_ signal: Int32) throws {
        let (process, errors, output) = try begin(ranks: 0)
        waitForOutput(output)
        #expect(files(output).count == 1 && files(output)[0].hasSuffix(".partial") && files(output)[0].hasPrefix("."))
        #expect(process.isRunning)
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        let text = String(decoding: (try errors.fileHandleForReading.readToEnd()) ?? Data(), as: UTF8.self)
        if signal == SIGTERM {
            #expect(process.terminationStatus == 75 && text.contains("stopped by SIGTERM"), "\(text)")
            #expect(files(output) == [])
        } else {
            #expect(process.terminationStatus != 0)
            #expect(!files(output).contains("p.tif"))
        }
    }

    @Test(arguments: [0, 1]) func aKilledRankLeavesNoFile(_ victim: Int) throws {
        let (process, errors, output) = try begin(ranks: 3)
        waitForOutput(output)
        let ranks = ranks(of: process).sorted()
        #expect(ranks.count == 3 && process.isRunning)
        if ranks.count == 3 { kill(ranks[victim], SIGKILL) }
        process.waitUntilExit()
        let text = String(decoding: (try errors.fileHandleForReading.readToEnd()) ?? Data(), as: UTF8.self)
        #expect(process.terminationStatus != 0, "\(text)")
        #expect(!files(output).contains("p.tif"))
    }

    /// A limit on the size of files stands for the disk that is full.
    @Test(arguments: [0, 3]) func aFullDiskIsOneLine(_ ranks: Int) throws {
        let images = try write("wide.npy", pages: 6, height: 300, width: 300)
        let limited = ["bash", "-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\""]
        for name in ["p.tif", "p.h5", "p.npy"] {
            let arguments = ["predict", "--checkpoint", checkpoint, "--images", images, "--output", folder / "full/" + name, "--quiet"]
            try? FileManager.default.createDirectory(atPath: folder / "full", withIntermediateDirectories: false)
            let outcome = try Program.run(arguments, ranks: ranks, through: limited, limit: 20, environment: MPILauncher.withoutFiles)
            #expect(outcome.status == 74 && outcome.count("full/" + name) == 1, "\(outcome.status) \(outcome.errors)")
            #expect(files(folder / "full") == [], "\(name)")
        }
    }

    // MARK: Memory

    /// The largest memory in bytes that the program had at once while it predicted.
    func peak(_ images: String, _ output: String) throws -> Int {
        let process = try Program.start(
            [
                "predict", "--checkpoint", checkpoint, "--images", images, "--output", output, "--tile", "64", "--overlap", "16",
                "--threads", "1", "--quiet",
            ], ranks: 0, errors: Pipe(), output: Pipe())
        var peak = 0
        while process.isRunning {
            let status = (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)) ?? ""
            if let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM") }) {
                peak = max(peak, Int(line.filter(\.isNumber))! << 10)
            }
            usleep(2000)
        }
        #expect(process.terminationStatus == 0)
        return peak
    }

    /// A page of 16 MB as floating-point numbers takes no more than one of a seventh does.
    @Test(arguments: ["p.tif", "p.h5", "p.npy"]) func memoryIsThatOfARowOfTiles(_ name: String) throws {
        let small = try peak(try write("small.npy", height: 600, width: 1000), folder / "small-" + name)
        let large = try peak(try write("large.npy", height: 4000, width: 1000), folder / "large-" + name)
        #expect(large < small + 8 << 20, "\(small >> 20) and \(large >> 20) MiB")
        #expect(try VolumeReader(folder / "large-" + name).shape == VolumeShape(pages: 1, height: 4000, width: 1000))
    }
}
