import CTIFF
import Foundation

/// The directories of a TIFF file, one a page, read and checked by ourselves before libtiff decodes what they point to:
/// every number in them is checked against the size of the file first, so that a damaged file is reported when it is
/// opened and claims no memory.
package struct TIFFDirectory {
    /// Where the entries of a directory say that a page's pixels are, and how they are stored.
    struct Page {
        /// Position of the directory in the file.
        let offset: Int
        let width, height, samples: Int
        let pixelType: PixelType
        /// Bits a sample; less than 8 only for `PixelType.boolean`.
        let bits: Int
        /// Each sample of a pixel in an image of its own, not side by side.
        let separate: Bool
        let compression: Int
        let minIsWhite: Bool
        /// Pixels are stored in blocks, each compressed by itself: tiles, or strips as wide as the image.
        let tiled: Bool
        let blockWidth, blockHeight: Int
        /// Position of the first block's bytes.
        let firstBlock: Int
        /// Whether each block begins where the one before it ends.
        let contiguous: Bool
        /// Whether the bits of each byte are stored the other way round.
        let isBitReversed: Bool
        /// Blocks of the page.
        let blocks: Int

        /// Samples of a pixel that lie side by side in a block.
        var samplesInBlock: Int { separate ? 1 : samples }
        /// Bytes of one row of a decoded block.
        var blockRowBytes: Int { (blockWidth * samplesInBlock * bits + 7) / 8 }
        /// Whether the rows lie in the file one after another as they are, so that any of them can be read by itself.
        var isPlain: Bool { compression == 1 && !tiled && contiguous && bits >= 8 && !isBitReversed }
        /// Bytes of the page if it is stored without compression, in strips.
        var bytes: Int { (width * samplesInBlock * bits + 7) / 8 * height * (separate ? samples : 1) }
    }

    let file: InputFile
    let isBigEndian: Bool
    private let isBig: Bool
    /// Full-size pages; reduced copies and masks are left out.
    private(set) var pages: [Page] = []
    private(set) var metadata = VolumeMetadata()
    /// ImageJ's description of the first page, or OME's.
    private(set) var imageJ: ImageJDescription?
    private(set) var ome: OMEDescription?

    static func isTIFF(_ start: [UInt8]) -> Bool {
        [[0x49, 0x49, 42, 0], [0x4D, 0x4D, 0, 42], [0x49, 0x49, 43, 0], [0x4D, 0x4D, 0, 43]].contains(Array(start.prefix(4)))
    }

    /// Reads all directories of a file that `isTIFF`.
    ///
    /// - Throws: `ImagingError` if they or the pixels that they point to are not all inside the file, or of a kind that we do not read.
    package init(_ file: InputFile) throws {
        self.file = file
        guard file.size >= 16 else { throw ImagingError(.invalid, file.path, "the TIFF file is truncated: it has only \(file.size) bytes") }
        let header = try file.bytes(at: 0, count: 16)
        isBigEndian = header[0] == 0x4D
        isBig = header[isBigEndian ? 3 : 2] == 43
        var next = isBig ? integer(header[8..<16]) : integer(header[4..<8])
        var seen: Set<Int> = [], size = 0, blocks = 0
        while next != 0 {
            guard seen.insert(next).inserted else { throw damaged("its chain of pages runs in a circle after \(seen.count) pages") }
            let entries = try Entries(self, at: next, page: seen.count - 1)
            // Directories and lists of blocks that overlap would make a small file the work of hours.
            size += entries.size
            guard size <= file.size else { throw damaged("the directories of its first \(seen.count) pages overlap") }
            // Bits 0 and 2 of NewSubfileType: a reduced copy of another page, a mask.
            if try entries.value(254, default: 0) & 5 == 0 {
                if pages.isEmpty { (metadata, imageJ, ome) = try entries.metadata() }
                let page = try entries.page()
                blocks += page.blocks
                guard blocks <= file.size else { throw damaged("its first \(seen.count) pages have \(blocks) blocks of pixels") }
                pages.append(page)
            }
            next = entries.next
        }
        guard !pages.isEmpty else { throw damaged("it has no page") }
    }

    fileprivate func truncated(_ what: String) -> ImagingError {
        ImagingError(.invalid, file.path, "the TIFF file is truncated: \(what), the file ends at \(file.size)")
    }

    fileprivate func damaged(_ what: String) -> ImagingError { ImagingError(.invalid, file.path, "the TIFF file is damaged: \(what)") }

    /// An unsigned number of up to 8 bytes; those that no file can reach become `Int.max`.
    fileprivate func integer(_ bytes: ArraySlice<UInt8>) -> Int {
        let number = bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return Int(clamping: isBigEndian ? number : number.byteSwapped >> UInt64(64 - 8 * bytes.count))
    }

    /// The entries of one directory.
    private struct Entries {
        let directory: TIFFDirectory
        let offset: Int
        /// Position of the next directory; 0 after the last.
        let next: Int
        /// Bytes of the directory itself.
        let size: Int
        /// The page's number in the chain, for errors.
        private let number: Int
        private var entries: [Int: (type: Int, count: Int, position: Int)] = [:]

        init(_ directory: TIFFDirectory, at offset: Int, page: Int) throws {
            self.directory = directory
            self.offset = offset
            number = page
            let (countSize, entrySize, wordSize) = directory.isBig ? (8, 20, 8) : (2, 12, 4)
            func bytes(_ position: Int, _ count: Int) throws -> [UInt8] {
                guard position <= directory.file.size - count else {
                    throw directory.truncated("the directory of page \(page) should be at byte \(offset)")
                }
                return try directory.file.bytes(at: position, count: count)
            }
            let count = directory.integer(try bytes(offset, countSize)[...])
            guard count <= 4096 else { throw directory.damaged("page \(page) claims \(count) directory entries") }
            let all = try bytes(offset + countSize, count * entrySize + wordSize)
            size = countSize + all.count
            for index in 0..<count {
                let entry = all[index * entrySize..<(index + 1) * entrySize]
                func field(_ from: Int, _ size: Int) -> Int {
                    directory.integer(entry[entry.startIndex + from..<entry.startIndex + from + size])
                }
                let type = field(2, 2), items = field(4, wordSize)
                guard type < Entries.sizes.count, Entries.sizes[type] > 0 else { continue }
                let (size, overflow) = items.multipliedReportingOverflow(by: Entries.sizes[type])
                let inside = offset + countSize + index * entrySize + 4 + wordSize
                let position = !overflow && size <= wordSize ? inside : field(4 + wordSize, wordSize)
                // libtiff, too, keeps the first of two entries with one tag.
                if entries[field(0, 2)] == nil { entries[field(0, 2)] = (type, overflow ? .max : items, position) }
            }
            next = directory.integer(all[(count * entrySize)...])
        }

        /// Bytes an item by type; 0 where there is no such type.
        private static let sizes = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8]

        /// The bytes of an entry, and how many an item has.
        private func bytes(_ tag: Int, limit: Int) throws -> (bytes: [UInt8], size: Int)? {
            guard let entry = entries[tag], entry.count > 0 else { return nil }
            let size = Entries.sizes[entry.type], available = directory.file.size - entry.position
            guard entry.count <= available / size else {
                throw directory.truncated("page \(number) has \(entry.count) values of tag \(tag) from byte \(entry.position) on")
            }
            return (try directory.file.bytes(at: entry.position, count: min(entry.count, limit) * size), size)
        }

        /// The first `limit` unsigned integers of an entry; empty if it is not there.
        func values(_ tag: Int, limit: Int) throws -> [Int] {
            guard let (bytes, size) = try bytes(tag, limit: limit) else { return [] }
            return stride(from: 0, to: bytes.count, by: size).map { directory.integer(bytes[$0..<$0 + size]) }
        }

        func value(_ tag: Int, default standard: Int? = nil) throws -> Int {
            guard let value = try values(tag, limit: 1).first ?? standard else {
                throw directory.damaged("page \(number) lacks tag \(tag)")
            }
            return value
        }

        func metadata() throws -> (VolumeMetadata, ImageJDescription?, OMEDescription?) {
            func size(_ tag: Int) throws -> Double? {
                guard entries[tag]?.type == 5, let bytes = try bytes(tag, limit: 1)?.bytes else { return nil }
                let (pixels, units) = (directory.integer(bytes[..<4]), directory.integer(bytes[4...]))
                guard pixels > 0 && units > 0 else { return nil }
                // LibTIFF, and so most programs, makes the ratio of a number in single precision: seven digits of it are meant.
                let size = Double(units) / Double(pixels), digits = pow(10, 6 - log10(size).rounded(.down))
                return (size * digits).rounded() / digits
            }
            let text = String(decoding: try bytes(270, limit: 1 << 16)?.bytes.prefix { $0 != 0 } ?? [], as: UTF8.self)
            let imageJ = ImageJDescription(text)
            if let ome = OMEDescription(text) { return (ome.metadata, nil, ome) }
            var metadata = VolumeMetadata(zSpacing: imageJ?.spacing, unit: imageJ?.unit)
            // An inch (2) comes from programs that think of print, and says nothing of the specimen.
            let unit = try value(296, default: 2)
            if metadata.unit != nil || unit == 3 {
                metadata.pixelWidth = try size(282)
                metadata.pixelHeight = try size(283)
                if metadata.unit == nil, metadata.pixelWidth != nil { metadata.unit = "cm" }
            }
            return (metadata, imageJ, nil)
        }

        func page() throws -> Page {
            func unsupported(_ what: String) -> ImagingError { ImagingError(.invalid, directory.file.path, "page \(number) \(what)") }
            let width = try value(256), height = try value(257), samples = try value(277, default: 1)
            guard (1...1 << 24).contains(width), (1...1 << 24).contains(height) else {
                throw directory.damaged("page \(number) claims \(width)×\(height) pixels")
            }
            guard samples == 1 || samples == 3 else {
                throw unsupported(
                    "has \(samples) samples a pixel; 1 (grey) and 3 (RGB) are supported"
                        + (samples == 4 ? ": remove the alpha channel" : ""))
            }
            let bits = try values(258, limit: samples), formats = try values(339, limit: samples)
            guard let type = Page.pixelType(bits: bits, formats: formats) else {
                throw unsupported(
                    "has samples of \(bits) bits in format \(formats); integers of 8 to 64 bits, floats of 16 to 64 and 1 bit are supported"
                )
            }
            let photometric = try value(262, default: 1)
            // A colour map (3) is how to show the values, which are the measurement.
            guard (0...3).contains(photometric) else {
                throw unsupported("has PhotometricInterpretation \(photometric); save it as grey or RGB")
            }
            guard photometric != 0 || [.boolean, .uint8, .uint16, .uint32].contains(type) else {
                throw unsupported("is of type \(type.rawValue) with white as its least value; save it with black as least")
            }
            let compression = try value(259, default: 1)
            guard compression == 1 || TIFFIsCODECConfigured(UInt16(clamping: compression)) == 1 else {
                throw unsupported("is compressed by method \(compression), which this libtiff cannot decode; save it as deflate or LZW")
            }
            let tiled = entries[322] != nil
            let blockWidth = tiled ? try value(322) : width
            let blockHeight = tiled ? try value(323) : min(max(1, try value(278, default: height)), height)
            guard (1...1 << 24).contains(blockWidth), (1...1 << 24).contains(blockHeight) else {
                throw directory.damaged("page \(number) claims tiles of \(blockWidth)×\(blockHeight) pixels")
            }
            let separate = samples > 1 ? try value(284, default: 1) == 2 : false
            let isBitReversed = try value(266, default: 1) == 2
            // Blocks are checked below; what depends on the first is made with it.
            func page(_ firstBlock: Int, _ contiguous: Bool, _ blocks: Int) -> Page {
                Page(
                    offset: offset, width: width, height: height, samples: samples, pixelType: type, bits: bits.first ?? 1,
                    separate: separate,
                    compression: compression, minIsWhite: photometric == 0, tiled: tiled, blockWidth: blockWidth, blockHeight: blockHeight,
                    firstBlock: firstBlock, contiguous: contiguous, isBitReversed: isBitReversed, blocks: blocks)
            }
            let (firstBlock, contiguous, blocks) = try checkBlocks(page(0, false, 0))
            return page(firstBlock, contiguous, blocks)
        }

        /// Checks that the bytes of all blocks are inside the file, and as many as their pixels may need.
        private func checkBlocks(_ page: Page) throws -> (first: Int, contiguous: Bool, count: Int) {
            let across = (page.width + page.blockWidth - 1) / page.blockWidth,
                down = (page.height + page.blockHeight - 1) / page.blockHeight
            let count = across * down * (page.separate ? page.samples : 1), what = page.tiled ? "tile" : "strip"
            let offsets = try values(page.tiled ? 324 : 273, limit: count), sizes = try values(page.tiled ? 325 : 279, limit: count)
            guard offsets.count == count, page.compression == 1 || sizes.count == count else {
                throw directory.damaged(
                    "page \(number) needs \(count) \(what)s and lists \(offsets.count) offsets and \(sizes.count) sizes")
            }
            var stored = 0.0, decoded = 0.0, end: Int?, contiguous = true
            for index in 0..<count {
                let rows = page.tiled ? page.blockHeight : min(page.blockHeight, page.height - index % down * page.blockHeight)
                let size = page.compression == 1 ? rows * page.blockRowBytes : sizes[index]
                guard size > 0, size <= directory.file.size, offsets[index] <= directory.file.size - size else {
                    throw size > 0
                        ? directory.truncated("\(what) \(index) of page \(number) is \(size) bytes from byte \(offsets[index]) on")
                        : directory.damaged("\(what) \(index) of page \(number) is empty")
                }
                contiguous = contiguous && end.map { $0 == offsets[index] } ?? true
                end = offsets[index] + size
                stored += Double(size)
                decoded += Double(rows) * Double(page.blockRowBytes)
            }
            guard decoded <= stored * page.greatestRatio else {
                throw directory.damaged("page \(number) claims \(page.width)×\(page.height) pixels and holds \(Int(stored)) bytes")
            }
            // A tile may be larger than the image, but not so that it, and not the image, takes the memory.
            guard decoded <= 4 * Double(page.bytes) + 0x1p26 else {
                throw directory.damaged(
                    "page \(number) of \(page.width)×\(page.height) pixels claims tiles of \(page.blockWidth)×\(page.blockHeight)")
            }
            return (offsets[0], contiguous, count)
        }
    }
}

