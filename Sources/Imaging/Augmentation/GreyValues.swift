import CounterRandom
import Foundation

/// x to a power, from a table that is linear in between: the greatest deviation is near 0, where a power below 1 is steep.
struct GammaTable {
    private static let intervals = 4096
    private let values: [Float]

    init(exponent: Double) {
        values = (0...Self.intervals + 1).map { Float(pow(Double(min($0, Self.intervals)) / Double(Self.intervals), exponent)) }
    }

    /// The power of `x`, which is cut to 0 … 1.
    @inline(__always)
    func callAsFunction(_ x: Float) -> Float {
        let place = min(max(x, 0), 1) * Float(Self.intervals), index = Int32(place)
        return values.withUnsafeBufferPointer { values in
            let low = values[Int(index)]
            return low + (place - Float(index)) * (values[Int(index) + 1] - low)
        }
    }
}

/// Blur by a Gaussian, cut off at four standard deviations, with reflection at the edges: `scipy.ndimage.gaussian_filter`'s defaults.
struct GaussianBlur {
    /// The weights of the middle, its neighbours, and so on.
    private let weights: [Float]

    /// `sigma` is positive, in pixels.
    init(sigma: Double) {
        let radius = Int(4 * sigma + 0.5)
        let weights = (0...radius).map { exp(-0.5 * Double($0 * $0) / (sigma * sigma)) }
        let sum = 2 * weights.reduce(0, +) - weights[0]
        self.weights = weights.map { Float($0 / sum) }
    }

    func apply(to plane: UnsafeMutableBufferPointer<Float>, height: Int, width: Int) {
        let image = plane.baseAddress!, radius = weights.count - 1
        // Down the columns: a row is a weighted sum of whole rows, of which a copy is kept.
        let copy = UnsafeMutablePointer<Float>.allocate(capacity: height * width)
        let line = UnsafeMutablePointer<Float>.allocate(capacity: width + 2 * radius)
        defer {
            copy.deallocate()
            line.deallocate()
        }
        copy.update(from: image, count: height * width)
        for row in 0..<height {
            let output = image + row * width, middle = copy + row * width
            for column in 0..<width { output[column] = weights[0] * middle[column] }
            for distance in 1..<max(1, weights.count) {
                let above = copy + Self.reflected(row - distance, height) * width
                let below = copy + Self.reflected(row + distance, height) * width
                let weight = weights[distance]
                for column in 0..<width { output[column] += weight * (above[column] + below[column]) }
            }
        }
        // Along the rows, each with reflected ends.
        for row in 0..<height {
            let output = image + row * width
            for k in 0..<width + 2 * radius { line[k] = output[Self.reflected(k - radius, width)] }
            for column in 0..<width { output[column] = weights[0] * line[column + radius] }
            for distance in 1..<max(1, weights.count) {
                let left = line + radius - distance, right = line + radius + distance, weight = weights[distance]
                for column in 0..<width { output[column] += weight * (left[column] + right[column]) }
            }
        }
    }

    /// d c b a | a b c d | d c b a
    private static func reflected(_ index: Int, _ count: Int) -> Int {
        if index >= 0 && index < count { return index }
        let place = ((index % (2 * count)) + 2 * count) % (2 * count)
        return place < count ? place : 2 * count - 1 - place
    }
}

/// Normally distributed noise: each value takes 16 bits of its own from the stream and looks its number up among 65,536 equally likely ones.
enum GaussianNoise {
    /// Adds noise to every value.
    static func add(to values: UnsafeMutableBufferPointer<Float>, deviation: Float, stream: RandomStream) {
        var counter = stream.base
        quantiles.withUnsafeBufferPointer { quantiles in
            for block in 0..<(values.count + 7) / 8 {
                counter.x = UInt32(truncatingIfNeeded: block)
                let bits = Philox.block(counter, key: stream.key), first = 8 * block
                for k in 0..<min(8, values.count - first) {
                    let half = bits[k >> 1] >> UInt32(16 * (k & 1)) & 0xFFFF
                    values[first + k] += deviation * quantiles[Int(half)]
                }
            }
        }
    }

    /// The middles of 65,536 equally likely parts of the standard normal distribution.
    static let quantiles: [Float] = {
        var upper: [Float] = []
        var z = 0.0
        for k in 0..<32_768 {
            // Newton's method for the z above which the share ½ − (k + ½)/65536 lies, from the z before.
            let share = 0.5 - (Double(k) + 0.5) / 65_536
            for _ in 0..<40 {
                let step = (0.5 * erfc(z / 2.0.squareRoot()) - share) * (2 * Double.pi).squareRoot() * exp(0.5 * z * z)
                z += step
                if abs(step) < 1e-12 { break }
            }
            upper.append(Float(z))
        }
        return upper.reversed().map { -$0 } + upper
    }()
}
