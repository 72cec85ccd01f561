/// A small colour picture to draw on: rectangles, smooth lines, text, grey and colour images. What lies outside is cut off.
package struct Canvas {
    /// Size in pixels.
    package let width, height: Int
    /// Red, green, blue for each pixel, rows from the top.
    package private(set) var pixels: [UInt8]

    /// Red, green and blue, 0 … 255.
    package struct Color: Sendable, Equatable {
        package let red, green, blue: UInt8
        package init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) { (self.red, self.green, self.blue) = (red, green, blue) }
        /// The colour of 24 bits, as in 0xFF8000.
        package init(_ bits: UInt32) { self.init(UInt8(bits >> 16 & 0xFF), UInt8(bits >> 8 & 0xFF), UInt8(bits & 0xFF)) }
        package static let black = Color(0, 0, 0), white = Color(255, 255, 255), grey = Color(200, 200, 200)
    }

    /// A white picture.
    package init(width: Int, height: Int) {
        (self.width, self.height) = (width, height)
        pixels = [UInt8](repeating: 255, count: 3 * width * height)
    }

    /// Colours one pixel.
    package mutating func set(_ x: Int, _ y: Int, _ color: Color) {
        guard (0..<width).contains(x), (0..<height).contains(y) else { return }
        let place = 3 * (y * width + x)
        (pixels[place], pixels[place + 1], pixels[place + 2]) = (color.red, color.green, color.blue)
    }

    /// Fills a rectangle.
    package mutating func fill(x: Range<Int>, y: Range<Int>, _ color: Color) {
        for row in y { for column in x { set(column, row, color) } }
    }

    /// Colours a part of one pixel: `coverage` is 0 for nothing … 1 for all of it.
    package mutating func blend(_ x: Int, _ y: Int, _ color: Color, coverage: Double) {
        guard coverage > 0, (0..<width).contains(x), (0..<height).contains(y) else { return }
        let place = 3 * (y * width + x), share = min(coverage, 1)
        for (k, value) in [color.red, color.green, color.blue].enumerated() {
            let old = Double(pixels[place + k])
            pixels[place + k] = UInt8((old + share * (Double(value) - old)).rounded())
        }
    }

    /// Draws a straight line with round ends and smooth edges, `thickness` pixels wide. (0, 0) is the corner of the first pixel.
    package mutating func line(from a: (x: Double, y: Double), to b: (x: Double, y: Double), thickness: Double = 2, _ color: Color) {
        polyline([a, b], thickness: thickness, color)
    }

    /// Draws lines from each point to the next, each pixel once however many lines meet in it.
    package mutating func polyline(_ points: [(x: Double, y: Double)], thickness: Double = 2, _ color: Color) {
        let reach = thickness / 2 + 0.5
        var coverage: [Int: Double] = [:]
        for (a, b) in zip(points, points.dropFirst()) {
            let (dx, dy) = (b.x - a.x, b.y - a.y), length = dx * dx + dy * dy
            let columns = clamped(min(a.x, b.x) - reach, max(a.x, b.x) + reach, width)
            for y in clamped(min(a.y, b.y) - reach, max(a.y, b.y) + reach, height) {
                // Of a long line only the columns that it may reach in this row.
                var columns = columns
                if abs(dy) > 1e-9, abs(dx) > 1e-9 {
                    let x0 = a.x + (Double(y) - reach - a.y) / dy * dx, x1 = a.x + (Double(y) + 1 + reach - a.y) / dy * dx
                    columns = columns.clamped(to: clamped(min(x0, x1) - 2 * reach, max(x0, x1) + 2 * reach, width))
                }
                for x in columns {
                    let (px, py) = (Double(x) + 0.5 - a.x, Double(y) + 0.5 - a.y)
                    let t = length > 0 ? min(max((px * dx + py * dy) / length, 0), 1) : 0
                    let distance = ((px - t * dx) * (px - t * dx) + (py - t * dy) * (py - t * dy)).squareRoot()
                    let share = min(max(reach - distance, 0), 1)
                    if share > 0 { coverage[y * width + x] = max(coverage[y * width + x] ?? 0, share) }
                }
            }
        }
        for (place, share) in coverage { blend(place % width, place / width, color, coverage: share) }
    }

    /// The pixels between two places, of `count`.
    private func clamped(_ lower: Double, _ upper: Double, _ count: Int) -> Range<Int> {
        let first = min(max(lower.rounded(.down), 0), Double(count)), last = min(max(upper.rounded(.up), 0), Double(count))
        return Int(first)..<max(Int(first), Int(last))
    }

    /// Places a grey image (0 black … 1 white), its first pixel at (`x`, `y`).
    package mutating func draw(grey: some Collection<Float>, width: Int, x: Int, y: Int) {
        for (k, value) in grey.enumerated() {
            let level = UInt8((min(max(value, 0), 1) * 255).rounded())
            set(x + k % width, y + k / width, Color(level, level, level))
        }
    }

    /// Places a colour image of red, green, blue triples, or a grey one, of 0 … 255, its first pixel at (`x`, `y`), enlarged or reduced to
    /// `size` pixels by taking the nearest one, or where it becomes smaller the mean of those that one covers.
    package mutating func draw(
        _ image: [UInt8], channels: Int, width: Int, height: Int, x: Int, y: Int, size: (width: Int, height: Int)
    ) {
        for row in 0..<size.height {
            let rows = row * height / size.height..<max((row + 1) * height / size.height, row * height / size.height + 1)
            for column in 0..<size.width {
                let columns = column * width / size.width..<max((column + 1) * width / size.width, column * width / size.width + 1)
                var sums = [0, 0, 0]
                for v in rows {
                    for u in columns { for c in 0..<3 { sums[c] += Int(image[(v * width + u) * channels + min(c, channels - 1)]) } }
                }
                let count = rows.count * columns.count, mean = sums.map { UInt8(($0 + count / 2) / count) }
                set(x + column, y + row, Color(mean[0], mean[1], mean[2]))
            }
        }
    }

    /// Places class indices in their colours, what is ignored in grey, the first pixel at (`x`, `y`).
    package mutating func draw(classes indices: some Collection<Float>, of classes: LabelClasses, width: Int, x: Int, y: Int) {
        let colors = classes.classes.map(\.rgb)
        for (k, index) in indices.enumerated() { set(x + k % width, y + k / width, index < 0 ? .grey : colors[Int(index)]) }
    }

    /// Which part of a text stands at the place that is given for it.
    package enum Anchor: Sendable { case start, middle, end }

    /// How long a text is, in pixels, where an em has `size`.
    package static func width(of text: String, size: Double) -> Double {
        Double(text.map { CanvasFont.glyph($0).advance }.reduce(0, +)) * size / Double(CanvasFont.em)
    }

    /// Writes text on the baseline `y`, `size` pixels an em; characters that the font lacks are question marks. With `isUpright` false it
    /// runs from below to above, and `x` is the baseline.
    package mutating func text(
        _ text: String, x: Double, y: Double, size: Double, anchor: Anchor = .start, isUpright: Bool = true, _ color: Color = .black
    ) {
        let scale = Double(CanvasFont.em) / size, length = Self.width(of: text, size: size)
        var pen = anchor == .start ? 0 : anchor == .middle ? -length / 2 : -length
        for glyph in text.map(CanvasFont.glyph) {
            let left = pen + Double(glyph.left) / scale, top = Double(glyph.top) / scale
            let right = left + Double(glyph.width) / scale, bottom = top + Double(glyph.height) / scale
            // Along the text and down from its baseline, in whole pixels of the picture.
            let origin = isUpright ? (x: x.rounded(), y: y.rounded()) : (x: y.rounded(), y: x.rounded())
            let start = (isUpright ? origin.x : -origin.x)
            for v in Int(top.rounded(.down))..<max(Int(top.rounded(.down)), Int(bottom.rounded(.up))) {
                for u in Int((start + left).rounded(.down))..<max(Int((start + left).rounded(.down)), Int((start + right).rounded(.up))) {
                    let share = glyph.coverage(x: (Double(u) - start - left) * scale, y: (Double(v) - top) * scale, side: scale)
                    if isUpright {
                        blend(u, Int(origin.y) + v, color, coverage: share)
                    } else {
                        blend(Int(origin.y) + v, -u - 1, color, coverage: share)
                    }
                }
            }
            pen += Double(glyph.advance) / scale
        }
    }

    /// The picture as a PNG file's bytes.
    package var png: [UInt8] { PNG.encode(pixels, width: width, height: height, channels: 3) }

    /// Writes the picture as a PNG file.
    ///
    /// - Throws: `ImagingError` if the file cannot be written.
    package func write(to path: String) throws { try PNG.write(rgb: pixels, width: width, height: height, to: path) }
}
