import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct VolumeWriterTests {
    /// Writes pages made of `value(page, sample)`.
    func write(
        _ path: String, _ shape: VolumeShape, _ type: PixelType, metadata: VolumeMetadata = VolumeMetadata(),
        range: ClosedRange<Float>? = nil,
        value: (Int, Int) -> Float
    ) throws {
        let writer = try makeVolumeWriter(path: path, shape: shape, pixelType: type, metadata: metadata, displayRange: range)
        for page in 0..<shape.pages {
            try (0..<shape.pageCount).map { value(page, $0) }.withUnsafeBufferPointer { try writer.append($0) }
        }
        try writer.close()
    }

    func bytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }

    /// The files of a folder, hidden ones too.
    func files(_ folder: String) throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }

    @Test(arguments: ["tif", "TIFF", "h5", "hdf5", "npy"], [1, 3]) func whatIsWrittenIsReadBack(_ name: String, _ channels: Int) throws {
        try withTemporaryFolder { folder in
            // Several strips and chunks a page, none of them full at the edge.
            let shape = VolumeShape(pages: 3, height: 530, width: 517, channels: channels)
            let numbers = testNumbers(shape.pageCount + 3)
            for (type, scale) in [(PixelType.float32, Float(1)), (.uint8, 127), (.uint16, 32767)] {
                let path = "\(folder)/\(type.rawValue).\(name)"
                try write(path, shape, type) { page, i in type.isFloat ? numbers[page + i] : (numbers[page + i] * scale + scale).rounded() }
                let volume = try VolumeReader(path)
                #expect(volume.shape == shape && volume.pixelType == type)
                for number in 0..<shape.pages {
                    let expected = (0..<shape.pageCount).map {
                        type.isFloat ? numbers[number + $0] : (numbers[number + $0] * scale + scale).rounded()
                    }
                    #expect(try page(number, of: volume) == expected)
                }
            }
            #expect(try files(folder) == ["float32.\(name)", "uint16.\(name)", "uint8.\(name)"], "no temporary file is left")
        }
    }

    /// Whole numbers of 32 bits, up to what single precision holds exactly.
    @Test(arguments: ["tif", "ome.tif", "h5", "npy"]) func wideIntegers(_ name: String) throws {
        try withTemporaryFolder { folder in
            let shape = VolumeShape(pages: 2, height: 60, width: 70), path = folder + "/labels." + name
            func value(_ page: Int, _ i: Int) -> Float { Float(i == 7 ? 1 << 24 : page * 100_000 + i * 3 - 5) }
            try write(path, shape, .int32, value: value)
            let volume = try VolumeReader(path)
            #expect(volume.pixelType == .int32 && volume.shape == shape)
            for number in 0..<2 { #expect(try page(number, of: volume) == (0..<shape.pageCount).map { value(number, $0) }) }
            for wrong in [Float(1 << 25), .nan] {
                expectError(.invalid, "wrong.\(name)", "page 1", "16777216") {
                    try write(folder + "/wrong." + name, shape, .int32) { $0 == 1 && $1 == 2 ? wrong : 0 }
                }
            }
            #expect(try files(folder) == ["labels.\(name)"], "no part of a file is left")
        }
    }

    /// Sizes and channels survive OME's XML, whatever the file is called.
    @Test func describedByOME() throws {
        try withTemporaryFolder { folder in
            for unit in ["nm", "µm", "Å", "mm", "cm"] {
                let metadata = VolumeMetadata(pixelWidth: 0.25, pixelHeight: 3, zSpacing: 40.5, unit: unit)
                let path = folder + "/a <b>&\"µ.ome.tiff"
                try write(path, VolumeShape(pages: 2, height: 5, width: 7), .uint16, metadata: metadata) { Float($0 + $1) }
                #expect(try VolumeReader(path).metadata == metadata)
            }
            let shape = VolumeShape(pages: 3, height: 5, width: 7, channels: 4)
            let writer = try makeVolumeWriter(path: folder + "/c.tif", shape: shape, pixelType: .float32, isHyperstack: true, isOME: true)
            let values = testNumbers(shape.pageCount + 3)
            for number in 0..<3 { try Array(values[number..<number + shape.pageCount]).withUnsafeBufferPointer { try writer.append($0) } }
            try writer.close()
            let volume = try VolumeReader(folder + "/c.tif")
            #expect(volume.shape == shape)
            #expect(try page(2, of: volume) == Array(values[2..<2 + shape.pageCount]))
            expectError(.usage, "x.h5", "OME-XML is for TIFF") {
                _ = try makeVolumeWriter(path: folder + "/x.h5", shape: shape, pixelType: .float32, isOME: true)
            }
        }
    }

    /// However the rows of a page come, the file is the same.
    @Test(arguments: ["tif", "h5", "npy"], [1, 3]) func rowsMayComeInPieces(_ name: String, _ channels: Int) throws {
        try withTemporaryFolder { folder in
            let shape = VolumeShape(pages: 2, height: 1100, width: 130, channels: channels), width = shape.width
            let numbers = testNumbers(shape.pageCount + 1)
            try write(folder + "/whole." + name, shape, .float32) { numbers[$0 + $1] }
            let writer = try makeVolumeWriter(path: folder + "/pieces." + name, shape: shape, pixelType: .float32)
            for page in 0..<shape.pages {
                var row = 0
                for count in [1, 513, 30, 500, 56] {
                    let rows = (0..<channels).flatMap { channel in
                        let start = page + (channel * shape.height + row) * width
                        return numbers[start..<start + count * width]
                    }
                    try rows.withUnsafeBufferPointer { try writer.append($0) }
                    row += count
                }
                #expect(row == shape.height)
            }
            try writer.close()
            #expect(try bytes(folder + "/pieces." + name) == bytes(folder + "/whole." + name))
        }
    }

    @Test(arguments: ["tif", "h5", "npy"]) func integersAreRoundedAndLimited(_ name: String) throws {
        try withTemporaryFolder { folder in
            let values: [Float] = [-1, -0.4, 0.49, 0.51, 254.4, 255.3, 1e9, -.infinity, .infinity]
            let path = folder + "/a." + name
            try write(path, VolumeShape(pages: 1, height: 1, width: 9), .uint8) { values[$1] }
            #expect(try page(0, of: VolumeReader(path)) == [0, 0, 0, 1, 254, 255, 255, 0, 255])
            expectError(.invalid, "b.", "page 0", "not a number") {
                try write(folder + "/b." + name, VolumeShape(pages: 1, height: 1, width: 1), .uint16) { _, _ in .nan }
            }
            #expect(try files(folder) == ["a." + name])
        }
    }

    @Test(arguments: ["nm", "µm", "mm"]) func sizesOfPixelsAreCarriedThrough(_ unit: String) throws {
        try withTemporaryFolder { folder in
            let size = VolumeMetadata(pixelWidth: 4, pixelHeight: 8, zSpacing: 50, unit: unit)
            try write(folder + "/a.tif", VolumeShape(pages: 2, height: 3, width: 4), .float32, metadata: size, range: 0...1) {
                Float($0 + $1)
            }
            #expect(try VolumeReader(folder + "/a.tif").metadata == size)
            try write(folder + "/a.h5", VolumeShape(pages: 2, height: 3, width: 4), .float32, metadata: size, range: 0...1) {
                Float($0 + $1)
            }
            let read = try VolumeReader(folder + "/a.h5").metadata, scale = ["nm": 1e-3, "µm": 1, "mm": 1e3][unit]!
            #expect(read.unit == "µm")
            #expect(relativeError([read.pixelWidth!, read.pixelHeight!, read.zSpacing!], [4 * scale, 8 * scale, 50 * scale]) < 1e-7)
        }
    }

    /// ImageJ takes the number of slices and the display range from its description, and minds tag 274 and predictor 3.
    @Test func tiffIsWhatImageJReads() throws {
        try withTemporaryFolder { folder in
            for type in [PixelType.float32, .uint8] {
                let path = folder + "/\(type).tif"
                try write(
                    path, VolumeShape(pages: 3, height: 4, width: 5), type, metadata: VolumeMetadata(zSpacing: 50, unit: "µm"), range: 0...1
                ) { _, _ in 1 }
                let file = try bytes(path)
                #expect(file[..<4] == [0x49, 0x49, 42, 0])
                func short(_ at: Int) -> Int { Int(file[at]) | Int(file[at + 1]) << 8 }
                func long(_ at: Int) -> Int { short(at) | short(at + 2) << 16 }
                var directory = long(4), tags: [[Int: Int]] = []
                while directory != 0 {
                    let entries = (0..<short(directory)).map { directory + 2 + $0 * 12 }
                    tags.append(
                        Dictionary(uniqueKeysWithValues: entries.map { (short($0), short($0 + 2) == 3 ? short($0 + 8) : long($0 + 8)) }))
                    directory = long(directory + 2 + entries.count * 12)
                }
                #expect(tags.count == 3)
                #expect(tags.allSatisfy { $0[274] == nil && $0[259] == 8 && $0[317] == (type == .uint8 ? 2 : nil) })
                let text = String(decoding: file[tags[0][270]!...].prefix { $0 != 0 }, as: UTF8.self)
                #expect(text == "ImageJ=1.54f\nimages=3\nslices=3\nunit=\\u00B5m\nspacing=50.0\nloop=false\nmin=0.0\nmax=1.0\n")
                #expect(tags[1][270] == nil)
            }
        }
    }

    @Test func volumesPastFourGigabytesAreBigTIFF() throws {
        try withTemporaryFolder { folder in
            for (pages, version) in [(2, UInt8(42)), (300, 43)] {
                // Only begun: the header tells.
                let writer = try makeVolumeWriter(
                    path: folder + "/a.tif", shape: VolumeShape(pages: pages, height: 2000, width: 2000), pixelType: .float32)
                try [Float](repeating: 0, count: 4_000_000).withUnsafeBufferPointer { try writer.append($0) }
                let names = try files(folder)
                #expect(names.count == 1 && names[0].hasSuffix(".partial"))
                #expect(try bytes(folder + "/" + names[0])[2] == version)
            }
            #expect(try files(folder) == [], "what is not closed leaves nothing behind")
        }
    }

    @Test func hdf5IsWhatFijiAndIlastikRead() throws {
        try withTemporaryFolder { folder in
            try write(folder + "/a.h5", VolumeShape(pages: 2, height: 600, width: 40), .float32, range: 0...1) { _, _ in 0.5 }
            let file = try HDF5File(path: folder + "/a.h5")
            #expect(try file.datasets() == ["/exported_data"])
            #expect(try file.dataset("exported_data").shape == [2, 600, 40])
            #expect(try file.dataset("exported_data").chunk == [1, 512, 40])
            #expect(try file.text("axistags", of: "exported_data").contains(#""key": "z", "typeFlags": 2"#))
            #expect(try file.numbers("drange", of: "exported_data", as: Float.self) == [0, 1])
            try write(folder + "/b.hdf:/a/b", VolumeShape(pages: 1, height: 2, width: 2, channels: 5), .uint8) { _, i in Float(i) }
            #expect(try HDF5File(path: folder + "/b.hdf").datasets() == ["/a/b"])
            #expect(try page(0, of: VolumeReader(folder + "/b.hdf")) == (0..<20).map { Float($0) })
        }
    }

    @Test func npyHasTheHeaderThatNumPyWrites() throws {
        try withTemporaryFolder { folder in
            try write(folder + "/a.npy", VolumeShape(pages: 30, height: 2, width: 3), .float32) { Float($0) + Float($1) }
            let file = try bytes(folder + "/a.npy")
            let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (30, 2, 3, 1), }"
            #expect(file[..<8] == [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0])
            #expect(Int(file[8]) + Int(file[9]) << 8 == 118 && file[127] == 0x0A && file.count == 128 + 30 * 6 * 4)
            #expect(String(decoding: file[10..<127], as: UTF8.self) == text + String(repeating: " ", count: 117 - text.count))
        }
    }

    @Test func troubleIsReportedBeforeTheFirstPage() throws {
        let shape = VolumeShape(pages: 1, height: 2, width: 2)
        func begin(_ path: String, _ shape: VolumeShape = shape) throws {
            _ = try makeVolumeWriter(path: path, shape: shape, pixelType: .float32)
        }
        try withTemporaryFolder { folder in
            expectError(.usage, "a.jpg", ".jpg", ".tif", ".h5", ".npy") { try begin(folder + "/a.jpg") }
            expectError(.usage, "masks", "missing", ".tif") { try begin(folder + "/masks") }
            expectError(.usage, "channels", ".npy") {
                try begin(folder + "/a.tif", VolumeShape(pages: 1, height: 2, width: 2, channels: 2))
            }
            for name in ["tif", "h5", "npy"] {
                expectError(.missing, "none/a.\(name)", "folder", "does not exist") { try begin(folder + "/none/a." + name) }
                // No process may create files here.
                expectError(.inputOutput, "/proc/self/a.\(name)", "cannot create") { try begin("/proc/self/a." + name) }
            }
            try FileManager.default.createDirectory(atPath: folder + "/b.tif", withIntermediateDirectories: false)
            expectError(.usage, "b.tif", "is a folder") { try begin(folder + "/b.tif") }
            #expect(try files(folder) == ["b.tif"])
        }
    }

    @Test func aFileOfTheSameNameIsReplacedOnlyAtTheEnd() throws {
        try withTemporaryFolder { folder in
            for name in ["tif", "h5", "npy"] {
                let path = folder + "/a." + name, shape = VolumeShape(pages: 2, height: 2, width: 2)
                try write(path, shape, .float32) { _, _ in 1 }
                var writer: (any VolumeWriter)? = try makeVolumeWriter(path: path, shape: shape, pixelType: .float32)
                try [Float](repeating: 2, count: 4).withUnsafeBufferPointer { try writer?.append($0) }
                writer = nil
                #expect(try page(0, of: VolumeReader(path)) == [1, 1, 1, 1])
                try write(path, shape, .float32) { _, _ in 3 }
                #expect(try page(1, of: VolumeReader(path)) == [3, 3, 3, 3])
            }
            #expect(try files(folder) == ["a.h5", "a.npy", "a.tif"])
        }
    }

    /// A limit on the size of files stands for the disk that is full. libhdf5 would crash.
    @Test func aFullDiskIsAnErrorAndLeavesNothing() async {
        await #expect(processExitsWith: .success) {
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 150_000, rlim_max: 150_000)
            precondition(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            let tests = VolumeWriterTests()
            let numbers = testNumbers(40_000)
            try withTemporaryFolder { folder in
                for name in ["tif", "h5", "npy"] {
                    do {
                        try tests.write("\(folder)/a.\(name)", VolumeShape(pages: 30, height: 200, width: 200), .float32) { numbers[$1] }
                        preconditionFailure("\(name) was written in full")
                    } catch let error as ImagingError {
                        precondition(error.kind == .inputOutput && error.path.hasSuffix("a." + name), "\(error)")
                    }
                    precondition(try! tests.files(folder) == [], "\(name) left something behind")
                }
            }
        }
    }

    /// Channels that are no colours: any number of them, read back as they came, whether by whole pages or by rows.
    @Test(arguments: ["tif", "h5", "npy"], [2, 3, 5]) func channelsThatAreNoColours(_ name: String, _ channels: Int) throws {
        try withTemporaryFolder { folder in
            let shape = VolumeShape(pages: 3, height: 700, width: 400, channels: channels), plane = shape.height * shape.width
            let numbers = testNumbers(shape.pageCount + 3)
            for (pages, counts) in [(3, [700]), (1, [3, 660, 37])] {
                let path = "\(folder)/\(pages).\(name)"
                var shape = shape
                shape.pages = pages
                let writer = try makeVolumeWriter(path: path, shape: shape, pixelType: .float32, isHyperstack: true)
                for page in 0..<pages {
                    var row = 0
                    for count in counts {
                        let rows = (0..<channels).flatMap { channel in
                            let start = page + channel * plane + row * shape.width
                            return numbers[start..<start + count * shape.width]
                        }
                        try rows.withUnsafeBufferPointer { try writer.append($0) }
                        row += count
                    }
                }
                try writer.close()
                let volume = try VolumeReader(path)
                #expect(volume.shape == shape)
                for number in 0..<pages { #expect(try page(number, of: volume) == Array(numbers[number..<number + shape.pageCount])) }
            }
            #expect(try files(folder) == ["1.\(name)", "3.\(name)"], "no temporary file is left")
        }
    }

    @Test func picturesInPNG() throws {
        try withTemporaryFolder { folder in
            let grey = (0..<600).map { UInt8($0 % 251) }
            try PNG.write(grey: grey, width: 30, height: 20, to: folder + "/grey.png")
            #expect(try page(0, of: VolumeReader(folder + "/grey.png")) == grey.map { Float($0) })
            let triples: [UInt8] = grey.flatMap { [$0, 255 - $0, 7] }
            try PNG.write(rgb: triples, width: 30, height: 20, to: folder + "/rgb.png")
            let colour = try VolumeReader(folder + "/rgb.png")
            #expect(colour.shape == VolumeShape(pages: 1, height: 20, width: 30, channels: 3))
            #expect(try page(0, of: colour) == grey.map { Float($0) } + grey.map { Float(255 - $0) } + grey.map { _ in 7 })
            expectError(.missing, "none/a.png", "folder") { try PNG.write(grey: [0], width: 1, height: 1, to: folder + "/none/a.png") }
            #expect(try files(folder) == ["grey.png", "rgb.png"])
        }
    }
}
