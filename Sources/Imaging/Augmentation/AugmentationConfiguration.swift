/// Which random changes the samples of a training undergo. An item that is nil is off; the others have a range and a probability.
///
/// In YAML the name of a preset, or a mapping of the items that are on; a field that is left out of an item has the value given here,
/// but `degrees`, `range`, the `fraction` of shift and zoom, and the `sigma` of blur and noise must be there:
///
///     flips: { horizontal: 0.5, vertical: 0.5 }
///     quarter-turns: { probability: 1 }
///     rotation: { degrees: 10, probability: 0.5 }
///     shift: { fraction: 0.05, probability: 0.5 }
///     shear: { degrees: 2.9, probability: 0.5 }
///     zoom: { fraction: 0.05, probability: 0.5 }
///     deformation: { kind: rigid, grid: 4, sigma: 6, alpha: 1, probability: 0.5 }
///     elastic: { grid: 3, sigma: 10, probability: 0.5 }
///     fold: { width: 8, darkness: 0.8, probability: 0.05 }
///     fill: { mode: reflect, value: 0 }
///     brightness: { range: 0.1, probability: 0.5 }
///     contrast: { range: 0.2, probability: 0.5 }
///     gamma: { range: 0.2, probability: 0.5 }
///     blur: { sigma: 1, probability: 0.2 }
///     dark-band: { fraction: 0.2, darkness: 0.5, probability: 0.05 }
///     missing: { fraction: 0.1, probability: 0.05 }
///     noise: { sigma: 0.05, probability: 0.2 }
///
/// Rotation, shift, shear and zoom are the family of Keras' `ImageDataGenerator` (see ``AffineMap``). They are applied together, about
/// the centre of the slice and after the deformations. The items from `brightness` on change the image's values alone (see ``SampleAppearance``).
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
    /// Elastic deformation by displacement vectors on a coarse grid.
    public var elastic: Elastic?
    /// A fold of the section.
    public var fold: FoldRange?
    /// What lies outside the slice.
    public var fill = Fill()
    /// Lighter or darker by up to `range` of the sample's own range of values.
    public var brightness: ValueRange?
    /// Contrast times 1 − range … 1 + range.
    public var contrast: ValueRange?
    /// Values raised to a power of 1 − range … 1 + range.
    public var gamma: ValueRange?
    /// Gaussian blur with a standard deviation of up to `sigma` pixels.
    public var blur: SigmaRange?
    /// A darker strip from edge to edge.
    public var darkBand: StripRange?
    /// A strip from edge to edge, up to the whole sample, that shows nothing.
    public var missing: MissingRange?
    /// Gaussian noise with a standard deviation of up to `sigma` of the sample's own range of values.
    public var noise: SigmaRange?

    /// Nothing is changed.
    public init() {}

    /// Nothing is changed.
    public static let none = AugmentationConfiguration()

    /// Flips, quarter turns, and a little brightness and contrast: nothing that interpolates.
    public static let light = {
        var some = AugmentationConfiguration()
        some.flips = Flips()
        some.quarterTurns = QuarterTurns()
        some.brightness = ValueRange(range: 0.05)
        some.contrast = ValueRange(range: 0.1)
        return some
    }()

    /// Flips, turns, affine maps and moving least squares, with the ranges and probabilities of the YAML above. The shear is the seed
    /// network's 0.05 in radians.
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

    /// Every item. Maps are as strong as tissue allows, any angle; artefacts are rare.
    public static let strong = {
        var all = standard
        all.rotation = AngleRange(degrees: 180)
        all.zoom = FractionRange(fraction: 0.15)
        all.elastic = Elastic()
        all.fold = FoldRange()
        all.brightness = ValueRange(range: 0.1)
        all.contrast = ValueRange(range: 0.2)
        all.gamma = ValueRange(range: 0.2)
        all.blur = SigmaRange(sigma: 1)
        all.darkBand = StripRange()
        all.missing = MissingRange()
        all.noise = SigmaRange(sigma: 0.05)
        return all
    }()

    /// The presets by name, in the order in which help shows them.
    public static let presets: [(name: String, configuration: AugmentationConfiguration)] = [
        ("none", .none), ("light", .light), ("standard", .standard), ("strong", .strong),
    ]

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
        try check("elastic.grid", (elastic?.grid).map { Double($0) }, 2...32)
        try check("elastic.sigma", elastic?.sigma, 0...1000)
        try check("elastic.probability", elastic?.probability, 0...1)
        try check("fold.width", fold?.width, 1...1000)
        try check("fold.darkness", fold?.darkness, 0...1)
        try check("fold.probability", fold?.probability, 0...1)
        try check("fill.value", fill.value, -1e30...1e30)
        try check("brightness.range", brightness?.range, 0...1)
        try check("brightness.probability", brightness?.probability, 0...1)
        try check("contrast.range", contrast?.range, 0...0.99)
        try check("contrast.probability", contrast?.probability, 0...1)
        try check("gamma.range", gamma?.range, 0...0.9)
        try check("gamma.probability", gamma?.probability, 0...1)
        try check("blur.sigma", blur?.sigma, 0...100)
        try check("blur.probability", blur?.probability, 0...1)
        try check("dark-band.fraction", darkBand?.fraction, 0...1)
        try check("dark-band.darkness", darkBand?.darkness, 0...1)
        try check("dark-band.probability", darkBand?.probability, 0...1)
        try check("missing.fraction", missing?.fraction, 0...1)
        try check("missing.probability", missing?.probability, 0...1)
        try check("noise.sigma", noise?.sigma, 0...10)
        try check("noise.probability", noise?.probability, 0...1)
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
        case flips, quarterTurns = "quarter-turns", rotation, shift, shear, zoom, deformation, elastic, fold, fill
        case brightness, contrast, gamma, blur, darkBand = "dark-band", missing, noise
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
        elastic = try container.decodeIfPresent(Elastic.self, forKey: .elastic)
        fold = try container.decodeIfPresent(FoldRange.self, forKey: .fold)
        try container.decode(.fill, into: &fill)
        brightness = try container.decodeIfPresent(ValueRange.self, forKey: .brightness)
        contrast = try container.decodeIfPresent(ValueRange.self, forKey: .contrast)
        gamma = try container.decodeIfPresent(ValueRange.self, forKey: .gamma)
        blur = try container.decodeIfPresent(SigmaRange.self, forKey: .blur)
        darkBand = try container.decodeIfPresent(StripRange.self, forKey: .darkBand)
        missing = try container.decodeIfPresent(MissingRange.self, forKey: .missing)
        noise = try container.decodeIfPresent(SigmaRange.self, forKey: .noise)
    }
}
