import CounterRandom

/// Random functions of the plane and of depth, smooth on a given scale, with mean 0 and standard deviation about 1.
///
/// Uniform random numbers sit on a lattice; in the plane they are smoothed by cubic B-splines, between lattice planes by a smooth step.
/// Only additions, multiplications and divisions are used, so that the bits are the same on every machine.
struct SmoothNoise {
    /// The stream of the lattice's numbers.
    let seed: UInt64, ordinal: Int
    /// Distance of the lattice points in pixels, and of its planes in pages.
    let wavelength: Double, depth: Double

    /// The function on the pixels of a plane at depth `z` (in pages).
    func plane(z: Double, height: Int, width: Int) -> [Float] {
        let (knot, fraction) = (z / depth).wholeAndFraction
        let weight = Float(fraction * fraction * (3 - 2 * fraction))
        // 1 / standard deviation: 1/√3 for the uniform number, 0.48 for each B-spline; the step lowers it by up to √2 between planes.
        let scale = Float(1 / (0.577 * 0.48 * 0.48 * 0.85))
        let rows = Int(Double(height) / wavelength) + 5, columns = Int(Double(width) / wavelength) + 5
        let near = lattice(knot, count: rows * columns), far = lattice(knot + 1, count: rows * columns)
        let values = zip(near, far).map { scale * ($0 + weight * ($1 - $0)) }

        let across = taps(width), down = taps(height)
        var stretched = [Float](repeating: 0, count: rows * width)
        for row in 0..<rows {
            for (column, tap) in across.enumerated() {
                stretched[row * width + column] = tap.sum(values, at: row * columns + tap.index, step: 1)
            }
        }
        var plane = [Float](repeating: 0, count: height * width)
        for (row, tap) in down.enumerated() {
            for column in 0..<width { plane[row * width + column] = tap.sum(stretched, at: tap.index * width + column, step: width) }
        }
        return plane
    }

    /// Uniform in −1 ..< 1.
    private func lattice(_ knot: Int, count: Int) -> [Float] {
        var random = RandomStream(seed: seed, purpose: .synthesis, ordinal: ordinal, position: UInt64(bitPattern: Int64(knot)))
        return (0..<count).map { _ in 2 * random.nextUnit() - 1 }
    }

    /// Four neighbouring lattice points and their B-spline weights.
    private struct Tap {
        let index: Int
        let weights: SIMD4<Float>

        @inline(__always)
        func sum(_ values: [Float], at start: Int, step: Int) -> Float {
            weights[0] * values[start] + weights[1] * values[start + step] + weights[2] * values[start + 2 * step]
                + weights[3] * values[start + 3 * step]
        }
    }

    private func taps(_ count: Int) -> [Tap] {
        (0..<count).map { pixel in
            let (index, t) = (Double(pixel) / wavelength).wholeAndFraction
            let s = 1 - t
            let weights = SIMD4(s * s * s, 4 - 6 * t * t + 3 * t * t * t, 4 - 6 * s * s + 3 * s * s * s, t * t * t) / 6
            return Tap(index: index, weights: SIMD4<Float>(weights))
        }
    }
}

extension Double {
    /// The whole number at or below this one, and what is left, 0 ..< 1.
    var wholeAndFraction: (whole: Int, fraction: Double) {
        let whole = rounded(.down)
        return (Int(whole), self - whole)
    }
}
