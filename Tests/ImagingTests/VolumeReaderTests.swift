import Dispatch
import Foundation
import Imaging
import Testing

/// All samples of a page.
func page(_ page: Int, of volume: VolumeReader) throws -> [Float] {
    var samples = [Float](repeating: -1, count: volume.shape.pageCount)
    try samples.withUnsafeMutableBufferPointer { try volume.readPage(page, into: $0) }
    return samples
}

/// Expects every sample of a volume to be what `write_fixtures.py` put there, changed by `value`.
func expectPattern(_ volume: VolumeReader, sourceLocation: SourceLocation = #_sourceLocation, _ value: (Float) -> Float = { $0 }) throws {
    let shape = volume.shape
    for number in (0..<shape.pages).reversed() {
        let samples = try page(number, of: volume)
        let expected = (0..<shape.channels).flatMap { channel in
            (0..<shape.height).flatMap { y in (0..<shape.width).map { x in value(pattern(page: number, y: y, x: x, channel: channel)) } }
        }
        #expect(samples == expected, "page \(number) of \(volume.path)", sourceLocation: sourceLocation)
        // Any rows alone are those of the page.
        for rows in [0..<1, 3..<min(18, shape.height), shape.height - 1..<shape.height] {
            var part = [Float](repeating: -1, count: shape.channels * rows.count * shape.width)
            try part.withUnsafeMutableBufferPointer { try volume.readRows(rows, ofPage: number, into: $0) }
            let wanted = (0..<shape.channels).flatMap { channel in
                expected[
                    (channel * shape.height + rows.lowerBound) * shape.width..<(channel * shape.height + rows.upperBound) * shape.width]
            }
            #expect(part == wanted, "rows \(rows) of page \(number) of \(volume.path)", sourceLocation: sourceLocation)
        }
    }
}

@Suite struct VolumeReaderTests {
    static let stack = VolumeShape(pages: 4, height: 20, width: 30)
    static let colourStack = VolumeShape(pages: 4, height: 20, width: 30, channels: 3)
    static let array = VolumeShape(pages: 3, height: 8, width: 10)

    @Test(arguments: [
        ("contiguous.tif", PixelType.uint8), ("uint16.tif", .uint16), ("int16.tif", .int16), ("uint32.tif", .uint32), ("int32.tif", .int32),
        ("float16.tif", .float16), ("float32.tif", .float32), ("float64.tif", .float64), ("bigtiff.tif", .uint8),
        ("bigtiff_big_endian.tif", .uint16), ("strips_lzw.tif", .uint8), ("packbits.tif", .uint8), ("deflate_float.tif", .float32),
        ("tiled.tif", .uint16), ("tiled_raw.tif", .uint8), ("zstd.tif", .uint8), ("min_is_white.tif", .uint8), ("colour_map.tif", .uint8),
        ("thumbnails.tif", .uint8), ("imagej.tif", .uint8), ("imagej_one_directory.tif", .uint16), ("sizes.ome.tif", .uint8),
        ("h5py.h5", .uint8),
        ("two_volumes.h5:/raw", .float32), ("two_volumes.h5:labels", .uint64),
    ]) func greyStacks(_ name: String, _ type: PixelType) throws {
        let volume = try VolumeReader(fixture(name))
        #expect(volume.shape == Self.stack)
        #expect(volume.pixelType == type)
        try expectPattern(volume)
    }

    @Test(arguments: [
        ("rgb.tif", PixelType.uint8), ("rgb_separate.tif", .float32), ("tiled_rgb_separate.tif", .uint8),
    ]) func colourStacks(_ name: String, _ type: PixelType) throws {
        let volume = try VolumeReader(fixture(name))
        #expect(volume.shape == Self.colourStack)
        #expect(volume.pixelType == type)
        try expectPattern(volume)
    }

