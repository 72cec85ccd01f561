extension AugmentationConfiguration {
    /// Mirror images.
    public struct Flips: Codable, Equatable, Sendable {
        /// Probability of exchanging left and right.
        public var horizontal = 0.5
        /// Probability of exchanging top and bottom.
        public var vertical = 0.5

        private enum CodingKeys: CodingKey, CaseIterable { case horizontal, vertical }

        /// Both with probability ½.
        public init() {}

        /// Decodes the fields that are there.
        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(of: CodingKeys.self)
            try container.decode(.horizontal, into: &horizontal)
            try container.decode(.vertical, into: &vertical)
        }
    }

    /// Turns by 90°.
    public struct QuarterTurns: Codable, Equatable, Sendable {
        /// Probability of a turn by 0, 90, 180 or 270 degrees, all as likely. Where a crop turned by 90° does not fit into the slice,
        /// turns by 0 and 180 degrees alone.
        public var probability = 1.0

        private enum CodingKeys: CodingKey, CaseIterable { case probability }

        /// Always.
        public init() {}

        /// Decodes the fields that are there.
        public init(from decoder: any Decoder) throws {
            try decoder.container(of: CodingKeys.self).decode(.probability, into: &probability)
        }
    }

    /// An angle drawn uniformly.
    public struct AngleRange: Codable, Equatable, Sendable {
        /// Largest angle to either side in degrees.
        public var degrees: Double
        /// Probability that the item is applied.
        public var probability = 0.5

        private enum CodingKeys: CodingKey, CaseIterable { case degrees, probability }

        /// Up to `degrees` to either side.
        public init(degrees: Double, probability: Double = 0.5) {
            self.degrees = degrees
            self.probability = probability
        }

        /// Decodes the angle, and the probability if it is there.
        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(of: CodingKeys.self)
            degrees = try container.decode(Double.self, forKey: .degrees)
            try container.decode(.probability, into: &probability)
        }
    }

    /// A fraction drawn uniformly for height and width each.
    public struct FractionRange: Codable, Equatable, Sendable {
        /// Largest deviation to either side.
        public var fraction: Double
        /// Probability that the item is applied.
        public var probability = 0.5

        private enum CodingKeys: CodingKey, CaseIterable { case fraction, probability }

        /// Up to `fraction` to either side.
        public init(fraction: Double, probability: Double = 0.5) {
            self.fraction = fraction
            self.probability = probability
        }

        /// Decodes the fraction, and the probability if it is there.
        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(of: CodingKeys.self)
            fraction = try container.decode(Double.self, forKey: .fraction)
            try container.decode(.probability, into: &probability)
        }
    }

    /// Deformation by moving least squares from randomly moved handles (see ``MovingLeastSquares``).
    public struct Deformation: Codable, Equatable, Sendable {
        /// The family of the local map.
        public var kind = MovingLeastSquares.Kind.rigid
        /// Handles a side: the slice is divided into `grid` × `grid` parts with one handle somewhere in the middle of each.
        public var grid = 4
        /// Standard deviation of a handle's displacement along each axis in pixels.
        public var sigma = 6.0
        /// Fall-off of the handles' weights.
        public var alpha = 1.0
        /// Probability that the item is applied.
        public var probability = 0.5

        private enum CodingKeys: CodingKey, CaseIterable { case kind, grid, sigma, alpha, probability }

        /// Rigid, 4 × 4 handles moved by 6 pixels, in half of the samples.
        public init() {}

        /// Decodes the fields that are there.
        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(of: CodingKeys.self)
            try container.decode(.kind, into: &kind)
            try container.decode(.grid, into: &grid)
            try container.decode(.sigma, into: &sigma)
            try container.decode(.alpha, into: &alpha)
            try container.decode(.probability, into: &probability)
        }
    }

    /// What lies outside the slice.
    public struct Fill: Codable, Equatable, Sendable {
        /// How the slice continues.
        public var mode = FillMode.reflect
        /// The image's value outside with the mode `constant`, after normalisation. The label is background there.
        public var value = 0.0

        private enum CodingKeys: CodingKey, CaseIterable { case mode, value }

        /// Reflection.
        public init() {}

        /// Decodes the fields that are there.
        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(of: CodingKeys.self)
            try container.decode(.mode, into: &mode)
            try container.decode(.value, into: &value)
        }
    }
}

extension Decoder {
    /// The container, after a check that it has no other keys than those of `Key`.
    func container<Key: CodingKey & CaseIterable>(of keys: Key.Type) throws -> KeyedDecodingContainer<Key> {
        let known = keys.allCases.map(\.stringValue)
        if let unknown = try container(keyedBy: AnyKey.self).allKeys.map(\.stringValue).sorted().first(where: { !known.contains($0) }) {
            throw DecodingError.dataCorrupted(
                .init(codingPath: codingPath, debugDescription: "unknown key \"\(unknown)\"; there are: \(known.joined(separator: ", "))"))
        }
        return try container(keyedBy: keys)
    }
}

extension KeyedDecodingContainer {
    /// Decodes a value if it is there, and otherwise leaves the default.
    func decode<Value: Decodable>(_ key: Key, into value: inout Value) throws {
        if let decoded = try decodeIfPresent(Value.self, forKey: key) { value = decoded }
    }
}

private struct AnyKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}
