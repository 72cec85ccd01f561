import CTIFF
import Foundation
import Synchronization

/// The pages of a TIFF file: one a directory, or, in a stack of ImageJ's, all of them behind the first directory.
final class TIFFPageSource: PageSource {
    let shape: VolumeShape
    let pixelType: PixelType
    let metadata: VolumeMetadata
    private let directory: TIFFDirectory
    /// Images, of one channel or all, behind the first directory, uncompressed; 1 unless ImageJ left out the other directories.
    private let imagesOfFirstDirectory: Int
    /// Images that make a page: ImageJ keeps the channels of a page as images one after another.
    private let imagesInPage: Int
    /// Opened for the first page that needs it: what lies in the file as it is, we read ourselves.
    private let decoder = Mutex<TIFFDecoder?>(nil)

    init(_ file: InputFile) throws {
        directory = try TIFFDirectory(file)
        let first = directory.pages[0]
        for (number, page) in directory.pages.enumerated()
        where (page.width, page.height, page.samples, page.pixelType) != (first.width, first.height, first.samples, first.pixelType) {
            throw ImagingError(
                .invalid, file.path, "all pages must be alike: page \(number) is \(page.summary), page 0 is \(first.summary)")
        }
        var images = directory.pages.count
        let claimed = directory.imageJ?.images ?? 1
        if images == 1, claimed > 1, first.compression == 1, !first.tiled, first.contiguous {
            guard claimed <= (file.size - first.firstBlock) / first.bytes else {
                throw ImagingError(
                    .invalid, file.path,
                    "the TIFF file is truncated: ImageJ wrote \(claimed) images of \(first.bytes) bytes, and \((file.size - first.firstBlock) / first.bytes) are there"
                )
            }
            images = claimed
        }
        imagesOfFirstDirectory = directory.pages.count == 1 ? images : 1
        let channels = directory.imageJ?.channels ?? directory.ome?.channels ?? 1
        imagesInPage = first.samples == 1 && channels > 1 && images % channels == 0 ? channels : 1
        shape = VolumeShape(pages: images / imagesInPage, height: first.height, width: first.width, channels: first.samples * imagesInPage)
        pixelType = first.pixelType
        metadata = directory.metadata
    }

    func readRows(_ rows: Range<Int>, ofPage page: Int, into samples: UnsafeMutablePointer<Float>) throws {
        for image in 0..<imagesInPage {
            try readImage(page * imagesInPage + image, rows, into: samples + image * rows.count * shape.width)
        }
    }

    private func readImage(_ image: Int, _ rows: Range<Int>, into samples: UnsafeMutablePointer<Float>) throws {
        let page = directory.pages[imagesOfFirstDirectory > 1 ? 0 : image]
        if imagesOfFirstDirectory > 1 {
            try readPlanes(page, at: page.firstBlock + image * page.bytes, rows, into: samples)
        } else if page.isPlain {
            try readPlanes(page, at: page.firstBlock, rows, into: samples)
        } else {
            try decoder.withLock { decoder in
                if decoder == nil { decoder = try TIFFDecoder(directory.file) }
                try decoder!.read(page, number: image, rows, into: samples)
            }
        }
        guard page.minIsWhite, let white = page.pixelType.maximum else { return }
        for i in 0..<page.samples * rows.count * page.width { samples[i] = white - samples[i] }
    }

    /// Reads rows of an image whose bytes lie in the file as they are, one plane after another.
    private func readPlanes(
        _ page: TIFFDirectory.Page, at offset: Int, _ rows: Range<Int>, into samples: UnsafeMutablePointer<Float>
    ) throws {
        // A megabyte at a time: the bytes must not take the memory of the samples again.
        let step = max(1, (1 << 20) / page.blockRowBytes)
        for plane in 0..<(page.separate ? page.samples : 1) {
            for row in stride(from: rows.lowerBound, to: rows.upperBound, by: step) {
                let count = min(step, rows.upperBound - row), start = offset + (plane * page.height + row) * page.blockRowBytes
                try directory.file.bytes(at: start, count: count * page.blockRowBytes).withUnsafeBytes {
                    page.scatter(
                        $0.baseAddress!, rows: count, x: 0, y: row, sample: plane, swapped: directory.isBigEndian, window: rows,
                        into: samples)
                }
            }
        }
    }
}

/// libtiff's handle of a file, which decodes one block at a time.
private struct TIFFDecoder: ~Copyable, @unchecked Sendable {
    private let file: InputFile
    private let tiff: OpaquePointer
    /// Where libtiff leaves its first error.
    private let message: UnsafeMutablePointer<CChar>
    /// Position of the directory that libtiff is at.
    private var directory = 0

