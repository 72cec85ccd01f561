import CTIFF
import Foundation

/// Writes a TIFF stack that ImageJ reads: a directory a page, strips compressed by deflate, a description in the first.
final class TIFFWriter: VolumeWriter {
    private let encoder: PageEncoder
    private let file: AtomicFile
    private let metadata: VolumeMetadata
    /// The ImageDescription of the first page.
    private let description: String
    private var tiff: OpaquePointer?
    /// Where libtiff leaves its first error.
    private let message: UnsafeMutablePointer<CChar>

    init(_ encoder: PageEncoder, metadata: VolumeMetadata, description: String) throws {
        let shape = encoder.shape
        guard shape.channels == 1 || shape.channels == 3 else {
            throw ImagingError(.usage, encoder.path, "a TIFF file holds 1 or 3 channels a page, not \(shape.channels); write .h5 or .npy")
        }
        self.encoder = encoder
        self.metadata = metadata
        self.description = description
        file = try AtomicFile(encoder.path)
        message = .allocate(capacity: Int(TIFF_MESSAGE_SIZE))
        message.initialize(repeating: 0, count: Int(TIFF_MESSAGE_SIZE))
        // Positions of 32 bits end at 4 GB; noise may not shrink at all, and directories need room, too. ImageJ itself
        // does not read BigTIFF (Fiji does), so it is kept for volumes that need it.
        let bytes = Double(shape.pageCount * encoder.pixelType.size) * Double(shape.pages)
        tiff = tiff_open(dup(file.descriptor), encoder.path, bytes > 4e9 ? "w8" : "w", 0, message)
        if tiff == nil { throw failure() }
        // Strips of a quarter of a megabyte: ImageJ takes sizes of 16 bits, which libtiff chooses for small ones, as well.
        encoder.blockRows = min(shape.height, max(1, (256 << 10) / encoder.rowBytes))
    }

    deinit {
        if let tiff { TIFFClose(tiff) }
        message.deallocate()
    }

    func append(_ rows: UnsafeBufferPointer<Float>) throws {
        try encoder.encode(rows) { block in
            if block.rows.lowerBound == 0 { try describePage(isFirst: block.page == 0) }
            let strip = UInt32(block.rows.lowerBound / encoder.blockRows), size = block.bytes.count
            guard TIFFWriteEncodedStrip(tiff, strip, block.bytes.baseAddress, tmsize_t(size)) == size else { throw failure() }
            if block.rows.upperBound == encoder.shape.height, TIFFWriteDirectory(tiff) != 1 { throw failure() }
        }
    }

    func close() throws {
        encoder.checkComplete()
        TIFFClose(tiff)
        tiff = nil
        // TIFFClose returns nothing, but what goes wrong in it reaches the error handler.
        guard message[0] == 0 else { throw failure() }
        try file.commit()
    }

    /// Sets the tags of the next page.
    private func describePage(isFirst: Bool) throws {
        let shape = encoder.shape, type = encoder.pixelType
        // No orientation (274): with it ImageJ does not take the file for one of its own.
        var tags = [
            (TIFFTAG_IMAGEWIDTH, shape.width), (TIFFTAG_IMAGELENGTH, shape.height), (TIFFTAG_BITSPERSAMPLE, type.size * 8),
            (TIFFTAG_SAMPLESPERPIXEL, shape.channels),
            (TIFFTAG_SAMPLEFORMAT, Int(type.isFloat ? SAMPLEFORMAT_IEEEFP : type == .int32 ? SAMPLEFORMAT_INT : SAMPLEFORMAT_UINT)),
            (TIFFTAG_PHOTOMETRIC, Int(shape.channels == 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK)),
            (TIFFTAG_PLANARCONFIG, Int(PLANARCONFIG_CONTIG)), (TIFFTAG_ROWSPERSTRIP, encoder.blockRows),
            (TIFFTAG_COMPRESSION, Int(COMPRESSION_ADOBE_DEFLATE)),
        ]
        // ImageJ undoes the differences of integers of up to 16 bits, but not those of floats, whichever of the two predictors made them.
        if type.size <= 2 { tags.append((TIFFTAG_PREDICTOR, Int(PREDICTOR_HORIZONTAL))) }
        for (tag, value) in tags {
            guard tiff_set_integer(tiff, UInt32(tag), UInt32(value)) == 1 else { throw failure() }
        }
        if let width = metadata.pixelWidth, let height = metadata.pixelHeight {
            _ = tiff_set_integer(tiff, UInt32(TIFFTAG_RESOLUTIONUNIT), UInt32(RESUNIT_NONE))
            _ = tiff_set_double(tiff, UInt32(TIFFTAG_XRESOLUTION), 1 / width)
            _ = tiff_set_double(tiff, UInt32(TIFFTAG_YRESOLUTION), 1 / height)
        }
        if isFirst, tiff_set_text(tiff, UInt32(TIFFTAG_IMAGEDESCRIPTION), description) != 1 { throw failure() }
    }

    private func failure() -> ImagingError {
        let reason = message[0] == 0 ? systemError() : String(cString: message)
        return ImagingError(.inputOutput, encoder.path, "cannot write page \(encoder.pages): \(reason)")
    }
}