extension TIFFDirectory.Page {
    /// How many bytes a byte of the file may become.
    fileprivate var greatestRatio: Double {
        switch compression {
        case 1: 1
        // PackBits: two bytes are 128 at most.
        case 32773: 64
        case 8, 32946: Double(Deflate.greatestRatio)
        // LZW: each code of 9 to 12 bits may be a byte longer than the longest before; there are 4096 of them.
        case 5: 4096
        // Zstandard, LZMA, and the fax methods, of which rows of one colour take a bit.
        default: 65536
        }
    }

    /// The type of samples of `bits` in `formats` (1 unsigned, 2 signed, 3 floating point, 4 unknown), which must be alike.
    fileprivate static func pixelType(bits: [Int], formats: [Int]) -> PixelType? {
        guard Set(bits).count <= 1, Set(formats).count <= 1 else { return nil }
        return switch (bits.first ?? 1, formats.first ?? 1) {
        case (1, 1), (1, 4): .boolean
        case (8, 1), (8, 4): .uint8
        case (16, 1), (16, 4): .uint16
        case (32, 1), (32, 4): .uint32
        case (64, 1), (64, 4): .uint64
        case (8, 2): .int8
        case (16, 2): .int16
        case (32, 2): .int32
        case (64, 2): .int64
        case (16, 3): .float16
        case (32, 3): .float32
        case (64, 3): .float64
        default: nil
        }
    }
}
