/// In what pieces a network looks at an image. As text: `auto`, `none`, `256` (a square), or `192x256` (height × width).
public enum TileSize: Equatable, Sendable, LosslessStringConvertible {
    /// The whole image if it is small, tiles otherwise.
    case automatic
    /// The whole image, whatever memory that takes.
    case none
    /// Tiles of this size in pixels.
    case size(height: Int, width: Int)

    /// The size that `text` names, nil if it names none.
    public init?(_ text: String) {
        switch (text, Crop(text)) {
        case ("auto", _): self = .automatic
        case ("none", _): self = .none
        case (_, .square(let side)): self = .size(height: side, width: side)
        case (_, .size(let height, let width)): self = .size(height: height, width: width)
        default: return nil
        }
    }

    /// The text from which `init(_:)` makes this size.
    public var description: String {
        switch self {
        case .automatic: "auto"
        case .none: "none"
        case .size(let height, let width): height == width ? "\(height)" : "\(height)x\(width)"
        }
    }

    /// Images of up to this many pixels are small.
    package static let smallImage = 1 << 20
    /// The side of the tiles of others, in pixels.
    package static let side = 768

    /// Rows and columns of a tile for images of a size, before they are rounded up to what a network needs.
    package func size(height: Int, width: Int) -> (height: Int, width: Int) {
        switch self {
        case .size(let tileHeight, let tileWidth): (min(tileHeight, height), min(tileWidth, width))
        case .automatic where height * width > Self.smallImage: (min(Self.side, height), min(Self.side, width))
        case .automatic, .none: (height, width)
        }
    }
}
