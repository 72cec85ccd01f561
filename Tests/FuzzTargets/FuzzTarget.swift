import CHDF5
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
    /// HDF5 volumes and weights of Keras, by way of libhdf5, as that process reads them.
    case hdf5
    /// Checkpoints, whose seal is rarely right.
    case checkpoint
    /// What checkpoints with a right seal say in their attributes.
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

    /// What a program does first that fuzzes: it allows pages of only 16 MiB, and lets libhdf5 keep the memory that it takes for every file.
    public static func prepare() {
        ImageLimit.samples = 1 << 22
        H5set_free_list_limits(-1, -1, -1, -1, -1, -1)
    }

    /// The modules, or types, whose branches the fuzzer looks at: those that this reader is in. To look at others takes time.
    public var places: [String] {
        switch self {
        case .tiffDirectory, .tiff, .tiffDescription, .npy, .png: ["Imaging"]
        case .safetensors, .onnx: ["Interchange"]
        case .readerProtocol, .hdf5: ["Imaging", "Interchange"]
        case .networkImport: ["Interchange", "Training"]
        case .checkpoint: ["Training.Checkpoint"]
        case .checkpointContent, .configuration, .runRecords: ["Training"]
        }
    }

    /// Reads these bytes.
    ///
    /// - Parameters:
    ///   - folder: for files.
    ///   - reader: the program that reads HDF5 for this one; nil: this process does it, and the fuzzer sees what our part of that does.
    /// - Throws: `FuzzFailure` if something was read that makes no sense, or refused in a way that it should not be.
    public func run(_ bytes: UnsafeRawBufferPointer, in folder: ScratchFolder, reader: String? = nil) throws -> Outcome {
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

    private func read(_ bytes: UnsafeRawBufferPointer, _ folder: ScratchFolder, _ reader: String?) throws -> Bool {
        func begins(with starts: [UInt8]...) -> Bool { starts.contains { bytes.starts(with: $0) } }
        func isTIFF() -> Bool {
            begins(with: [0x49, 0x49, 42, 0], [0x4D, 0x4D, 0, 42], [0x49, 0x49, 43, 0], [0x4D, 0x4D, 0, 43])
        }
        func isHDF5() -> Bool { begins(with: [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]) }
        func file(_ bytes: some Sequence<UInt8>) throws -> InputFile { try InputFile("input", holding: Array(bytes)) }
        switch self {
        case .tiffDirectory:
            guard isTIFF() else { return false }
            _ = try TIFFDirectory(file(bytes))
        case .tiff:
            guard isTIFF() else { return false }
            try readPages(VolumeReader(file(bytes)))
        case .tiffDescription:
            try readPages(VolumeReader(file(tiffFile(describedBy: bytes))))
        case .npy:
            guard begins(with: [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]) else { return false }
            try readPages(VolumeReader(file(bytes)))
        case .png:
            guard begins(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) else { return false }
            try readPages(VolumeReader(file(pngFile(bytes))))
        case .safetensors, .onnx, .networkImport:
            guard !isHDF5(), self == .networkImport || (bytes.count > 8 && bytes[8] == UInt8(ascii: "{")) == (self == .safetensors) else {
                return false
            }
            if self == .networkImport { try importNetwork(file(bytes), in: folder) } else { try readWeights(file(bytes)) }
        case .readerProtocol: try readAnswers(bytes)
        case .hdf5:
            guard isHDF5() else { return false }
            try readHDF5(folder.file(bytes), size: bytes.count, by: reader)
        case .checkpoint: try readCheckpoint(Array(bytes))
        case .checkpointContent: try readContents(bytes)
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
