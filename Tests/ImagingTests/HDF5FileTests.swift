import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct HDF5FileTests {
    /// What a checkpoint writes: several types, nested groups, attributes, compression.
    func sample() throws -> HDF5File {
        let file = try HDF5File(inMemoryNamed: "sample.h5")
        try file.write(testNumbers(60), shape: [3, 4, 5], to: "/parameters/conv1a.weight")
        try file.write([1.5, -2.5], shape: [2], to: "/doubles", storage: .chunked([2], deflate: 6))
        try file.write([Int64.min, 7], shape: [2, 1], to: "counts/steps")
        try file.write([UInt8(1), 2, 255], shape: [3], to: "bytes")
        try file.write([UInt16.max], shape: [], to: "scalar")
        try file.write([Float](), shape: [0], to: "nothing")
        try file.createGroup("/empty/group")
        try file.setAttribute("layer_names", to: ["conv1a", "up4"])
        try file.setAttribute("weight_names", of: "/empty/group", to: [String]())
        try file.setAttribute("unit", of: "doubles", to: "µm")
        try file.setAttribute("axistags", of: "bytes", to: "{\"é\": 1}", storage: .variableLength)
        try file.setAttribute("words", to: ["a", "", "long word"], storage: .variableLength)
        try file.setAttribute("step", to: Int64(600))
        try file.setAttribute("step", to: Int64(601))
        try file.setAttribute("size", of: "bytes", to: [0.05, 0.004, 0.004])
        return file
    }

    func check(_ file: HDF5File) throws {
        #expect(try file.read("/parameters/conv1a.weight") == testNumbers(60))
        #expect(try file.dataset("parameters/conv1a.weight").shape == [3, 4, 5])
        #expect(try file.dataset("parameters/conv1a.weight").elementType == .float32)
        #expect(try file.read("doubles", as: Double.self) == [1.5, -2.5])
        #expect(try file.dataset("doubles").chunk == [2])
        #expect(try file.dataset("counts/steps").shape == [2, 1])
        #expect(try file.read("counts/steps", as: Int64.self) == [.min, 7])
        #expect(try file.read("bytes", as: Float.self) == [1, 2, 255])
        #expect(try file.read("scalar", as: UInt16.self) == [.max])
        #expect(try file.dataset("scalar").shape == [])
        #expect(try file.read("nothing", as: Float.self) == [])
        #expect(try file.links() == ["bytes", "counts", "doubles", "empty", "nothing", "parameters", "scalar"])
        #expect(try file.links(in: "/empty") == ["group"])
        #expect(try file.links(in: "/empty/group") == [])
        #expect(
            try file.datasets()
                == ["/bytes", "/counts/steps", "/doubles", "/nothing", "/parameters/conv1a.weight", "/scalar"])
        #expect(file.contains("/empty/group") && file.contains("bytes") && !file.contains("/empty/none/x") && !file.contains("bites"))
        #expect(try file.isDataset("bytes") && !file.isDataset("empty"))
        #expect(try file.texts("layer_names") == ["conv1a", "up4"])
        #expect(try file.texts("weight_names", of: "/empty/group") == [])
        #expect(try file.text("unit", of: "doubles") == "µm")
        #expect(try file.text("axistags", of: "bytes") == "{\"é\": 1}")
        #expect(try file.texts("words") == ["a", "", "long word"])
        #expect(try file.number("step", as: Int64.self) == 601)
        #expect(try file.numbers("size", of: "bytes", as: Float.self) == [0.05, 0.004, 0.004])
        #expect(try file.attributes() == ["layer_names", "step", "words"])
        #expect(file.hasAttribute("step") && !file.hasAttribute("stop") && !file.hasAttribute("step", of: "/nowhere"))
    }

    @Test func whatWasWrittenIsReadBackFromTheImageAndFromDisk() throws {
        try check(sample())
        let image = try sample().image()
        #expect(image == (try sample().image()), "the same calls give the same bytes")
        #expect(image == (try sample().withImage { Array($0) }), "and they are lent as they are copied")
        let lent = try sample()
        _ = try lent.withImage { $0.count }
        try check(lent)
        try lent.write([UInt8(7)], shape: [1], to: "later")
        #expect(try lent.read("later", as: UInt8.self) == [7], "a file that was lent goes on")
        try check(HDF5File(bytes: image, name: "image"))
        try withTemporaryFolder { folder in
            try Data(image).write(to: URL(fileURLWithPath: folder + "/sample.h5"))
            try check(HDF5File(path: folder + "/sample.h5"))
        }
    }

    @Test func blocksAreReadAndWritten() throws {
        let file = try HDF5File(inMemoryNamed: "blocks.h5")
        let dataset = try file.createDataset("d", shape: [3, 4, 5], of: Float.self, storage: .chunked([1, 4, 4], deflate: 1))
        let page = (0..<20).map { Float($0) }
        try page.withUnsafeBufferPointer { try dataset.write($0, start: [1, 0, 0], block: [1, 4, 5]) }
        var all = [Float](repeating: -1, count: 60)
        try all.withUnsafeMutableBufferPointer { try dataset.read(into: $0) }
        #expect(all == [Float](repeating: 0, count: 20) + page + [Float](repeating: 0, count: 20))
        var corner = [Float](repeating: -1, count: 4)
        try corner.withUnsafeMutableBufferPointer { try dataset.read(start: [1, 2, 3], block: [1, 2, 2], into: $0) }
        #expect(corner == [13, 14, 18, 19])
    }

    @Test func filesOfH5pyAreRead() throws {
        let file = try HDF5File(path: fixture("h5py.h5"))
        let raw = try file.dataset("/volumes/raw")
        #expect(raw.shape == [4, 20, 30] && raw.elementType == .uint8 && raw.chunk == [2, 8, 16])
        let values = try file.read("/volumes/raw", as: Float.self)
        for page in 0..<4 {
            for y in 0..<20 { for x in 0..<30 { #expect(values[(page * 20 + y) * 30 + x] == pattern(page: page, y: y, x: x)) } }
        }
        #expect(try file.numbers("resolution", of: "/volumes/raw", as: Double.self) == [40, 4, 4])
        #expect(try file.numbers("offset", of: "/volumes/raw", as: Float.self) == [1, 2, 3])
        #expect(try file.read("half", as: Float.self) == [0.5, -2])
        #expect(try file.dataset("half").elementType == .float16)
        #expect(try file.read("big", as: Int64.self) == [1, 2, 3, 65535])
        #expect(try file.read("number", as: Int32.self) == [-7])
        #expect(try file.text("variable_utf8") == "Zellgröße µm")
        #expect(try file.texts("variable_ascii") == ["conv2d", "dropout_1"])
        #expect(try file.texts("fixed_ascii") == ["conv2d", "dropout_1"])
        #expect(try file.text("null_terminated") == "abc")
        #expect(try file.text("space_padded") == "abc")
        #expect(try file.texts("empty") == [])
    }

    @Test func errorsNameTheFileTheObjectAndTheCause() throws {
        let file = try sample()
        expectError(.missing, "sample.h5", "/parameters/conv9") { _ = try file.read("/parameters/conv9", as: Float.self) }
        expectError(.invalid, "sample.h5", "group") { _ = try file.dataset("/parameters") }
        expectError(.invalid, "sample.h5", "bytes", "already exists") { try file.write([Float(1)], shape: [1], to: "bytes") }
        expectError(.missing, "sample.h5", "epoch") { _ = try file.number("epoch", as: Int64.self) }
        expectError(.invalid, "step", "text") { _ = try file.text("step") }
        expectError(.invalid, "layer_names", "2") { _ = try file.text("layer_names") }
        expectError(.invalid, "cannot read attribute layer_names") { _ = try file.numbers("layer_names", as: Float.self) }
        expectError(.invalid, "noise.h5", "HDF5") { _ = try HDF5File(bytes: [UInt8](repeating: 3, count: 4000), name: "noise.h5") }
        expectError(.missing, "/nowhere/x.h5", "no such file") { _ = try HDF5File(path: "/nowhere/x.h5") }
        let image = try file.image()
        expectError(.invalid, "short.h5", "truncated") { _ = try HDF5File(bytes: Array(image.dropLast(100)), name: "short.h5") }
    }

    @Test func manyThreadsReadOneFile() throws {
        let file = try HDF5File(path: fixture("h5py.h5"))
        let expected = try file.read("/volumes/raw", as: Float.self)
        DispatchQueue.concurrentPerform(iterations: 16) { _ in
            #expect(throws: ImagingError.self) { try file.dataset("/none") }
            #expect((try? file.read("/volumes/raw", as: Float.self)) == expected)
        }
    }

    /// The process that reads a stranger's HDF5 can read, and do nothing else to files.
    @Test func readersHaveNoRights() async throws {
        let place = FileManager.default.temporaryDirectory.path
        defer {
            // The process below cannot remove its folder.
            for name in (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? [] where name.hasPrefix("rights-") {
                try? FileManager.default.removeItem(atPath: "\(place)/\(name)")
            }
        }
        await #expect(processExitsWith: .success) {
            let folder = FileManager.default.temporaryDirectory.path + "/rights-\(getpid())", path = folder + "/a"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path))
            let version = ReaderService.giveUpRights()
            // Each thread has rights of its own; a reader has one.
            let status = try String(contentsOfFile: "/proc/thread-self/status", encoding: .utf8)
            precondition(status.contains("NoNewPrivs:\t1"), "\(status)")
            let content = try Data(contentsOf: URL(fileURLWithPath: path))
            precondition(content == Data([1, 2, 3]))
            // Kernels before 5.13 have nothing of the kind.
            guard version > 0 else { return }
            precondition(open(path, O_WRONLY) < 0 && errno == EACCES)
            precondition(open(folder + "/b", O_WRONLY | O_CREAT, 0o600) < 0 && errno == EACCES)
            precondition(unlink(path) < 0 && errno == EACCES)
            precondition(rename(path, folder + "/b") < 0 && errno == EACCES)
            precondition(mkdir(folder + "/c", 0o700) < 0 && errno == EACCES)
            precondition(version < 3 || (truncate(path, 0) < 0 && errno == EACCES))
            var process: pid_t = 0
            var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("true"), nil]
            precondition(posix_spawn(&process, "/bin/true", nil, nil, &arguments, nil) == EACCES)
        }
    }
}
