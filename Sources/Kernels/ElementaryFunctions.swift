/// Elementary functions made of additions, multiplications and divisions alone: the C library's differ in their last bits from one CPU to
/// the next. Errors are a few units in the last place.
package enum ElementaryFunctions {
    /// base^exponent by squaring; the exponent is not negative.
    package static func power(_ base: Double, _ exponent: Int) -> Double {
        var result = 1.0, factor = base, rest = exponent
        while rest > 0 {
            if rest & 1 == 1 { result *= factor }
            factor *= factor
            rest >>= 1
        }
        return result
    }

    /// base^exponent for bases of at least 0 and exponents above 0.
    package static func power(_ base: Double, _ exponent: Double) -> Double {
        if base == 0 || base == 1 || exponent == 1 { return base }
        return exponential(exponent * logarithm(base))
    }

    /// cos πx for 0 ≤ x ≤ 1.
    package static func cosine(piTimes x: Double) -> Double {
        if x > 0.5 { return -cosine(piTimes: 1 - x) }
        // Taylor's series of the cosine up to π/4 and of the sine below: their arguments are below 0.8.
        let usesCosine = x <= 0.25, angle = Double.pi * (usesCosine ? x : 0.5 - x), square = angle * angle
        var sum = 0.0
        for n in stride(from: 10, to: 0, by: -1) {
            let k = Double(usesCosine ? 2 * n : 2 * n + 1)
            sum = -square / (k * (k - 1)) * (1 + sum)
        }
        return usesCosine ? 1 + sum : angle * (1 + sum)
    }

    /// ln x for normal x above 0: 2 artanh s with s = (m − 1) / (m + 1), m the significand between √½ and √2.
    package static func logarithm(_ x: Double) -> Double {
        var significand = x.significand, exponent = Double(x.exponent)
        if significand > 2.0.squareRoot() {
            significand /= 2
            exponent += 1
        }
        let s = (significand - 1) / (significand + 1), square = s * s
        var sum = 0.0
        for n in stride(from: 25, to: 1, by: -2) { sum = square * (1 / Double(n) + sum) }
        return exponent * ln2 + 2 * s * (1 + sum)
    }

    /// eˣ for x of at most 700; 0 where it would be denormal.
    package static func exponential(_ x: Double) -> Double {
        if x < -708 { return 0 }
        // ln 2 in two parts, the first of so few digits that its products are exact.
        let power = (x / ln2).rounded(), rest = (x - power * 0.693_147_180_369_123_816_490) - power * 1.908_214_929_270_587_700_02e-10
        var sum = 1.0
        for n in stride(from: 16, to: 0, by: -1) { sum = 1 + rest / Double(n) * sum }
        return Double(sign: .plus, exponent: Int(power), significand: sum)
    }

    private static let ln2 = 0.693_147_180_559_945_309_417
}
