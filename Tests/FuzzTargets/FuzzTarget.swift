import DataParallel
import Imaging
import Interchange

/// A reader of files that strangers may send, as `Fuzzing/run` and the test that replays its corpora call it: any bytes are read, or refused
/// with one of our errors.
public enum FuzzTarget: String, CaseIterable, Sendable {
    /// The directories of TIFF files, which we check before libtiff sees them.
    case tiffDirectory = "tiff-directory"
    /// TIFF files as a whole: directories, and pixels by way of libtiff.
    case tiff
    /// What ImageJ and OME write into a TIFF file's ImageDescription.
    case tiffDescription = "tiff-description"
    case npy
    /// By way of libpng, with the right checksum for each chunk: hardly any other input would come further.
    case png
    case safetensors
    case onnx
    /// Weights in safetensors and ONNX, and the network that is planned for them.
    case networkImport = "import"
    /// What the process that reads HDF5 for this one says of a file.
    case readerProtocol = "reader-protocol"
    /// HDF5 volumes and weights of Keras, by way of that process and libhdf5.
    case hdf5
    /// Checkpoints, whose seal is rarely right.
    case checkpoint
    /// Checkpoints with a right seal and whatever texts.
    case checkpointContent = "checkpoint-content"
    /// Files for --config.
    case configuration
    /// Run folders, of which `report` makes a page.
    case runRecords = "run-records"

    /// What came of some bytes.
    public enum Outcome: Sendable {
        /// They were read.
        case read
        /// They were refused with this text.
        case refused(String)
        /// They are of another format, which another target is for.
        case skipped
    }

    /// What a program does first that fuzzes: it is the process that reads HDF5 for another one if it was started as such, and allows pages of
    /// only 16 MiB.
    public static func prepare() {
        let words = Array(CommandLine.arguments.dropFirst())
        if words.first == ReaderService.command { ReaderService.run(words, status: exitStatus(of:), open: ReaderService.named) }
        ImageLimit.samples = 1 << 22
    }

    /// Whether C code works on the bytes.
    public var entersC: Bool {
        switch self {
        case .tiff, .png, .hdf5, .checkpointContent, .configuration, .networkImport: true
        default: false
        }
    }

    /// Reads these bytes.
    ///
    /// - Parameters:
    ///   - folder: for files.
    ///   - reader: the program that reads HDF5 for this one.
    /// - Throws: `FuzzFailure` if something was read that makes no sense, or refused in a way that it should not be.
    public func run(_ bytes: UnsafeRawBufferPointer, in folder: ScratchFolder, reader: String = "/proc/self/exe") throws -> Outcome {
        do {
            return try read(bytes, folder, reader) ? .read : .skipped
        } catch let error as any ExitStatusProviding {
            let text = "\(error)"
            guard text.unicodeScalars.allSatisfy({ $0.value >= 32 || $0 == "\n" }), error.exitStatus != 0 else {
                throw FuzzFailure("an error that a terminal obeys, or of status 0: \(text.debugDescription)")
            }
            return .refused(text)
        } catch let failure as FuzzFailure {
            throw failure
        } catch {
            throw FuzzFailure("an error that is none of ours, \(type(of: error)): \(error)")
        }
    }

    private func read(_ bytes: UnsafeRawBufferPointer, _ folder: ScratchFolder, _ reader: String) throws -> Bool {
        let isTIFF = [[0x49, 0x49, 42, 0], [0x4D, 0x4D, 0, 42], [0x49, 0x49, 43, 0], [0x4D, 0x4D, 0, 43]].contains(Array(bytes.prefix(4)))
        let isHDF5 = bytes.starts(with: [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A])
        switch self {
        case .tiffDirectory:
            guard isTIFF else { return false }
            _ = try TIFFDirectory(InputFile(folder.file(bytes)))
        case .tiff:
            guard isTIFF else { return false }
            try readPages(VolumeReader(folder.file(bytes)))
        case .tiffDescription:
            try readPages(VolumeReader(folder.file(tiffFile(describedBy: bytes))))
        case .npy:
            guard bytes.starts(with: [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]) else { return false }
            try readPages(VolumeReader(folder.file(bytes)))
        case .png:
            guard bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) else { return false }
            try readPages(VolumeReader(folder.file(pngFile(bytes))))
        case .safetensors, .onnx, .networkImport:
            guard !isHDF5, self == .networkImport || (bytes.count > 8 && bytes[8] == UInt8(ascii: "{")) == (self == .safetensors) else {
                return false
            }
            let path = try folder.file(bytes)
            if self == .networkImport { try importNetwork(path, in: folder) } else { try readWeights(path) }
        case .readerProtocol: try readAnswers(bytes)
        case .hdf5:
            guard isHDF5 else { return false }
            try readHDF5(folder.file(bytes), size: bytes.count, by: reader)
        case .checkpoint: try readCheckpoint(folder.file(bytes))
        case .checkpointContent: try readCheckpoint(folder.file(sealedCheckpoint(of: bytes)))
        case .configuration: try readConfiguration(bytes, in: folder)
        case .runRecords: try readRunFolder(bytes, in: folder)
        }
        return true
    }
}

/// A reader that does what it should not.
public struct FuzzFailure: Error, CustomStringConvertible {
    /// What it did.
    public let description: String

    init(_ description: String) { self.description = description }
}
