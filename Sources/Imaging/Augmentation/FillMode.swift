/// What lies outside an image, shown for the pixels a b c d. The same as in `scipy.ndimage` and Keras.
public enum FillMode: String, Codable, Sendable, CaseIterable {
    /// d c b a | a b c d | d c b a: mirrored at the pixels' outer edges.
    case reflect
    /// a a a a | a b c d | d d d d.
    case nearest
    /// k k k k | a b c d | k k k k: a fixed value wherever the coordinate leaves 0 … count − 1, without blending.
    case constant
    /// Periodic with the period count − 1: the last pixel and the first coincide.
    case wrap

    /// The coordinate in 0 … `count` − 1 that shows what lies at `coordinate`; nil where the constant does.
    package func resolve(_ coordinate: Double, count: Int) -> Double? {
        let last = Double(count - 1)
        if coordinate >= 0 && coordinate <= last { return coordinate }
        switch self {
        case .constant:
            return nil
        case .nearest:
            return coordinate < 0 ? 0 : last
        case .wrap:
            return last == 0 ? 0 : min(last, coordinate - last * (coordinate / last).rounded(.down))
        case .reflect:
            // From the outer edge of the first pixel, the image and its mirror image repeat every 2 · count.
            let period = 2 * Double(count)
            var t = coordinate + 0.5
            t -= period * (t / period).rounded(.down)
            return min(max((t < Double(count) ? t : period - t) - 0.5, 0), last)
        }
    }
}