    @Test func channelsThatAreImagesOrFirstAxes() throws {
        for (name, type) in [("imagej_channels.tif", PixelType.uint8), ("channels.ome.tif", .uint8), ("axistags.h5", .uint16)] {
            let volume = try VolumeReader(fixture(name))
            #expect(volume.shape == VolumeShape(pages: 4, height: 20, width: 30, channels: 2))
            #expect(volume.pixelType == type)
            try expectPattern(volume)
        }
    }

    /// OME keeps a unit for each axis, µm where there is none; ours are those of x.
    @Test func sizesOfOME() throws {
        let sizes = try VolumeReader(fixture("sizes.ome.tif")).metadata
        #expect(sizes == VolumeMetadata(pixelWidth: 0.004, pixelHeight: 0.008, zSpacing: 0.05, unit: "µm"))
        #expect(try VolumeReader(fixture("channels.ome.tif")).metadata == VolumeMetadata())
    }

    @Test func samplesOfLessThanEightBits() throws {
        let signed = try VolumeReader(fixture("int8.tif"))
        #expect(signed.pixelType == .int8)
        try expectPattern(signed) { ($0 / 2).rounded(.down) }
        let bits = try VolumeReader(fixture("bilevel.tif"))
        #expect(bits.pixelType == .boolean)
        #expect(bits.shape == VolumeShape(pages: 1, height: 20, width: 30))
        try expectPattern(bits) { $0.truncatingRemainder(dividingBy: 2) }
        let mask = try VolumeReader(fixture("bool.h5"))
        #expect(mask.pixelType == .boolean && mask.shape == Self.stack)
        try expectPattern(mask) { $0.truncatingRemainder(dividingBy: 2) }
    }

    @Test(arguments: [
        ("uint8", PixelType.uint8), ("uint16", .uint16), ("int32", .int32), ("int64", .int64), ("float16", .float16), ("float32", .float32),
        ("float64", .float64), ("big_endian", .float32), ("fortran", .int16), ("version2", .uint8), ("version3", .uint8),
    ]) func arraysOfNumPy(_ name: String, _ type: PixelType) throws {
        let volume = try VolumeReader(fixture(name + ".npy"))
        #expect(volume.shape == Self.array)
        #expect(volume.pixelType == type)
        try expectPattern(volume)
    }

    @Test func arraysOfNumPyInOtherShapes() throws {
        for name in ["channels", "fortran_channels"] {
            let volume = try VolumeReader(fixture(name + ".npy"))
            #expect(volume.shape == VolumeShape(pages: 3, height: 8, width: 10, channels: 2))
            try expectPattern(volume)
        }
        let page = try VolumeReader(fixture("page.npy"))
        #expect(page.shape == VolumeShape(pages: 1, height: 8, width: 10))
        try expectPattern(page)
        let bits = try VolumeReader(fixture("bool.npy"))
        #expect(bits.pixelType == .boolean)
        try expectPattern(bits) { $0.truncatingRemainder(dividingBy: 2) }
    }

    @Test func imagesInPNG() throws {
        let grey = VolumeShape(pages: 1, height: 20, width: 30)
        for (name, type) in [("grey", PixelType.uint8), ("interlaced", .uint8), ("grey16_gamma", .uint16)] {
            let volume = try VolumeReader(fixture(name + ".png"))
            #expect(volume.shape == grey && volume.pixelType == type)
            try expectPattern(volume)
        }
        let colour = try VolumeReader(fixture("rgb.png"))
        #expect(colour.shape == VolumeShape(pages: 1, height: 20, width: 30, channels: 3))
        try expectPattern(colour)
        try expectPattern(VolumeReader(fixture("bilevel.png"))) { $0.truncatingRemainder(dividingBy: 2) * 255 }
    }

