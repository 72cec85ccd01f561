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

    /// Joins the files of `folder` that have the extension `.tif`, `.tiff`, `.png` or `.npy`, in natural order (2 before 10), into
    /// one volume. Returns how many pages it has.
    public static func merge(_ folder: String, into volume: String) throws -> Int {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: folder)
        } catch {
            throw TrainingError(.missing, "\(folder): cannot list the folder: \(error.localizedDescription)")
        }
        let files = names.filter {
            ["tif", "tiff", "png", "npy"].contains(($0 as NSString).pathExtension.lowercased()) && !$0.hasPrefix(".")
        }
        .sorted(by: precedes).map { "\(folder)/\($0)" }
        guard let first = files.first else { throw TrainingError(.missing, "\(folder): holds no .tif, .tiff, .png or .npy files") }
        let readers = try files.map { try VolumeReader($0) }
        let model = readers[0]
        for reader in readers
        where (reader.shape.height, reader.shape.width, reader.shape.channels) != (
            model.shape.height, model.shape.width, model.shape.channels
        )
            || reader.pixelType != model.pixelType
        {
            throw TrainingError(
                .invalid,
                "\(reader.path) is \(reader.shape) of type \(reader.pixelType), but \(first) is \(model.shape) of type \(model.pixelType)")
        }
        var shape = model.shape
        shape.pages = readers.map(\.shape.pages).reduce(0, +)
        let writer = try makeVolumeWriter(path: volume, shape: shape, pixelType: outputType(of: model), metadata: model.metadata)
        var samples = [Float](repeating: 0, count: shape.pageCount)
        for reader in readers {
            for page in 0..<reader.shape.pages {
                try samples.withUnsafeMutableBufferPointer { try reader.readPage(page, into: $0) }
                try samples.withUnsafeBufferPointer { try writer.append($0) }
            }
        }
        try writer.close()
        return shape.pages
    }

    /// Natural order: runs of digits compare as numbers.
    package static func precedes(_ a: String, _ b: String) -> Bool {
        func parts(_ text: String) -> [(digits: String?, text: String)] {
            var parts: [(digits: String?, text: String)] = []
            var rest = text[...]
            while let first = rest.first {
                let isDigit = first.isASCII && first.isNumber
                let part = rest.prefix { ($0.isASCII && $0.isNumber) == isDigit }
                parts.append((isDigit ? String(part.drop { $0 == "0" }) : nil, String(part)))
                rest = rest[part.endIndex...]
            }
            return parts
        }
        for (x, y) in zip(parts(a), parts(b)) {
            if let m = x.digits, let n = y.digits, m != n { return m.count != n.count ? m.count < n.count : m < n }
            if x.digits == nil || y.digits == nil, x.text != y.text { return x.text < y.text }
        }
        return a.count != b.count ? a.count < b.count : a < b
    }

    private static func outputType(of reader: VolumeReader) throws -> PixelType {
        guard [.uint8, .uint16, .float32].contains(reader.pixelType) else {
            throw TrainingError(
                .invalid, "\(reader.path): samples of type \(reader.pixelType) cannot be written; convert them to uint8, uint16 or float32")
        }
        return reader.pixelType
    }
}
