/// One part of a cross-validation: the slices in n parts, of which the k-th is validated on and the others are trained on.
///
/// Parts are runs of neighbouring slices, as even as possible: neighbours resemble each other, and a slice between two that were trained on
/// would be scored too well.
public struct Fold: Codable, Equatable, Sendable, CustomStringConvertible {
    /// k, counted from 1.
    public let index: Int
    /// n, at least 2.
    public let count: Int

    /// The fold that a text such as `2/5` names; `nil` if it names none.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 2, let index = parts[0], let count = parts[1], count >= 2, (1...count).contains(index) else { return nil }
        (self.index, self.count) = (index, count)
    }

    /// `2/5`
    public var description: String { "\(index)/\(count)" }

    /// The slices to validate on, of `slices` in all; the folds together hold each once.
    package func validation(of slices: Int) -> Range<Int> { slices * (index - 1) / count..<slices * index / count }
}
