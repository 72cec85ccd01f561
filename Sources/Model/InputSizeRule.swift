/// Which heights and widths of images an architecture takes, and how much of them its output shows: what those need to know who cut
/// images into tiles or continue them at their borders. Each side has a length of `remainder` + k · `multiple` pixels; the output is the
/// input without `margin` pixels on each side.
public struct InputSizeRule: Equatable, Sendable {
    /// Distance from one possible length to the next.
    public let multiple: Int
    /// What is left when a possible length is divided by `multiple`.
    public let remainder: Int
    /// Pixels at each side of the input that the output lacks.
    public let margin: Int

    /// A rule for lengths that leave `remainder` when divided by `multiple`.
    public init(multiple: Int, remainder: Int = 0, margin: Int = 0) {
        precondition(multiple > 0 && (0..<multiple).contains(remainder) && margin >= 0, "InputSizeRule: \(remainder) + k · \(multiple)")
        (self.multiple, self.remainder, self.margin) = (multiple, remainder, margin)
    }

    /// The smallest length of all.
    public var smallest: Int { atLeast(2 * margin + 1) }

    /// Whether the input may have this length.
    public func fits(_ length: Int) -> Bool { length > 2 * margin && length % multiple == remainder }

    /// The smallest possible length that is not below `length`.
    public func atLeast(_ length: Int) -> Int {
        let least = max(length, 2 * margin + 1)
        return least + ((remainder - least) % multiple + multiple) % multiple
    }

    /// The largest possible length that is not above `length`; nil if even the smallest is.
    public func atMost(_ length: Int) -> Int? {
        let most = length - ((length - remainder) % multiple + multiple) % multiple
        return most >= smallest ? most : nil
    }

    /// The smallest input whose output shows `length` pixels or more.
    public func input(showing length: Int) -> Int { atLeast(length + 2 * margin) }

    /// The length of the output for an input of `length`.
    public func output(of length: Int) -> Int { length - 2 * margin }
}
