/// A small colour picture to draw on: rectangles, lines, text of a 5 × 7 font, grey images. What lies outside is cut off.
package struct Canvas {
    /// Size in pixels.
    package let width, height: Int
    /// Red, green, blue for each pixel, rows from the top.
    package private(set) var pixels: [UInt8]

    /// Red, green and blue, 0 … 255.
    package struct Color: Sendable, Equatable {
        package let red, green, blue: UInt8
        package init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) { (self.red, self.green, self.blue) = (red, green, blue) }
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

    /// Draws a straight line two pixels wide.
    package mutating func line(from a: (x: Double, y: Double), to b: (x: Double, y: Double), _ color: Color) {
        let steps = max(1, Int(max(abs(b.x - a.x), abs(b.y - a.y)).rounded(.up)))
        for step in 0...steps {
            let t = Double(step) / Double(steps)
            let x = Int((a.x + t * (b.x - a.x)).rounded()), y = Int((a.y + t * (b.y - a.y)).rounded())
            fill(x: x..<x + 2, y: y..<y + 2, color)
        }
    }

    /// Places a grey image (0 black … 1 white), its first pixel at (`x`, `y`).
    package mutating func draw(grey: some Collection<Float>, width: Int, x: Int, y: Int) {
        for (k, value) in grey.enumerated() {
            let level = UInt8((min(max(value, 0), 1) * 255).rounded())
            set(x + k % width, y + k / width, Color(level, level, level))
        }
    }

    /// Places class indices in their colours, what is ignored in grey, the first pixel at (`x`, `y`).
    package mutating func draw(classes indices: some Collection<Float>, of classes: LabelClasses, width: Int, x: Int, y: Int) {
        let colors = classes.classes.map(\.rgb)
        for (k, index) in indices.enumerated() { set(x + k % width, y + k / width, index < 0 ? .grey : colors[Int(index)]) }
    }

    /// Pixels from a character to the next, and the height of one, at scale 1.
    package static let advance = 6, textHeight = 7

    /// Writes text, its upper left corner at (`x`, `y`). Characters that the font lacks are left out as blanks.
    package mutating func text(_ text: String, x: Int, y: Int, scale: Int = 2, _ color: Color = .black) {
        for (k, character) in text.enumerated() {
            guard let glyph = Self.font[character] else { continue }
            for column in 0..<5 {
                let bits = glyph >> UInt64(8 * (4 - column)) & 0xFF
                for row in 0..<8 where bits >> UInt64(row) & 1 == 1 {
                    let left = x + (k * Self.advance + column) * scale, top = y + row * scale
                    fill(x: left..<left + scale, y: top..<top + scale, color)
                }
            }
        }
    }

    /// Writes the picture as a PNG file.
    ///
    /// - Throws: `ImagingError` if the file cannot be written.
    package func write(to path: String) throws { try PNG.write(rgb: pixels, width: width, height: height, to: path) }

    /// Five columns of a byte each, the lowest bit at the top.
    private static let font: [Character: UInt64] = [
        "0": 0x3E5149453E, "1": 0x00427F4000, "2": 0x4261514946, "3": 0x2141454B31, "4": 0x1814127F10, "5": 0x2745454539,
        "6": 0x3C4A494930, "7": 0x0171090503, "8": 0x3649494936, "9": 0x064949291E, ".": 0x0060600000, "-": 0x0808080808,
        "%": 0x2313086462, ":": 0x0036360000, "/": 0x2010080402, "+": 0x08083E0808, ",": 0x0050300000, "=": 0x1414141414,
        "(": 0x001C224100, ")": 0x0041221C00,
        "A": 0x7E1111117E, "C": 0x3E41414122, "D": 0x7F4141221C, "E": 0x7F49494941, "I": 0x00417F4100, "P": 0x7F09090906,
        "R": 0x7F09192946, "U": 0x3F4040403F, "V": 0x1F2040201F,
        "a": 0x2054545478, "b": 0x7F48444438, "c": 0x3844444420, "d": 0x384444487F, "e": 0x3854545418, "f": 0x087E090102,
        "g": 0x0C5252523E, "h": 0x7F08040478, "i": 0x00447D4000, "j": 0x2040443D00, "k": 0x7F10284400, "l": 0x00417F4000,
        "m": 0x7C04180478, "n": 0x7C08040478, "o": 0x3844444438, "p": 0x7C14141408, "q": 0x081414187C, "r": 0x7C08040408,
        "s": 0x4854545420, "t": 0x043F444020, "u": 0x3C4040207C, "v": 0x1C2040201C, "w": 0x3C4030403C, "x": 0x4428102844,
        "y": 0x0C5050503C, "z": 0x4464544C44,
    ]
}