    @Test func sizesOfPixels() throws {
        func metadata(_ name: String) throws -> VolumeMetadata { try VolumeReader(fixture(name)).metadata }
        #expect(try metadata("imagej.tif") == VolumeMetadata(pixelWidth: 4, pixelHeight: 8, zSpacing: 50, unit: "nm"))
        #expect(
            try metadata("imagej_one_directory.tif") == VolumeMetadata(pixelWidth: 0.004, pixelHeight: 0.004, zSpacing: 0.05, unit: "µm"))
        #expect(try metadata("centimetres.tif") == VolumeMetadata(pixelWidth: 1 / 25000, pixelHeight: 1 / 12500, unit: "cm"))
        #expect(try metadata("inches.tif") == VolumeMetadata(), "dots per inch say nothing of the specimen")
        #expect(try metadata("h5py.h5") == VolumeMetadata(pixelWidth: 4, pixelHeight: 4, zSpacing: 40, unit: "nm"))
        let size = try metadata("axistags.h5")
        #expect(size.unit == "µm" && size.pixelWidth.map { Float($0) } == 0.008 && size.zSpacing.map { Float($0) } == 0.05)
    }

    @Test func anyNameWillDo() throws {
        try withTemporaryFolder { folder in
            try FileManager.default.copyItem(atPath: fixture("contiguous.tif"), toPath: folder + "/a:b.dat")
            try expectPattern(VolumeReader(folder + "/a:b.dat"))
            try FileManager.default.copyItem(atPath: fixture("two_volumes.h5"), toPath: folder + "/a.tif")
            try expectPattern(VolumeReader(folder + "/a.tif:/raw"))
        }
    }

    @Test func pagesAreReadByManyThreadsAtOnce() throws {
        for name in ["strips_lzw.tif", "tiled.tif", "imagej_one_directory.tif", "h5py.h5", "fortran.npy"] {
            let volume = try VolumeReader(fixture(name))
            let pages = try (0..<volume.shape.pages).map { try page($0, of: volume) }
            DispatchQueue.concurrentPerform(iterations: 40) { i in
                #expect((try? page(i % pages.count, of: volume)) == pages[i % pages.count])
            }
        }
    }

    @Test func whatIsNotSupportedIsNamed() {
        func open(_ name: String) throws { _ = try VolumeReader(fixture(name)) }
        expectError(.missing, "none.tif", "no such file") { try open("none.tif") }
        expectError(.missing, "no such file") { try open("none.h5:/raw") }
        expectError(.missing, "/proc/self/fd", "folder") { _ = try VolumeReader("/proc/self/fd") }
        expectError(.invalid, "alpha.tif", "4 samples", "alpha") { try open("alpha.tif") }
        expectError(.invalid, "lab.tif", "PhotometricInterpretation 8") { try open("lab.tif") }
        expectError(.invalid, "alpha.png", "alpha") { try open("alpha.png") }
        expectError(.invalid, "palette.png", "palette") { try open("palette.png") }
        expectError(.invalid, "line.npy", "[10]") { try open("line.npy") }
        expectError(.invalid, "complex.npy", "<c8") { try open("complex.npy") }
        expectError(.invalid, "record.npy", "records") { try open("record.npy") }
        expectError(.invalid, "object.npy", "|O") { try open("object.npy") }
        expectError(.invalid, "two_volumes.h5", "/raw", "/labels", "name one") { try open("two_volumes.h5") }
        expectError(.missing, "two_volumes.h5", "/rax") { try open("two_volumes.h5:/rax") }
        expectError(.invalid, "two_volumes.h5", "names", "numbers") { try open("two_volumes.h5:names") }
        expectError(.invalid, "claims.h5", "claims the shape [1024, 65536, 65536] and holds 0 bytes") { try open("claims.h5") }
        expectError(.invalid, "contiguous.tif", ":/raw") { try open("contiguous.tif:/raw") }
        expectError(.invalid, "unequal_pages.tif", "page 2 is 30×10 uint8", "page 0 is 30×20 uint8") { try open("unequal_pages.tif") }
        expectError(.invalid, "unequal_types.tif", "page 1", "float32", "uint8") { try open("unequal_types.tif") }
        expectError(.invalid, "write_fixtures.py", "not a TIFF", "text") { try open("write_fixtures.py") }
    }
}
