import Foundation
import Imaging
import TestSupport
import Testing

/// HDF5 files that do harm to libhdf5: the process that reads them ends, the program does not.
///
/// The files in `Fixtures/strangers` were found by changing bytes of a small sound file: libhdf5 1.10.8 crashes on `crash-…` and loops for ever on
/// `loop-…`. With another version they may be refused by the library itself, which is the same to a user.
@Suite struct StrangersFilesTests {
    private let folder = TemporaryFolder()
    private static let files = Bundle.module.bundlePath + "/Fixtures/strangers"

    private func reader(_ path: String, _ limits: ReaderProcess.Limits = .init()) -> ReaderProcess {
        ReaderProcess(program: Program.path, service: ["volume", path, path], path: path, limits: limits)
    }

    private struct Volume: Decodable {
        let shape: VolumeShape
    }

    /// Opens a volume and reads all of it. The error, or the number of values.
    private func readAll(_ path: String, _ limits: ReaderProcess.Limits = .init()) -> Result<Int, any Error> {
        Result {
            let process = reader(path, limits), shape = try process.description(Volume.self).shape
            var page = [Float](repeating: 0, count: shape.pageCount)
            for number in 0..<shape.pages {
                try page.withUnsafeMutableBufferPointer { try process.read([number, 0, shape.height], into: $0) }
            }
            return page.count * shape.pages
        }
    }

    /// A sound file with the dataset /volumes/raw, of 2 pages of 16 × 16 in compressed chunks.
    private func soundFile(_ name: String = "sound.h5") throws -> String {
        let path = folder / name
        let writer = try makeVolumeWriter(
            path: path + ":/volumes/raw", shape: VolumeShape(pages: 2, height: 16, width: 16), pixelType: .uint8,
            metadata: VolumeMetadata(pixelWidth: 4, pixelHeight: 4, zSpacing: 40, unit: "nm"))
        for page in 0..<2 {
            try (0..<256).map { Float(($0 * 7 + page) % 251) }.withUnsafeBufferPointer { try writer.append($0) }
        }
        try writer.close()
        return path
    }

    @Test(arguments: ["crash-1.h5", "crash-2.h5"], ["info", "check", "import"])
    func crashesAreErrors(_ name: String, _ command: String) throws {
        let path = "\(Self.files)/\(name)"
        let arguments = [
            "info": [path], "check": ["--images", path, "--labels", path], "import": ["--input", path, "--output", folder / "a.h5"],
        ]
        let run = try Program.run([command] + arguments[command]!)
        #expect(run.status == 65, "\(run)")
        #expect(run.output.isEmpty || command == "check", "\(run)")
        let text = command == "check" ? run.output + run.errors : run.errors
        #expect(text.split(separator: "\n").filter { $0.contains(name) }.isEmpty == false, "\(run)")
        #expect(command == "check" || run.errors.split(separator: "\n").count == 1, "\(run)")
        #expect(!FileManager.default.fileExists(atPath: folder / "a.h5"))
    }

    @Test(arguments: ["loop-1.h5", "loop-2.h5"]) func loopsEnd(_ name: String) {
        var limits = ReaderProcess.Limits()
        limits.processorSeconds = 1
        let result = readAll("\(Self.files)/\(name)", limits)
        #expect(throws: ImagingError.self) { try result.get() }
        if case .failure(let error as ImagingError) = result { #expect(error.exitStatus == 65 && error.path.hasSuffix(name), "\(error)") }
    }

    /// A chunk that is larger than the memory that the process may have.
    @Test func memoryIsLimited() throws {
        let path = folder / "large.h5"
        let file = try HDF5File(inMemoryNamed: path)
        let zeros = [UInt8](repeating: 7, count: 1 << 26)
        try file.write(zeros, shape: [1, 1 << 13, 1 << 13], to: "/raw", storage: .chunked([1, 1 << 13, 1 << 13], deflate: 1))
        try Data(try file.image()).write(to: URL(fileURLWithPath: path))
        #expect(try readAll(path).get() == 1 << 26)
        var limits = ReaderProcess.Limits()
        limits.memory = 1 << 26
        #expect(throws: ImagingError.self) { try readAll(path, limits).get() }
    }

    /// Whatever ends the child, and however long it says nothing: an error, and the next one is asked anew.
    @Test(arguments: [SIGSEGV, SIGABRT, SIGKILL, SIGSTOP]) func childThatIsLost(_ number: Int32) throws {
        var limits = ReaderProcess.Limits()
        limits.seconds = 2
        let process = reader(try soundFile(), limits)
        _ = try process.description(Volume.self)
        let child = try #require(children(reading: folder.path).first)
        kill(child, number)
        if number != SIGSTOP { while kill(child, 0) == 0 && !isZombie(child) { usleep(1000) } }
        var page = [Float](repeating: 0, count: 256)
        func read() throws { try page.withUnsafeMutableBufferPointer { try process.read([1, 0, 16], into: $0) } }
        let error = #expect(throws: ImagingError.self) { try read() }
        #expect(
            error?.message.contains(number == SIGSTOP ? "within 2 seconds" : "crashed on it (signal \(number)") == true,
            "\(String(describing: error))")
        try read()
        #expect(page[3] == 22)
    }

