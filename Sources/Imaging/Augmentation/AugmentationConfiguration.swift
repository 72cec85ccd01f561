/// Which random changes the samples of a training undergo. An item that is nil is off; the others have a range and a probability.
///
/// In YAML the name of a preset, or a mapping of the items that are on; a field that is left out of an item has the value given here,
/// but `degrees` and `fraction` must be there:
///
///     flips: { horizontal: 0.5, vertical: 0.5 }
///     quarter-turns: { probability: 1 }
///     rotation: { degrees: 10, probability: 0.5 }
///     shift: { fraction: 0.05, probability: 0.5 }
///     shear: { degrees: 2.9, probability: 0.5 }
///     zoom: { fraction: 0.05, probability: 0.5 }
///     deformation: { kind: rigid, grid: 4, sigma: 6, alpha: 1, probability: 0.5 }
///     fill: { mode: reflect, value: 0 }
///
/// Rotation, shift, shear and zoom are the family of Keras' `ImageDataGenerator` (see ``AffineMap``). They are applied together, about
/// the centre of the slice and after the deformation.
public struct AugmentationConfiguration: Equatable, Sendable {
    /// Mirror images.
    public var flips: Flips?
    /// Turns by 90°.
    public var quarterTurns: QuarterTurns?
    /// Rotation, up to `degrees` to either side.
    public var rotation: AngleRange?
    /// Translation, up to a fraction of height and width in every direction.
    public var shift: FractionRange?
    /// Shear along the rows, up to `degrees` to either side.
    public var shear: AngleRange?
    /// Zoom by factors between 1 − fraction and 1 + fraction, drawn for height and width each.
    public var zoom: FractionRange?
    /// Deformation by moving least squares.
    public var deformation: Deformation?
    /// What lies outside the slice.
    public var fill = Fill()

    /// Nothing is changed.
    public init() {}

    /// Nothing is changed.
    public static let none = AugmentationConfiguration()

    /// Every item, with the range and probability of the YAML above. The shear is the seed network's 0.05 in radians.
    public static let standard = {
        var all = AugmentationConfiguration()
        all.flips = Flips()
        all.quarterTurns = QuarterTurns()
        all.rotation = AngleRange(degrees: 10)
        all.shift = FractionRange(fraction: 0.05)
        all.shear = AngleRange(degrees: 2.9)
        all.zoom = FractionRange(fraction: 0.05)
        all.deformation = Deformation()
        return all
    }()

    /// The presets by name, in the order in which help shows them.
    public static let presets: [(name: String, configuration: AugmentationConfiguration)] = [("none", .none), ("standard", .standard)]

    /// The preset of that name, nil if there is none.
    public init?(preset name: String) {
        guard let preset = Self.presets.first(where: { $0.name == name }) else { return nil }
        self = preset.configuration
    }

    /// Checks that every range and probability makes sense.
    /// - Throws: The first setting that does not.
    public func validate() throws(AugmentationError) {
        func check(_ setting: String, _ value: Double?, _ range: ClosedRange<Double>) throws(AugmentationError) {
            guard let value, !range.contains(value) else { return }
            throw AugmentationError(setting: setting, message: "\(value) is not in \(range.lowerBound) ... \(range.upperBound)")
        }
        try check("flips.horizontal", flips?.horizontal, 0...1)
        try check("flips.vertical", flips?.vertical, 0...1)
        try check("quarter-turns.probability", quarterTurns?.probability, 0...1)
        try check("rotation.degrees", rotation?.degrees, 0...180)
        try check("rotation.probability", rotation?.probability, 0...1)
        try check("shift.fraction", shift?.fraction, 0...1)
        try check("shift.probability", shift?.probability, 0...1)
        try check("shear.degrees", shear?.degrees, 0...60)
        try check("shear.probability", shear?.probability, 0...1)
        try check("zoom.fraction", zoom?.fraction, 0...0.9)
        try check("zoom.probability", zoom?.probability, 0...1)
        try check("deformation.grid", (deformation?.grid).map { Double($0) }, 1...32)
        try check("deformation.sigma", deformation?.sigma, 0...1000)
        try check("deformation.alpha", deformation?.alpha, 0.1...3)
        try check("deformation.probability", deformation?.probability, 0...1)
        try check("fill.value", fill.value, -1e30...1e30)
    }
}

/// A setting of the augmentation that makes no sense.
public struct AugmentationError: Error, Equatable, CustomStringConvertible {
    /// The setting, as in YAML: `rotation.degrees`.
    public let setting: String
    /// What is wrong with it.
    public let message: String

    /// One line.
    public var description: String { "augmentation, \(setting): \(message)" }
}

extension AugmentationConfiguration: Codable {
    private enum CodingKeys: String, CodingKey, CaseIterable {
        case flips, quarterTurns = "quarter-turns", rotation, shift, shear, zoom, deformation, fill
    }

    /// Decodes a mapping of items, or the name of a preset. A key that does not exist is an error that names those that do.
    public init(from decoder: any Decoder) throws {
        if let name = try? decoder.singleValueContainer().decode(String.self) {
            guard let preset = Self(preset: name) else {
                let names = Self.presets.map(\.name).joined(separator: ", ")
                throw DecodingError.dataCorrupted(
                    .init(codingPath: decoder.codingPath, debugDescription: "no augmentation is called \"\(name)\"; there are: \(names)"))
            }
            self = preset
            return
        }
        let container = try decoder.container(of: CodingKeys.self)
        flips = try container.decodeIfPresent(Flips.self, forKey: .flips)
        quarterTurns = try container.decodeIfPresent(QuarterTurns.self, forKey: .quarterTurns)
        rotation = try container.decodeIfPresent(AngleRange.self, forKey: .rotation)
        shift = try container.decodeIfPresent(FractionRange.self, forKey: .shift)
        shear = try container.decodeIfPresent(AngleRange.self, forKey: .shear)
        zoom = try container.decodeIfPresent(FractionRange.self, forKey: .zoom)
        deformation = try container.decodeIfPresent(Deformation.self, forKey: .deformation)
        try container.decode(.fill, into: &fill)
    }
}
