extension AugmentationConfiguration {
    /// Elastic deformation as in the U-Net paper (see ``ElasticMap``).
    public struct Elastic: Codable, Equatable, Sendable {
        /// Displacement vectors a side, from edge to edge.
        public var grid = 3
        /// Standard deviation of a displacement along each axis in pixels.
        public var sigma = 10.0
        /// Probability that the item is applied.
        public var probability = 0.5

        private enum CodingKeys: CodingKey, CaseIterable { case grid, sigma, probability }

        /// The paper's 3 × 3 vectors of 10 pixels, in half of the samples.
        public init() {}

        /// Decodes the fields that are there.
        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(of: CodingKeys.self)
            try container.decode(.grid, into: &grid)
            try container.decode(.sigma, into: &sigma)
            try container.decode(.probability, into: &probability)
        }
    }

    /// A fold of the section at a random place and angle (see ``Fold``).
    public struct FoldRange: Codable, Equatable, Sendable {
        /// Largest width in pixels; the smallest is half of it.
        public var width = 8.0
        /// Greatest darkness, 0 … 1.
        public var darkness = 0.8
        /// Probability that the item is applied.
        public var probability = 0.05

        private enum CodingKeys: CodingKey, CaseIterable { case width, darkness, probability }

        /// Up to 8 pixels wide, in one of twenty samples.
        public init() {}

        /// Decodes the fields that are there.
        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(of: CodingKeys.self)
            try container.decode(.width, into: &width)
            try container.decode(.darkness, into: &darkness)
            try container.decode(.probability, into: &probability)
        }
    }

    /// A deviation of the grey values drawn uniformly.
    public struct ValueRange: Codable, Equatable, Sendable {
        /// Largest deviation to either side.
        public var range: Double
        /// Probability that the item is applied.
        public var probability = 0.5

        private enum CodingKeys: CodingKey, CaseIterable { case range, probability }

        /// Up to `range` to either side.
        public init(range: Double, probability: Double = 0.5) {
            self.range = range
            self.probability = probability
        }

        /// Decodes the range, and the probability if it is there.
        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(of: CodingKeys.self)
            range = try container.decode(Double.self, forKey: .range)
            try container.decode(.probability, into: &probability)
        }
    }

    /// A standard deviation drawn uniformly.
    public struct SigmaRange: Codable, Equatable, Sendable {
        /// Largest standard deviation.
        public var sigma: Double
        /// Probability that the item is applied.
        public var probability = 0.2

        private enum CodingKeys: CodingKey, CaseIterable { case sigma, probability }

        /// From 0 to `sigma`.
        public init(sigma: Double, probability: Double = 0.2) {
            self.sigma = sigma
            self.probability = probability
        }

        /// Decodes the deviation, and the probability if it is there.
        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(of: CodingKeys.self)
            sigma = try container.decode(Double.self, forKey: .sigma)
            try container.decode(.probability, into: &probability)
        }
    }

    /// A darker strip from edge to edge, across or down.
    public struct StripRange: Codable, Equatable, Sendable {
        /// Largest width as a fraction of the sample's side.
        public var fraction = 0.2
        /// Greatest darkness in its middle, 0 … 1.
        public var darkness = 0.5
        /// Probability that the item is applied.
        public var probability = 0.05

        private enum CodingKeys: CodingKey, CaseIterable { case fraction, darkness, probability }

        /// Up to a fifth of the sample, half as dark again, in one of twenty samples.
        public init() {}

        /// Decodes the fields that are there.
        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(of: CodingKeys.self)
            try container.decode(.fraction, into: &fraction)
            try container.decode(.darkness, into: &darkness)
            try container.decode(.probability, into: &probability)
        }
    }

    /// A strip from edge to edge, across or down, of one grey.
    public struct MissingRange: Codable, Equatable, Sendable {
        /// Largest width as a fraction of the sample's side; with 1 the whole section can be missing.
        public var fraction = 0.1
        /// Probability that the item is applied.
        public var probability = 0.05

        private enum CodingKeys: CodingKey, CaseIterable { case fraction, probability }

        /// Up to a tenth of the sample, in one of twenty samples.
        public init() {}

        /// Decodes the fields that are there.
        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(of: CodingKeys.self)
            try container.decode(.fraction, into: &fraction)
            try container.decode(.probability, into: &probability)
        }
    }
}
