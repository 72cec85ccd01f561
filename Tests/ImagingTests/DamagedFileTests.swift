import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct DamagedFileTests {
    /// Opens a file of these bytes and reads all of its pages.
    func open(_ bytes: [UInt8], as name: String) throws {
        try withTemporaryFolder { try readAll(bytes, from: $0 + "/" + name) }
    }

    /// Writes a file of these bytes and reads all of its pages.
    func readAll(_ bytes: [UInt8], from path: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let volume = try VolumeReader(path)
        for number in 0..<volume.shape.pages { _ = try page(number, of: volume) }
    }

    func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: fixture(name)))) }

    @Test func emptyFilesAndTexts() {
        expectError(.invalid, "a.tif", "empty") { try open([], as: "a.tif") }
        expectError(.invalid, "a.tif", "not a TIFF", "text") { try open(Array("not an image\n".utf8), as: "a.tif") }
        expectError(.invalid, "a.tif", "not a TIFF") { try open([0, 1], as: "a.tif") }
        expectError(.invalid, "a.tif", "truncated") { try open([0x49, 0x49, 42, 0], as: "a.tif") }
    }

    /// A file that ends early is noticed when it is opened, wherever it ends.
    @Test(arguments: [
        "contiguous.tif", "bigtiff.tif", "bigtiff_big_endian.tif", "strips_lzw.tif", "tiled.tif", "uint8.npy", "fortran.npy", "h5py.h5",
    ]) func truncatedFilesAreNoticedOnOpening(_ name: String) throws {
        let whole = try bytes(name)
        // Some writers round the size of the file up.
        for length in stride(from: 9, to: whole.count - 4, by: max(1, whole.count / 60)) {
            try withTemporaryFolder { folder in
                try Data(whole[..<length]).write(to: URL(fileURLWithPath: folder + "/cut"))
                #expect(throws: ImagingError.self, "\(length) of \(whole.count) bytes of \(name)") { try VolumeReader(folder + "/cut") }
            }
        }
    }

    @Test func truncatedPixelsNameThePageAndTheSizes() throws {
        // This file's last page ends at its last byte.
        let whole = try bytes("bigtiff.tif")
        expectError(.invalid, "a.tif", "truncated", "3", "\(whole.count - 1)") { try open(Array(whole.dropLast()), as: "a.tif") }
        let stack = try bytes("imagej_one_directory.tif")
        expectError(.invalid, "a.tif", "truncated", "4 images of 1200 bytes", "3 are there") {
            try open(Array(stack.dropLast(900)), as: "a.tif")
        }
    }

    @Test func chainOfPagesInACircle() throws {
        var file = try bytes("contiguous.tif")
        // The first directory is at byte 8; what follows its entries leads to the next.
        let link = 10 + 12 * Int(file[8])
        file.replaceSubrange(link..<link + 4, with: [8, 0, 0, 0])
        expectError(.invalid, "a.tif", "circle") { try open(file, as: "a.tif") }
    }

    /// Directories that overlap would make the work of a file grow with the square of its size.
    @Test func directoriesThatOverlap() throws {
        // An entry of tag 254 (a reduced copy, so that nothing more is read of its page) whose last two bytes are also the count 513 of a directory
        // that begins there; each is followed by 513 entries and the place of the next, 12 bytes further on.
        let entry: [UInt8] = [0xFE, 0, 4, 0, 1, 0, 0, 0, 1, 0, 1, 2], base = 8, count = 1020
        var file: [UInt8] = [0x49, 0x49, 42, 0] + [UInt8](repeating: 0, count: 4) + (0..<count).flatMap { _ in entry }
        func write(_ value: Int, at place: Int) { for k in 0..<4 { file[place + k] = UInt8(truncatingIfNeeded: value >> (8 * k)) } }
        write(base + 10, at: 4)
        for number in 0..<500 { write(base + 10 + 12 * (number + 1), at: base + 12 * (number + 514)) }
        expectError(.invalid, "a.tif", "overlap") { try open(file, as: "a.tif") }
    }

    /// Sizes that are no numbers of ours are not left out of a shape.
    @Test func shapesThatNoMemoryHolds() throws {
        func npy(_ shape: String) -> [UInt8] {
            let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (\(shape)), }\n"
            return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + header.utf8 + [UInt8](repeating: 1, count: 4)
        }
        try open(npy("2, 2"), as: "a.npy")
        try open(npy("2, 2,"), as: "a.npy")
        expectError(.invalid, "a.npy", "99999999999999999999", "no memory") { try open(npy("99999999999999999999, 2, 2"), as: "a.npy") }
        expectError(.invalid, "a.npy", "shape [2147483647, 2147483647] needs", "4 are there") {
            try open(npy("2147483647, 2147483647"), as: "a.npy")
        }
    }

    /// A file may be mostly a hole: what it claims is there, and is not.
    @Test func holesAreNoPages() throws {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 1, 1), }\n"
        let start = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + header.utf8
        try withTemporaryFolder { folder in
            try Data(start).write(to: URL(fileURLWithPath: folder + "/a.npy"))
            try #require(truncate(folder + "/a.npy", off_t(start.count) + 1 << 32) == 0)
            expectError(.invalid, "a.npy", "claims 4294967296 pages") { _ = try VolumeReader(folder + "/a.npy") }
        }
    }

    /// A pipe that has the name of an image is not waited for.
    @Test func pipesAreNoFiles() throws {
        try withTemporaryFolder { folder in
            try #require(mkfifo(folder + "/a.tif", 0o600) == 0)
            expectError(.invalid, "a.tif", "pipe") { _ = try VolumeReader(folder + "/a.tif") }
        }
    }

    @Test func damagedCompressedPagesAreNamed() throws {
        var file = try bytes("deflate_float.tif")
        let offset = Int(file[4]) | Int(file[5]) << 8
        #expect(offset == 8)
        // Pixels of the first page lie behind its directory and the values of its tags.
        for position in 400..<440 { file[position] = 0xFF }
        expectError(.invalid, "a.tif", "cannot decode page 0") { try open(file, as: "a.tif") }
        var png = try bytes("grey.png")
        for position in 60..<70 { png[position] ^= 0xFF }
        expectError(.invalid, "a.png", "cannot decode") { try open(png, as: "a.png") }
        // A chunk of two gigabytes, in a file of a hundred bytes, after the header of 25.
        var long = try bytes("grey.png")
        long.insert(contentsOf: [0x7F, 0xFF, 0xFF, 0xFF] + Array("tEXt".utf8), at: 33)
        expectError(.invalid, "a.png", "claims 2147483647 bytes from byte 41 on") { try open(long, as: "a.png") }
        expectError(.invalid, "a.png", "ends early") { try open(Array(try bytes("grey.png").dropLast(30)), as: "a.png") }
    }

    /// What libtiff, libhdf5 and libpng have to say goes into our errors, and nowhere else.
    @Test func librariesPrintNothing() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent, \.standardOutputContent]) {
            let tests = DamagedFileTests()
            func damaged(_ name: String, _ range: Range<Int>) throws -> [UInt8] {
                var file = try tests.bytes(name)
                for position in range { file[position] = 0xFF }
                return file
            }
            for (name, range) in [
                ("deflate_float.tif", 400..<440), ("strips_lzw.tif", 300..<340), ("grey.png", 40..<50), ("h5py.h5", 2000..<13000),
            ] {
                do {
                    try tests.open(damaged(name, range), as: name)
                    preconditionFailure("\(name) was read")
                } catch is ImagingError {}
            }
        }
        #expect(result.map { String(decoding: $0.standardErrorContent, as: UTF8.self) } == "")
    }

    /// No file, however damaged, may trap: bits are flipped at random in the part that says where everything is.
    @Test(arguments: [
        "contiguous.tif", "bigtiff_big_endian.tif", "strips_lzw.tif", "packbits.tif", "tiled.tif", "rgb_separate.tif",
        "imagej_one_directory.tif",
        "imagej.tif", "uint8.npy", "fortran_channels.npy", "grey16_gamma.png",
    ]) func flippedBitsNeverTrap(_ name: String) throws {
        let whole = try bytes(name)
        var failures = 0
        try withTemporaryFolder { folder in
            for (round, number) in testNumbers(300, seed: 7).enumerated() {
                var file = whole
                for flip in 0...round % 3 {
                    let position = Int((number + 1) / 2 * Float(min(whole.count, 700)) * Float(flip + 1)) % min(whole.count, 700)
                    file[position] ^= 1 << UInt8(round / 3 % 8)
                }
                do {
                    try readAll(file, from: folder + "/flipped")
                } catch let error as ImagingError {
                    failures += 1
                    #expect(!error.description.contains("\n"))
                }
            }
        }
        #expect(failures > 0)
    }
}
