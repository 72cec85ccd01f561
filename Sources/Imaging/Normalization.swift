/// What is done to the raw values of images before a network sees them. It is stored with the network, so that the same is
/// done at prediction.
public enum Normalization: Codable, Equatable, Sendable {
    /// Every sample is divided by a number.
    case divide(by: Float)

    /// The rule for images of a type when nothing else is asked for: divide by its largest value, and leave floating-point
    /// numbers as they are.
    public static func standard(for type: PixelType) -> Normalization { .divide(by: type.maximum ?? 1) }

    /// Normalises samples in place.
    package func apply(to samples: UnsafeMutableBufferPointer<Float>) {
        switch self {
        case .divide(let divisor):
            guard divisor != 1 else { return }
            for i in samples.indices { samples[i] /= divisor }
        }
    }
}
