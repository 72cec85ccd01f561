/// What a random number decides. Streams with different purposes never share a number.
public enum RandomPurpose: UInt32, Sendable {
    /// Initial values of parameters.
    case initialization = 1
    /// Which elements dropout removes.
    case dropout = 2
    /// The order of the slices in an epoch.
    case permutation = 3
    /// Geometry and intensity of an augmented sample.
    case augmentation = 4
    /// The synthetic sample volume.
    case synthesis = 5
}

/// The random numbers of one decision: a pure function of (seed, purpose, ordinal, position, element).
///
/// - `ordinal` tells apart the things that share a purpose: a layer's number, an augmentation's number (below 2²⁴).
/// - `position` is the sample's place in the global stream, or the epoch.
/// - The element is the index of the 32-bit number, either given (`bits(at:)`) or counted by the `next…` functions.
///
/// The counter is laid out as (element / 4, position's low word, position's high word, purpose ≪ 24 | ordinal), the key is the seed.
public struct RandomStream: Sendable, Equatable {
    /// The Philox key: the seed's low and high words.
    public let key: SIMD2<UInt32>
    /// The counter of the stream's first four numbers; element block `e` adds `e` to `x`.
    public let base: SIMD4<UInt32>
    private var element = 0
    private var current = SIMD4<UInt32>()

    /// The stream of one decision.
    public init(seed: UInt64, purpose: RandomPurpose, ordinal: Int = 0, position: UInt64 = 0) {
        precondition(ordinal >= 0 && ordinal < 1 << 24, "RandomStream: ordinal \(ordinal) is not in 0..<2^24")
        key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        base = SIMD4(
            0, UInt32(truncatingIfNeeded: position), UInt32(truncatingIfNeeded: position >> 32),
            purpose.rawValue << 24 | UInt32(ordinal))
    }

    /// The 32-bit number at `element` (0 ..< 2³⁴).
    public func bits(at element: Int) -> UInt32 {
        var counter = base
        counter.x = UInt32(element >> 2)
        return Philox.block(counter, key: key)[element & 3]
    }

    /// The next 32 bits.
    public mutating func nextBits() -> UInt32 {
        let lane = element & 3
        if lane == 0 {
            var counter = base
            counter.x = UInt32(element >> 2)
            current = Philox.block(counter, key: key)
        }
        element += 1
        return current[lane]
    }

    /// Uniform in [0, 1), a multiple of 2⁻²⁴.
    public mutating func nextUnit() -> Float { Float(nextBits() >> 8) * 0x1p-24 }

    /// Uniform in `range`.
    public mutating func nextUniform(in range: ClosedRange<Float>) -> Float {
        range.lowerBound + (range.upperBound - range.lowerBound) * nextUnit()
    }

    /// Uniform in 0 ..< `bound`, without bias worth mention (multiply and shift on 32 bits; `bound` below 2³¹).
    public mutating func nextInteger(below bound: Int) -> Int {
        precondition(bound > 0 && bound < 1 << 31, "RandomStream: bound \(bound) is not in 1..<2^31")
        return Int((UInt64(nextBits()) &* UInt64(bound)) >> 32)
    }

    /// Two independent standard normal numbers, by Box and Muller from two uniform ones.
    public mutating func nextNormalPair() -> (Float, Float) {
        let u = (Double(nextBits()) + 1) * 0x1p-32  // (0, 1]
        let angle = 2 * Double.pi * Double(nextBits()) * 0x1p-32
        let radius = (-2 * u.naturalLogarithm).squareRoot()
        return (Float(radius * angle.cosine), Float(radius * angle.sine))
    }

    /// Standard normal: the first of a pair.
    public mutating func nextNormal() -> Float { nextNormalPair().0 }
}
