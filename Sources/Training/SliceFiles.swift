import Foundation
import Imaging

/// A volume as one file a slice, and back: `0.tif, 1.tif, …`.
public enum SliceFiles {
    /// Writes each page of `volume` into `folder` as `0.tif, 1.tif, …` of the volume's type (8- and 16-bit integers, float32).
    /// Returns how many.
    public static func split(_ volume: String, into folder: String) throws -> Int {
        let reader = try VolumeReader(volume)
        let type = try outputType(of: reader)
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw TrainingError(.inputOutput, "\(folder): cannot create the folder: \(error.localizedDescription)")
        }
        var shape = reader.shape
        shape.pages = 1
        var samples = [Float](repeating: 0, count: shape.pageCount)
        for page in 0..<reader.shape.pages {
            try samples.withUnsafeMutableBufferPointer { try reader.readPage(page, into: $0) }
            let writer = try makeVolumeWriter(path: "\(folder)/\(page).tif", shape: shape, pixelType: type, metadata: reader.metadata)
            try samples.withUnsafeBufferPointer { try writer.append($0) }
            try writer.close()
        }
        return reader.shape.pages
    }

    /// Joins the files of `folder`, in natural order (2 before 10), into one volume. Returns how many pages it has.
    public static func merge(_ folder: String, into volume: String, isOME: Bool = false) throws -> Int {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
            throw TrainingError(.missing, "\(folder): there is no such folder")
        }
        let reader = try VolumeReader(folder)
        let writer = try makeVolumeWriter(
            path: volume, shape: reader.shape, pixelType: outputType(of: reader), metadata: reader.metadata, isOME: isOME)
        var samples = [Float](repeating: 0, count: reader.shape.pageCount)
        for page in 0..<reader.shape.pages {
            try samples.withUnsafeMutableBufferPointer { try reader.readPage(page, into: $0) }
            try samples.withUnsafeBufferPointer { try writer.append($0) }
        }
        try writer.close()
        return reader.shape.pages
    }

    private static func outputType(of reader: VolumeReader) throws -> PixelType {
        guard [.uint8, .uint16, .float32].contains(reader.pixelType) else {
            throw TrainingError(
                .invalid, "\(reader.path): samples of type \(reader.pixelType) cannot be written; convert them to uint8, uint16 or float32")
        }
        return reader.pixelType
    }
}
