import CounterRandom

/// What happens to the grey values of one sample after it was taken from its slice; the label knows nothing of it.
///
/// In this order: contrast, brightness and gamma; blur; dark bands and the shadow of a fold; a missing strip; noise.
/// Ranges are relative to the sample's own: with m its least value and r the distance to its greatest, x stands for (value − m) / r, 0 … 1.
public struct SampleAppearance: Sendable, Equatable {
    /// x is multiplied by this about ½.
    public var contrast: Double = 1
    /// Is added to x.
    public var brightness: Double = 0
    /// x is raised to this power.
    public var gamma: Double = 1
    /// Standard deviation of a Gaussian blur in pixels.
    public var blur: Double = 0
    /// A strip across the sample that is darker.
    public var band: Strip?
    /// The shadow of this fold.
    public var fold: Fold?
    /// A strip that shows nothing.
    public var missing: Strip?
    /// Standard deviation of the noise, as a share of r.
    public var noise: Double = 0
    /// Where the noise comes from; element by element.
    public var noiseStream = RandomStream(seed: 0, purpose: .augmentation)

    /// Part of a sample from edge to edge.
    public struct Strip: Sendable, Equatable {
        /// Whether the strip goes from left to right, not from top to bottom.
        public var isHorizontal: Bool
        /// The rows or columns of the sample that belong to it; may reach beyond the sample.
        public var range: Range<Int>
        /// Dark bands: how much darker, 0 … 1. Missing strips: what is shown instead, x = 0 … 1.
        public var strength: Double

        /// The strip of these rows or columns.
        public init(isHorizontal: Bool, range: Range<Int>, strength: Double) {
            (self.isHorizontal, self.range, self.strength) = (isHorizontal, range, strength)
        }
    }

    /// Nothing is changed.
    public init() {}

    /// Whether nothing is changed.
    public var isIdentity: Bool {
        contrast == 1 && brightness == 0 && gamma == 1 && blur == 0 && band == nil && fold == nil && missing == nil && noise == 0
    }

    /// Changes the values of a sample of `channels` × `height` × `width`. Channels have the same range and undergo the same; noise is drawn for each.
    public func apply(to image: UnsafeMutableBufferPointer<Float>, channels: Int, height: Int, width: Int) {
        precondition(
            image.count == channels * height * width, "SampleAppearance: \(image.count) values for \(channels) × \(height) × \(width)")
        if isIdentity { return }
        var least = Float.infinity, greatest = -Float.infinity
        for value in image {
            least = min(least, value)
            greatest = max(greatest, value)
        }
        // A sample of one value has no range to speak of.
        let range = greatest > least ? greatest - least : 1
        applyTone(image, least, range)
        for channel in 0..<channels {
            let plane = UnsafeMutableBufferPointer(rebasing: image[channel * height * width..<(channel + 1) * height * width])
            if blur > 0 { GaussianBlur(sigma: blur).apply(to: plane, height: height, width: width) }
            if let band { darken(plane, band, least, height, width) }
            if let fold { darken(plane, fold, least, height, width) }
            if let missing {
                let value = least + Float(missing.strength) * range
                forEach(of: missing, height, width) { plane[$0] = value }
            }
        }
        if noise > 0 { GaussianNoise.add(to: image, deviation: Float(noise) * range, stream: noiseStream) }
    }

    private func applyTone(_ image: UnsafeMutableBufferPointer<Float>, _ least: Float, _ range: Float) {
        if gamma != 1 {
            let table = GammaTable(exponent: gamma)
            let scale = 1 / range, factor = Float(contrast), offset = Float(0.5 - 0.5 * contrast + brightness)
            for k in image.indices {
                let x = ((image[k] - least) * scale) * factor + offset
                image[k] = least + range * table(x)
            }
        } else if contrast != 1 || brightness != 0 {
            // least + range · (x · contrast + ½ − ½ contrast + brightness)
            let factor = Float(contrast)
            let offset = least - least * factor + range * Float(0.5 - 0.5 * contrast + brightness)
            for k in image.indices { image[k] = image[k] * factor + offset }
        }
    }

    private func forEach(of strip: Strip, _ height: Int, _ width: Int, _ body: (Int) -> Void) {
        if strip.isHorizontal {
            for row in strip.range.clamped(to: 0..<height) { for column in 0..<width { body(row * width + column) } }
        } else {
            let columns = strip.range.clamped(to: 0..<width)
            for row in 0..<height { for column in columns { body(row * width + column) } }
        }
    }

    /// Darker towards the middle of the strip, by a parabola.
    private func darken(_ plane: UnsafeMutableBufferPointer<Float>, _ strip: Strip, _ least: Float, _ height: Int, _ width: Int) {
        let half = Float(strip.range.count) / 2, middle = Float(strip.range.lowerBound) + half - 0.5, strength = Float(strip.strength)
        forEach(of: strip, height, width) { pixel in
            let place = (Float(strip.isHorizontal ? pixel / width : pixel % width) - middle) / half
            plane[pixel] = least + (plane[pixel] - least) * (1 - strength * (1 - place * place))
        }
    }

    private func darken(_ plane: UnsafeMutableBufferPointer<Float>, _ fold: Fold, _ least: Float, _ height: Int, _ width: Int) {
        // The columns near the line differ from row to row.
        for row in 0..<height {
            for column in 0..<width {
                let place = fold.distance(of: Coordinate(row: Double(row), column: Double(column))) / fold.width
                if abs(place) >= 1 { continue }
                plane[row * width + column] = least + (plane[row * width + column] - least) * Float(1 - fold.darkness * (1 - place * place))
            }
        }
    }
}
