import Foundation
import Synchronization

/// The files of a folder, in natural order (2 before 10), as the pages of one volume. Each is opened to be checked, and again when one
/// of its pages is read.
final class FolderPageSource: PageSource {
    let shape: VolumeShape
    let pixelType: PixelType
    let metadata: VolumeMetadata
    private let files: [String]
    /// The first page of each file.
    private let firstPages: [Int]
    /// The files used last, so that reading a page in parts opens it once.
    private let opened = Mutex<[(file: Int, volume: VolumeReader)]>([])

    init(_ folder: String) throws {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: folder)
        } catch {
            throw ImagingError(.inputOutput, folder, "cannot list the folder: \(error.localizedDescription)")
        }
        files = names.filter { Self.extensions.contains(($0 as NSString).pathExtension.lowercased()) && !$0.hasPrefix(".") }
            .sorted(by: naturallyPrecedes).map { (folder as NSString).appendingPathComponent($0) }
        guard let first = files.first else {
            throw ImagingError(.missing, folder, "the folder holds no .tif, .tiff, .png or .npy files")
        }
        let model = try VolumeReader(first)
        (pixelType, metadata) = (model.pixelType, model.metadata)
        var shape = model.shape, firstPages = [0]
        for file in files.dropFirst() {
            let next = try VolumeReader(file)
            try model.requireAlike(next)
            firstPages.append(shape.pages)
            shape.pages += next.shape.pages
        }
        (self.shape, self.firstPages) = (shape, firstPages)
    }

    private static let extensions = ["tif", "tiff", "png", "npy"]

    func readRows(_ rows: Range<Int>, ofPage page: Int, into samples: UnsafeMutablePointer<Float>) throws {
        let file = file(ofPage: page)
        let volume = try opened.withLock { opened in
            if let hit = opened.first(where: { $0.file == file }) { return hit.volume }
            let volume = try VolumeReader(files[file])
            opened = opened.suffix(3) + [(file, volume)]
            return volume
        }
        let buffer = UnsafeMutableBufferPointer(start: samples, count: shape.channels * rows.count * shape.width)
        guard (volume.shape.height, volume.shape.width, volume.shape.channels) == (shape.height, shape.width, shape.channels),
            page - firstPages[file] < volume.shape.pages
        else { throw ImagingError(.invalid, files[file], "has changed since it was first opened: it is \(volume.shape)") }
        try volume.readRows(rows, ofPage: page - firstPages[file], into: buffer)
    }

    func place(ofPage page: Int) -> (path: String, page: Int)? {
        let file = file(ofPage: page)
        return (files[file], page - firstPages[file])
    }

    private func file(ofPage page: Int) -> Int { firstPages.lastIndex { $0 <= page }! }
}

/// Natural order of names: runs of digits compare as numbers.
package func naturallyPrecedes(_ a: String, _ b: String) -> Bool {
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
