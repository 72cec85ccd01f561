import Foundation

/// The glyphs that pictures are lettered with: DejaVu Sans, large and in two colours, made smaller when they are drawn, which smooths them.
enum CanvasFont {
    /// One character.
    struct Glyph {
        /// To the next character; all lengths are in pixels of an em of `em`.
        let advance: Int
        /// Of the left upper corner, from the pen on the baseline; y points down.
        let left, top: Int
        let width, height: Int
        /// Row after row, the first pixel in the highest bit.
        let bits: ArraySlice<UInt8>

        /// Whether a pixel is black.
        func isSet(_ x: Int, _ y: Int) -> Bool {
            let place = y * width + x
            return bits[bits.startIndex + place / 8] >> UInt8(7 - place % 8) & 1 == 1
        }

        /// How much of the box of `side` pixels from (`x`, `y`) on is black, 0 … 1.
        func coverage(x: Double, y: Double, side: Double) -> Double {
            var sum = 0.0
            for row in max(0, Int(y.rounded(.down)))..<max(0, min(height, Int((y + side).rounded(.up)))) {
                let tall = min(Double(row + 1), y + side) - max(Double(row), y)
                for column in max(0, Int(x.rounded(.down)))..<max(0, min(width, Int((x + side).rounded(.up)))) where isSet(column, row) {
                    sum += tall * (min(Double(column + 1), x + side) - max(Double(column), x))
                }
            }
            return sum / (side * side)
        }
    }

    /// The glyph of a character; that of `?` for those that the font lacks.
    static func glyph(_ character: Character) -> Glyph { table[character] ?? table["?"]! }

    private static let table: [Character: Glyph] = {
        guard let data = Data(base64Encoded: glyphs) else { preconditionFailure("CanvasFont: the glyphs are no base64") }
        let bytes = [UInt8](data)
        var table: [Character: Glyph] = [:], place = 0
        for character in characters {
            let header = bytes[place..<place + 5].map { Int(Int8(bitPattern: $0)) }
            let count = (header[3] * header[4] + 7) / 8
            table[character] = Glyph(
                advance: header[0], left: header[1], top: header[2], width: header[3], height: header[4],
                bits: bytes[place + 5..<place + 5 + count])
            place += 5 + count
        }
        precondition(place == bytes.count, "CanvasFont: \(bytes.count) bytes of glyphs, \(place) used")
        return table
    }()
}
