/// How much of a slice a sample shows. As text and in YAML: `full`, `256` (a square), or `192x256` (height × width).
public enum Crop: Equatable, Sendable, LosslessStringConvertible, Codable {
    /// The whole slice.
    case full
    /// A square of this many pixels a side.
    case square(Int)
    /// A rectangle in pixels.
    case size(height: Int, width: Int)

    /// The crop that `text` names, nil if it names none.
    public init?(_ text: String) {
        if text == "full" {
            self = .full
            return
        }
        let sides = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        guard sides.allSatisfy({ $0 > 0 }), (1...2).contains(sides.count) else { return nil }
        self = sides.count == 1 ? .square(sides[0]) : .size(height: sides[0], width: sides[1])
    }

    /// The text from which `init(_:)` makes this crop.
    public var description: String {
        switch self {
        case .full: "full"
        case .square(let side): "\(side)"
        case .size(let height, let width): "\(height)x\(width)"
        }
    }

    /// Decodes the text, or a number for a square.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try (try? container.decode(Int.self)).map(String.init) ?? container.decode(String.self)
        guard let crop = Crop(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\"\(text)\" is no crop: give full, a side such as 256, or height x width such as 192x256")
        }
        self = crop
    }

    /// Encodes a square as a number, other crops as text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if case .square(let side) = self { try container.encode(side) } else { try container.encode(description) }
    }

    /// Height and width of the crop of a slice of the given size.
    public func size(height: Int, width: Int) -> (height: Int, width: Int) {
        switch self {
        case .full: (height, width)
        case .square(let side): (side, side)
        case .size(let h, let w): (h, w)
        }
    }
}
