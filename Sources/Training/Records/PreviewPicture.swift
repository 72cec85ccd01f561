import Imaging

/// A picture of a slice, of its labels, or of a prediction, small enough to look at: grey or in colours, 8 bits a sample.
package struct PreviewPicture: Equatable {
    package let width, height: Int
    /// 1 for grey, 3 for red, green and blue.
    package let channels: Int
    /// Rows from the top.
    package let pixels: [UInt8]
    /// Pixels of the longer side, at most: larger slices are shown smaller by a whole number.
    package static let side = 512

    package init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
        precondition(pixels.count == width * height * channels, "PreviewPicture: \(pixels.count) samples of \(width)×\(height)×\(channels)")
        (self.width, self.height, self.channels, self.pixels) = (width, height, channels, pixels)
    }

    /// The picture as a PNG file's bytes.
    package var png: [UInt8] { PNG.encode(pixels, width: width, height: height, channels: channels) }

    /// The picture in a PNG file.
    ///
    /// - Throws: `ImagingError` if it cannot be read.
    package init(path: String) throws {
        let volume = try VolumeReader(path), shape = volume.shape, plane = shape.height * shape.width
        var samples = [Float](repeating: 0, count: shape.pageCount)
        try samples.withUnsafeMutableBufferPointer { try volume.readPage(0, into: $0) }
        guard [1, 3].contains(shape.channels), volume.pixelType == .uint8 else {
            throw ImagingError(.invalid, path, "is no preview of 8 bits, grey or in colours; delete it")
        }
        let channels = shape.channels
        self.init(
            width: shape.width, height: shape.height, channels: channels,
            pixels: (0..<plane * channels).map { UInt8(samples[$0 % channels * plane + $0 / channels]) })
    }

    /// How a slice is made smaller.
    private struct Reduction {
        let rows, columns, height, width, stride: Int

        init(height: Int, width: Int) {
            let factor = max(1, (max(height, width) + PreviewPicture.side - 1) / PreviewPicture.side)
            // Of a slice that is a mere strip something is left.
            (rows, columns) = (min(factor, height), min(factor, width))
            (self.height, self.width, stride) = (height / rows, width / columns, width)
        }

        private func origin(_ place: Int) -> Int { place / width * rows * stride + place % width * columns }

        /// Each pixel the mean of those that it covers.
        func means(_ plane: UnsafeBufferPointer<Float>) -> [Float] {
            (0..<height * width).map { place in
                let origin = origin(place)
                var sum: Float = 0
                for y in 0..<rows { for x in 0..<columns { sum += plane[origin + y * stride + x] } }
                return sum / Float(rows * columns)
            }
        }

        /// Each pixel one of those that it covers: there is nothing between two classes.
        func picked(_ plane: UnsafeBufferPointer<Float>) -> [Float] { (0..<height * width).map { plane[origin($0)] } }
    }

    /// An image, channel after channel, stretched from its least to its greatest value; three channels are colours, of others the first is
    /// shown.
    package init(image: UnsafeBufferPointer<Float>, channels: Int, height: Int, width: Int) {
        let reduction = Reduction(height: height, width: width), plane = height * width, shown = channels == 3 ? 3 : 1
        let planes = (0..<shown).map { reduction.means(UnsafeBufferPointer(rebasing: image[$0 * plane..<($0 + 1) * plane])) }
        let least = planes.joined().min() ?? 0, greatest = planes.joined().max() ?? 1
        let scale = greatest > least ? 255 / (greatest - least) : 0
        // Sums and differences of very large values are infinite.
        func byte(_ value: Float) -> UInt8 { UInt8(max(0, min(value.isFinite ? value.rounded() : 0, 255))) }
        self.init(
            width: reduction.width, height: reduction.height, channels: shown,
            pixels: (0..<planes[0].count * shown).map { byte((planes[$0 % shown][$0 / shown] - least) * scale) })
    }

    /// Labels: foreground white, or the classes in their colours and what is ignored in grey.
    package init(labels: UnsafeBufferPointer<Float>, classes: LabelClasses?, height: Int, width: Int) {
        let reduction = Reduction(height: height, width: width)
        self.init(
            bytes: classes == nil
                ? reduction.means(labels).map(Self.byte) : reduction.picked(labels).map { $0 < 0 ? nil : UInt8($0) }, classes: classes,
            height: reduction.height, width: reduction.width)
    }

    /// Of a prediction, what a picture of it needs, to be sent to the rank that makes it: a byte a pixel, the probability of the foreground
    /// in 1/255 or the index of the most probable class.
    package static func bytes(
        probabilities: UnsafeBufferPointer<Float>, classes: LabelClasses?, height: Int, width: Int
    ) -> [UInt8] {
        let reduction = Reduction(height: height, width: width), plane = height * width
        guard let classes else { return reduction.means(probabilities).map(byte) }
        let planes = (0..<classes.count).map {
            reduction.picked(UnsafeBufferPointer(rebasing: probabilities[$0 * plane..<($0 + 1) * plane]))
        }
        return (0..<reduction.height * reduction.width).map { pixel in
            UInt8(planes.indices.dropFirst().reduce(0) { planes[$1][pixel] > planes[$0][pixel] ? $1 : $0 })
        }
    }

    /// A prediction from such bytes, of a slice of this size.
    package init(prediction bytes: [UInt8], classes: LabelClasses?, height: Int, width: Int) {
        let reduction = Reduction(height: height, width: width)
        self.init(bytes: bytes, classes: classes, height: reduction.height, width: reduction.width)
    }

    private init(bytes: [UInt8?], classes: LabelClasses?, height: Int, width: Int) {
        guard let classes else {
            self.init(width: width, height: height, channels: 1, pixels: bytes.map { $0! })
            return
        }
        let colors = classes.classes.map(\.rgb)
        self.init(
            width: width, height: height, channels: 3,
            pixels: bytes.flatMap { index in
                let color = index.map { colors[Int($0)] } ?? Self.ignored
                return [color.red, color.green, color.blue]
            })
    }

    /// What is not a number is shown black.
    private static func byte(_ value: Float) -> UInt8 { UInt8((max(0, min(value.isNaN ? 0 : value, 1)) * 255).rounded()) }

    private static let ignored = Canvas.Color.grey

    /// Foreground that was not found, or with several classes whatever is wrong; and background that was taken for foreground. Colours of Okabe
    /// and Ito.
    package static let falseNegative = Canvas.Color(0xD55E00), falsePositive = Canvas.Color(0x56B4E9)

    /// The image in grey, with the pixels in colour at which prediction and truth differ.
    package static func differences(image: PreviewPicture, truth: PreviewPicture, prediction: PreviewPicture) -> PreviewPicture? {
        guard (image.width, image.height) == (truth.width, truth.height),
            (truth.width, truth.height, truth.channels) == (prediction.width, prediction.height, prediction.channels)
        else { return nil }
        var pixels: [UInt8] = []
        pixels.reserveCapacity(3 * image.width * image.height)
        for place in 0..<image.width * image.height {
            let color: Canvas.Color?
            if truth.channels == 1 {
                let (t, p) = (truth.pixels[place] > 127, prediction.pixels[place] > 127)
                color = t == p ? nil : t ? falseNegative : falsePositive
            } else {
                let range = 3 * place..<3 * place + 3, label = truth.pixels[range]
                color = label.elementsEqual(prediction.pixels[range]) || label.allSatisfy({ $0 == ignored.red }) ? nil : falseNegative
            }
            if let color {
                pixels += [color.red, color.green, color.blue]
            } else {
                for channel in 0..<3 { pixels.append(image.pixels[place * image.channels + min(channel, image.channels - 1)]) }
            }
        }
        return PreviewPicture(width: image.width, height: image.height, channels: 3, pixels: pixels)
    }
}
