import Imaging

/// Pairs side by side, image and label, three pairs a row; above each pair, where that is wanted, what it was made of.
struct ContactSheet {
    /// An image, one channel of it, and its label: the same number of pixels, rows from the top.
    struct Pair {
        var image: [Float]
        var label: [Float]
    }

    private let height, width, stride, reduction, pairs, rowsOfPair: Int
    private var canvas: Canvas
    private var added = 0
    private static let pairsInRow = 3, gap = 6

    /// A sheet for pictures of `height` × `width` pixels, each made smaller by a whole number until it is at most `side` pixels long.
    init(pairs: Int, height: Int, width: Int, side: Int, showsOriginals: Bool = false) {
        reduction = max(1, (max(height, width) + side - 1) / side)
        rowsOfPair = showsOriginals ? 2 : 1
        (self.height, self.width, stride, self.pairs) = (height / reduction, width / reduction, width, pairs)
        let columns = min(pairs, Self.pairsInRow), rows = (pairs + columns - 1) / columns
        canvas = Canvas(
            width: columns * (2 * self.width + 3 * Self.gap) + Self.gap,
            height: rows * (rowsOfPair * (self.height + Self.gap) + Self.gap) + Self.gap)
    }

    /// Adds a pair while there is room, and what it was made of. Black and white are the least and the greatest value of that, or of the
    /// pair itself where it stands alone.
    mutating func add(_ pair: Pair, of original: Pair? = nil, classes: LabelClasses?) {
        guard added < pairs else { return }
        let x = Self.gap + added % Self.pairsInRow * (2 * width + 3 * Self.gap)
        let y = Self.gap + added / Self.pairsInRow * (rowsOfPair * (height + Self.gap) + Self.gap)
        let range = original?.image ?? pair.image, least = range.min() ?? 0, greatest = range.max() ?? 1
        for (row, shown) in ([original, pair].compactMap { $0 }).enumerated() {
            draw(shown, x: x, y: y + row * (height + Self.gap), black: least, white: greatest, classes: classes)
        }
        added += 1
    }

    private mutating func draw(_ pair: Pair, x: Int, y: Int, black: Float, white: Float, classes: LabelClasses?) {
        let range = white - black
        canvas.draw(
            grey: reduced(pair.image).map { range > 0 ? min(max(($0 - black) / range, 0), 1) : 0 }, width: width, x: x, y: y)
        if let classes {
            // There is nothing between two classes: of each block the first pixel is shown.
            let picked = (0..<height * width).map { pair.label[$0 / width * reduction * stride + $0 % width * reduction] }
            canvas.draw(classes: picked, of: classes, width: width, x: x + width + Self.gap, y: y)
        } else {
            canvas.draw(grey: reduced(pair.label), width: width, x: x + width + Self.gap, y: y)
        }
    }

    func write(to path: String) throws { try canvas.write(to: path) }

    /// Means of `reduction` × `reduction` pixels.
    private func reduced(_ page: [Float]) -> [Float] {
        var result = [Float](repeating: 0, count: height * width)
        for y in 0..<height * reduction {
            for x in 0..<width * reduction { result[y / reduction * width + x / reduction] += page[y * stride + x] }
        }
        return result.map { $0 / Float(reduction * reduction) }
    }
}
