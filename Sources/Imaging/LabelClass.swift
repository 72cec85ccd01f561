/// One of the classes that labels tell apart.
public struct LabelClass: Codable, Hashable, Sendable {
    /// What a label volume holds where this class is.
    public let value: Int
    /// Its name in logs and scores.
    public let name: String
    /// Its colour in pictures, as in `#ff8000`.
    public let color: String

    /// A class; without a colour it takes that of its place among the classes.
    init(value: Int, name: String, color: String?, place: Int) {
        (self.value, self.name, self.color) = (value, name, color ?? Self.defaultColor(place))
    }

    /// Red, green and blue.
    package var rgb: Canvas.Color { Self.rgb(color)! }

    /// The colour that `#rrggbb` names.
    static func rgb(_ text: String) -> Canvas.Color? {
        guard text.hasPrefix("#"), text.count == 7, let bits = UInt32(text.dropFirst(), radix: 16), !text.contains("+") else { return nil }
        return Canvas.Color(UInt8(bits >> 16), UInt8(bits >> 8 & 0xFF), UInt8(bits & 0xFF))
    }

    /// Black, then the colours that people with any vision tell apart (Okabe and Ito, 2008), then others.
    private static func defaultColor(_ place: Int) -> String {
        let palette = ["#000000", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"]
        if place < palette.count { return palette[place] }
        // Bytes of a product by the golden ratio lie evenly, none of them dark.
        let bits = UInt32(truncatingIfNeeded: place) &* 0x9E37_79B1
        let text = [bits >> 24, bits >> 16 & 0xFF, bits >> 8 & 0xFF].map { String(($0 & 0x7F) + 0x80, radix: 16) }
        return "#" + text.joined()
    }
}
