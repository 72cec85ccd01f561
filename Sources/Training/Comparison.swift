import Foundation
import Imaging

/// A picture of some pages of volumes of one size: image, truth and prediction side by side, a row for each page.
public struct Comparison {
    private let volumes: [VolumeReader]
    private let classes: LabelClasses?
    /// Pages shown, at most.
    private static let rows = 3
    /// White pixels between the pages.
    private static let gap = 8

    /// Opens the volumes; without images the others are shown alone. With classes, labels and prediction are shown in their colours.
    ///
    /// Throws `ImagingError`, or `TrainingError` (`invalid`) when they differ in size.
    public init(images: String?, labels: String, prediction: String, classes: LabelClasses? = nil) throws {
        self.classes = classes
        volumes = try [images, labels, prediction].compactMap { $0 }.map { try VolumeReader($0) }
        let last = volumes[volumes.count - 1]
        for volume in volumes
        where (volume.shape.pages, volume.shape.height, volume.shape.width) != (last.shape.pages, last.shape.height, last.shape.width) {
            throw TrainingError(.invalid, "\(volume.path) is \(volume.shape), but \(last.path) is \(last.shape)")
        }
    }

    /// Writes the PNG. Each volume's values are stretched from the least to the greatest of the pages shown; of several channels
    /// the first is shown.
    public func write(to path: String) throws {
        let shape = volumes[0].shape, rows = min(Self.rows, shape.pages)
        // The first, the last and what lies evenly between.
        let pages = (0..<rows).map { rows == 1 ? 0 : $0 * (shape.pages - 1) / (rows - 1) }
        let width = volumes.count * (shape.width + Self.gap) - Self.gap, height = rows * (shape.height + Self.gap) - Self.gap
        if let classes { return try draw(classes, pages, width: width, height: height).write(to: path) }
        var picture = [UInt8](repeating: 255, count: width * height)
        for (column, volume) in volumes.enumerated() {
            let images = try pages.map { page in
                var samples = [Float](repeating: 0, count: volume.shape.pageCount)
                try samples.withUnsafeMutableBufferPointer { try volume.readPage(page, into: $0) }
                return samples.prefix(shape.height * shape.width)
            }
            let values = images.joined().lazy.filter(\.isFinite)
            // Probabilities and masks are shown on their own scale, so that grey means doubt.
            let isImage = column == 0 && volumes.count == 3
            let least = isImage ? values.min() ?? 0 : 0,
                greatest = isImage ? values.max() ?? 1 : max(values.max() ?? 1, volume.pixelType.isFloat ? 1 : 0)
            let scale = greatest > least ? 255 / (greatest - least) : 0
            for (row, image) in images.enumerated() {
                for y in 0..<shape.height {
                    let target = (row * (shape.height + Self.gap) + y) * width + column * (shape.width + Self.gap)
                    for x in 0..<shape.width {
                        let value = (image[y * shape.width + x] - least) * scale
                        picture[target + x] = UInt8(min(max(value.isFinite ? value.rounded() : 0, 0), 255))
                    }
                }
            }
        }
        try PNG.write(grey: picture, width: width, height: height, to: path)
    }

    /// The picture in the colours of the classes.
    private func draw(_ classes: LabelClasses, _ pages: [Int], width: Int, height: Int) throws -> Canvas {
        let shape = volumes[0].shape, plane = shape.height * shape.width
        var canvas = Canvas(width: width, height: height)
        for (column, volume) in volumes.enumerated() {
            var samples = [Float](repeating: 0, count: volume.shape.pageCount)
            for (row, page) in pages.enumerated() {
                let x = column * (shape.width + Self.gap), y = row * (shape.height + Self.gap)
                try samples.withUnsafeMutableBufferPointer { try volume.readPage(page, into: $0) }
                if column == 0 && volumes.count == 3 {
                    let least = samples[..<plane].min() ?? 0, range = (samples[..<plane].max() ?? 1) - least
                    canvas.draw(grey: samples[..<plane].map { range > 0 ? ($0 - least) / range : 0 }, width: shape.width, x: x, y: y)
                    continue
                }
                samples.withUnsafeMutableBufferPointer { samples in
                    if volume.shape.channels == classes.count {
                        canvas.draw(
                            classes: LabelClasses.mostProbable(samples, classes: classes.count), of: classes, width: shape.width, x: x, y: y
                        )
                    } else if classes.replaceValues(in: samples) == nil {
                        canvas.draw(classes: samples, of: classes, width: shape.width, x: x, y: y)
                    }
                }
            }
        }
        return canvas
    }
}