    /// Children that read a file in this folder.
    private func children(reading folder: String) -> [pid_t] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { pid_t($0) }.filter {
            let words = (try? String(contentsOfFile: "/proc/\($0)/cmdline", encoding: .utf8))?.split(separator: "\0") ?? []
            return words.contains("_read-hdf5") && words.contains { $0.contains(folder) }
        }
    }

    private func isZombie(_ process: pid_t) -> Bool {
        (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8))?.contains(") Z ") ?? true
    }

    /// Files cut anywhere, and changed anywhere, are values or errors.
    @Test func cutAndChangedFiles() throws {
        let sound = [UInt8](try Data(contentsOf: URL(fileURLWithPath: soundFile()))), path = folder / "changed.h5"
        var limits = ReaderProcess.Limits()
        limits.processorSeconds = 2
        func check(_ bytes: [UInt8]) throws -> Bool {
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            switch readAll(path, limits) {
            case .success(let count): return count > 0
            case .failure(let error): return (error as? ImagingError).map { [65, 66, 74].contains($0.exitStatus) } ?? false
            }
        }
        for part in 1..<8 { #expect(try check(Array(sound[..<(sound.count * part / 8)])), "\(part) eighths") }
        for place in stride(from: 8, to: min(sound.count, 1400), by: 29) {
            var changed = sound
            changed[place] ^= 0xFF
            #expect(try check(changed), "byte \(place)")
        }
    }

    /// Groups that contain themselves, and links that lead to themselves, into the same file or by way of another.
    @Test func linksInCircles() throws {
        let run = try Program.run(["info", "\(Self.files)/cycle.h5", "--json"])
        #expect(run.status == 0 && run.output.contains("\"pages\": 2"), "\(run)")
        let loop = try Program.run(["info", "\(Self.files)/cycle.h5:/a/loop"])
        #expect([65, 66].contains(loop.status) && loop.errors.contains("cycle.h5: there is no /a/loop"), "\(loop)")
        let outside = try Program.run(["info", "\(Self.files)/cycle.h5:/a/outside"])
        #expect([65, 66].contains(outside.status), "\(outside)")
    }

    /// Sound files give what they gave: through the program, on any number of ranks, the same as from TIFF.
    @Test func soundFilesAreReadAsBefore() throws {
        let volume = try SmallVolume(), folder = volume.folder
        for name in ["images", "labels"] {
            let source = try VolumeReader(folder / "\(name).tif")
            let writer = try makeVolumeWriter(path: folder / "\(name).h5:/a/\(name)", shape: source.shape, pixelType: source.pixelType)
            for page in 0..<source.shape.pages {
                var samples = [Float](repeating: 0, count: source.shape.pageCount)
                try samples.withUnsafeMutableBufferPointer { try source.readPage(page, into: $0) }
                try samples.withUnsafeBufferPointer { try writer.append($0) }
            }
            try writer.close()
        }
        func hash(_ run: String, _ ranks: Int, _ images: String, _ labels: String) throws -> String? {
            let arguments = volume.training(run, steps: 3, "--images", images, "--labels", labels)
            let outcome = try Program.run(arguments, ranks: ranks, limit: 120)
            #expect(outcome.status == 0, "\(outcome.errors)")
            return try Program.info(volume.checkpoint(run, step: 3))["parameters_sha256"]
        }
        let expected = try hash("tiff", 0, volume.images, volume.labels)
        #expect(try expected != nil && hash("alone", 0, folder / "images.h5", folder / "labels.h5:/a/labels") == expected)
        #expect(try hash("three", 3, folder / "images.h5:/a/images", folder / "labels.h5") == expected)
        #expect(children(reading: folder.path).isEmpty, "the processes that read have ended with the program")
    }

    /// More files than processes that may live at once, read in turns.
    @Test func manyFiles() throws {
        let processes = try (0..<20).map { reader(try soundFile("\($0).h5")) }
        var page = [Float](repeating: 0, count: 256)
        for _ in 0..<2 {
            for process in processes {
                try page.withUnsafeMutableBufferPointer { try process.read([0, 0, 16], into: $0) }
                #expect(page[2] == 14)
            }
            #expect(children(reading: folder.path).count <= 16)
        }
    }
}
