/// Count, mean and spread of the samples of one channel, gathered row by row in a fixed order, so that the same samples give the same bits
/// however they are read.
public struct PixelMoments: Equatable, Sendable {
    /// How many samples.
    public private(set) var count = 0.0
    /// Their mean.
    public private(set) var mean = 0.0
    /// The sum of the squares of their distances from the mean.
    public private(set) var squares = 0.0

    /// Of no samples.
    public init() {}

    /// From what was told of some by `count`, `mean` and `squares`.
    package init(count: Double, mean: Double, squares: Double) { (self.count, self.mean, self.squares) = (count, mean, squares) }

    /// The standard deviation (of the samples as all there are); 0 if they are all the same.
    public var deviation: Double { count > 0 ? (squares / count).squareRoot() : 0 }

    /// Adds samples (Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances, 1979, eq. 1.5).
    package mutating func add(_ other: PixelMoments) {
        guard other.count > 0 else { return }
        let total = count + other.count, distance = other.mean - mean
        mean += distance * (other.count / total)
        squares += other.squares + distance * distance * (count * other.count / total)
        count = total
    }

    /// Of these samples.
    package init(of samples: UnsafeBufferPointer<Float>) { add(row: samples) }

    /// Adds one row.
    mutating func add(row: UnsafeBufferPointer<Float>) {
        var sum = 0.0
        for value in row { sum += Double(value) }
        let mean = sum / Double(row.count)
        var squares = 0.0
        for value in row { squares += (Double(value) - mean) * (Double(value) - mean) }
        add(PixelMoments(count: Double(row.count), mean: mean, squares: squares))
    }
}

extension VolumeReader {
    /// The moments of each channel of a page. Takes the memory of some rows.
    ///
    /// - Throws: `ImagingError` if it cannot be read, or holds values that are not finite numbers.
    public func moments(ofPage page: Int) throws -> [PixelMoments] {
        let step = max(1, (1 << 18) / (shape.channels * shape.width))
        var moments = [PixelMoments](repeating: PixelMoments(), count: shape.channels)
        var samples = [Float](repeating: 0, count: shape.channels * min(step, shape.height) * shape.width)
        for first in stride(from: 0, to: shape.height, by: step) {
            let rows = first..<min(first + step, shape.height)
            try samples.withUnsafeMutableBufferPointer {
                let part = UnsafeMutableBufferPointer(rebasing: $0[..<(shape.channels * rows.count * shape.width)])
                try readRows(rows, ofPage: page, into: part)
                PixelMoments.add(UnsafeBufferPointer(part), width: shape.width, to: &moments)
            }
        }
        guard moments.allSatisfy(\.squares.isFinite) else { throw failure(page, "holds values that are not finite numbers") }
        return moments
    }
}

extension PixelMoments {
    /// Adds rows of `width` samples, channel after channel, to the moments of each channel.
    static func add(_ samples: UnsafeBufferPointer<Float>, width: Int, to moments: inout [PixelMoments]) {
        let rows = samples.count / (moments.count * width)
        for channel in moments.indices {
            for row in channel * rows..<(channel + 1) * rows {
                moments[channel].add(row: UnsafeBufferPointer(rebasing: samples[row * width..<(row + 1) * width]))
            }
        }
    }
}