    init(_ file: InputFile) throws {
        let message = UnsafeMutablePointer<CChar>.allocate(capacity: Int(TIFF_MESSAGE_SIZE))
        message.initialize(repeating: 0, count: Int(TIFF_MESSAGE_SIZE))
        // h: directories when we ask for them; m: no memory map, which kills the process when the file shrinks;
        // c: strips as they are.
        // What libtiff itself takes memory for is a block's bytes as they are in the file, and its tables.
        guard let tiff = tiff_open(file.newDescriptor(), file.path, "rhmc", tmsize_t(file.size) + 1 << 26, message) else {
            defer { message.deallocate() }
            throw ImagingError(.invalid, file.path, "cannot open the TIFF file: \(String(cString: message))")
        }
        self.file = file
        self.tiff = tiff
        self.message = message
    }

    deinit {
        TIFFClose(tiff)
        message.deallocate()
    }

    mutating func read(
        _ page: TIFFDirectory.Page, number: Int, _ window: Range<Int>, into samples: UnsafeMutablePointer<Float>
    ) throws {
        message[0] = 0
        if directory != page.offset {
            directory = 0
            guard TIFFSetSubDirectory(tiff, UInt64(page.offset)) == 1 else { throw failure(number) }
            directory = page.offset
        }
        let size = page.blockRowBytes * page.blockHeight
        // libtiff must read the directory as we did, or its blocks would not fit the room for them.
        guard (page.tiled ? TIFFTileSize(tiff) : TIFFStripSize(tiff)) == size else { throw failure(number) }
        try withUnsafeTemporaryAllocation(byteCount: size, alignment: 16) { block in
            for sample in 0..<(page.separate ? page.samples : 1) {
                for y in stride(from: window.lowerBound / page.blockHeight * page.blockHeight, to: window.upperBound, by: page.blockHeight)
                {
                    for x in stride(from: 0, to: page.width, by: page.blockWidth) {
                        let rows = min(page.blockHeight, page.height - y)
                        let wanted = page.tiled ? size : rows * page.blockRowBytes
                        // Of some damaged blocks libtiff says that all was decoded, and has left bytes as they were.
                        _ = block.initializeMemory(as: UInt8.self, repeating: 0)
                        let decoded =
                            page.tiled
                            ? TIFFReadEncodedTile(
                                tiff, TIFFComputeTile(tiff, UInt32(x), UInt32(y), 0, UInt16(sample)), block.baseAddress, tmsize_t(wanted))
                            : TIFFReadEncodedStrip(
                                tiff, TIFFComputeStrip(tiff, UInt32(y), UInt16(sample)), block.baseAddress, tmsize_t(wanted))
                        guard decoded == wanted else { throw failure(number) }
                        page.scatter(
                            block.baseAddress!, rows: rows, x: x, y: y, sample: sample, swapped: false, window: window, into: samples)
                    }
                }
            }
        }
    }

    private func failure(_ page: Int) -> ImagingError {
        let reason = message[0] == 0 ? "its data are not what its directory says" : String(cString: message)
        return ImagingError(.invalid, file.path, "cannot decode page \(page): \(reason)")
    }
}

extension TIFFDirectory.Page {
    /// For example `512×512 uint8`, with the samples if there are several.
    fileprivate var summary: String {
        "\(width)×\(height) \(pixelType.rawValue)" + (samples == 1 ? "" : " with \(samples) samples a pixel")
    }

    /// Puts the first rows of a decoded block, whose corner is at (x, y), where they belong in the rows `window` of a planar page.
    /// `sample` is the one that the block holds if they are separate.
    fileprivate func scatter(
        _ block: UnsafeRawPointer, rows: Int, x: Int, y: Int, sample: Int, swapped: Bool, window: Range<Int>,
        into samples: UnsafeMutablePointer<Float>
    ) {
        let count = min(blockWidth, width - x)
        for row in max(0, window.lowerBound - y)..<min(rows, window.upperBound - y) {
            let source = block + row * blockRowBytes
            for channel in 0..<samplesInBlock {
                let destination = samples + ((sample + channel) * window.count + y + row - window.lowerBound) * width + x
                if bits == 1 {
                    for i in 0..<count {
                        let bit = i * samplesInBlock + channel
                        destination[i] = Float(source.load(fromByteOffset: bit >> 3, as: UInt8.self) >> UInt8(7 - bit & 7) & 1)
                    }
                } else {
                    pixelType.convert(
                        source + channel * pixelType.size, stride: samplesInBlock, swapped: swapped, into: destination, count: count)
                }
            }
        }
    }
}
