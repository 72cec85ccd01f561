import CounterRandom

extension AugmentationConfiguration {
    /// Numbers the items, so that each has random numbers of its own: switching one off leaves the others as they are.
    private enum Item: Int {
        case crop, horizontalFlip, verticalFlip, quarterTurns, rotation, shift, shear, zoom, deformation
        case elastic, fold, brightness, contrast, gamma, blur, darkBand, missing, noise, noiseValues
    }

    private static func stream(_ item: Item, seed: UInt64, position: Int) -> RandomStream {
        RandomStream(seed: seed, purpose: .augmentation, ordinal: item.rawValue, position: UInt64(position))
    }

    /// The numbers of an item, if chance has it that the item is applied.
    private static func draw(_ item: Item, _ probability: Double?, seed: UInt64, position: Int) -> RandomStream? {
        guard let probability else { return nil }
        var random = stream(item, seed: seed, position: position)
        return Double(random.nextUnit()) < probability ? random : nil
    }

    /// Draws what happens to the values of one sample of `height` × `width` pixels: a pure function of its arguments.
    public func drawAppearance(seed: UInt64, position: Int, height: Int, width: Int) -> SampleAppearance {
        func draw(_ item: Item, _ probability: Double?) -> RandomStream? { Self.draw(item, probability, seed: seed, position: position) }
        var appearance = SampleAppearance()
        if let random = draw(.brightness, brightness?.probability) { appearance.brightness = random.uniform(within: brightness!.range).0 }
        if let random = draw(.contrast, contrast?.probability) { appearance.contrast = 1 + random.uniform(within: contrast!.range).0 }
        if let random = draw(.gamma, gamma?.probability) { appearance.gamma = 1 + random.uniform(within: gamma!.range).0 }
        if var random = draw(.blur, blur?.probability) { appearance.blur = Double(random.nextUnit()) * blur!.sigma }
        if var random = draw(.darkBand, darkBand?.probability) {
            appearance.band = .draw(&random, fraction: darkBand!.fraction, height: height, width: width)
            appearance.band!.strength *= darkBand!.darkness
        }
        if var random = draw(.missing, missing?.probability) {
            appearance.missing = .draw(&random, fraction: missing!.fraction, height: height, width: width)
        }
        appearance.fold = drawFold(seed: seed, position: position, height: height, width: width)
        if var random = draw(.noise, noise?.probability) {
            appearance.noise = Double(random.nextUnit()) * noise!.sigma
            appearance.noiseStream = Self.stream(.noiseValues, seed: seed, position: position)
        }
        return appearance
    }

    /// The fold is in the map and in the values alike.
    private func drawFold(seed: UInt64, position: Int, height: Int, width: Int) -> Fold? {
        guard var random = Self.draw(.fold, fold?.probability, seed: seed, position: position), let fold else { return nil }
        let middle = Coordinate(row: Double(random.nextUnit()) * Double(height - 1), column: Double(random.nextUnit()) * Double(width - 1))
        return Fold(
            middle: middle, angle: Double(random.nextUnit()) * .pi, width: fold.width * (1 + Double(random.nextUnit())) / 2,
            darkness: fold.darkness * (1 + Double(random.nextUnit())) / 2)
    }

    /// Draws the map of one sample: a pure function of its arguments.
    ///
    /// The crop lies at a random place of the laid slice, or its part within `margin` does, whatever lies around it.
    /// - Parameters:
    ///   - seed: Seed of the training.
    ///   - position: The sample's position in the stream.
    ///   - height: Of the crop; without the margin at most the slice's.
    ///   - width: Of the crop; without the margin at most the slice's.
    ///   - margin: Pixels at each side of the crop that may lie outside the slice.
    ///   - sliceHeight: Rows of the slice.
    ///   - sliceWidth: Columns of the slice.
    public func drawMap(
        seed: UInt64, position: Int, height: Int, width: Int, margin: Int = 0, sliceHeight: Int, sliceWidth: Int
    ) -> SampleMap {
        let innerHeight = height - 2 * margin, innerWidth = width - 2 * margin
        precondition(
            (1...sliceHeight).contains(innerHeight) && (1...sliceWidth).contains(innerWidth),
            "AugmentationConfiguration: a crop of \(innerHeight) × \(innerWidth) from a slice of \(sliceHeight) × \(sliceWidth)")
        func draw(_ item: Item, _ probability: Double?) -> RandomStream? { Self.draw(item, probability, seed: seed, position: position) }

        var map = SampleMap(height: height, width: width)
        map.fill = fill.mode
        map.fillValue = Float(fill.value)
        map.orientation.flipsHorizontally = draw(.horizontalFlip, flips?.horizontal) != nil
        map.orientation.flipsVertically = draw(.verticalFlip, flips?.vertical) != nil
        if var random = draw(.quarterTurns, quarterTurns?.probability) {
            let turns = random.nextInteger(below: 4)
            map.orientation.quarterTurns = innerHeight <= sliceWidth && innerWidth <= sliceHeight ? turns : turns & 2
        }
        let (laidHeight, laidWidth) = map.orientation.exchangesAxes ? (sliceWidth, sliceHeight) : (sliceHeight, sliceWidth)
        var random = Self.stream(.crop, seed: seed, position: position)
        map.originRow = random.nextInteger(below: laidHeight - innerHeight + 1) - margin
        map.originColumn = random.nextInteger(below: laidWidth - innerWidth + 1) - margin

        let rotation = draw(.rotation, rotation?.probability).map { $0.uniform(within: self.rotation!.degrees).0 }
        let shift = draw(.shift, shift?.probability).map { $0.uniform(within: self.shift!.fraction) }
        let shear = draw(.shear, shear?.probability).map { $0.uniform(within: self.shear!.degrees).0 }
        let zoom = draw(.zoom, zoom?.probability).map { $0.uniform(within: self.zoom!.fraction) }
        if rotation != nil || shift != nil || shear != nil || zoom != nil {
            map.affine = AffineMap(
                height: laidHeight, width: laidWidth, rotation: rotation ?? 0,
                shift: shift.map { ($0.0 * Double(laidHeight), $0.1 * Double(laidWidth)) } ?? (0, 0), shear: shear ?? 0,
                zoom: zoom.map { (1 + $0.0, 1 + $0.1) } ?? (1, 1))
        }
        if let random = draw(.deformation, deformation?.probability) {
            map.deformation = deformation!.draw(random, height: laidHeight, width: laidWidth)
            map.nodeSpacing = min(8, deformation!.nodeSpacing(height: laidHeight, width: laidWidth))
        }
        if let random = draw(.elastic, elastic?.probability) {
            map.elastic = elastic!.draw(random, height: laidHeight, width: laidWidth)
            map.nodeSpacing = min(map.nodeSpacing, elastic!.nodeSpacing(height: laidHeight, width: laidWidth))
        }
        map.fold = drawFold(seed: seed, position: position, height: height, width: width)
        return map
    }
}

extension AugmentationConfiguration.Deformation {
    /// The handles' distance in pixels: the smaller side of a part of the slice.
    private func handleSpacing(height: Int, width: Int) -> Double { Double(min(height, width) - 1) / Double(grid) }

    /// An eighth of the handles' distance, at which the deformation is almost linear from node to node.
    fileprivate func nodeSpacing(height: Int, width: Int) -> Int { max(1, Int(handleSpacing(height: height, width: width) / 8)) }

    /// Draws a deformation of an image of `height` × `width` pixels.
    ///
    /// The slice is divided into `grid` × `grid` parts. Each has a handle at its middle ± a quarter of its size, whose source lies at a
    /// normally distributed distance, cut at 0.35 of the smaller side of a part. Eight more handles hold the corners and the middles of the edges. A map that
    /// comes near to folding (a Jacobian determinant of 0.2 or less anywhere) is drawn again with all displacements halved, until it does not.
    package func draw(_ random: RandomStream, height: Int, width: Int) -> MovingLeastSquares {
        var random = random
        let bottom = Double(height - 1), right = Double(width - 1)
        let spacing = handleSpacing(height: height, width: width)
        var moved: [(x: Double, y: Double, dx: Double, dy: Double)] = []
        for i in 0..<grid {
            for j in 0..<grid {
                let y = (Double(i) + 0.5 + Double(random.nextUniform(in: -0.25...0.25))) / Double(grid) * bottom
                let x = (Double(j) + 0.5 + Double(random.nextUniform(in: -0.25...0.25))) / Double(grid) * right
                let dx = Double(random.nextNormal()) * sigma, dy = Double(random.nextNormal()) * sigma
                let length = (dx * dx + dy * dy).squareRoot(), limit = 0.35 * spacing
                let scale = length > limit ? limit / length : 1
                moved.append((x, y, dx * scale, dy * scale))
            }
        }
        var fixed: [MovingLeastSquares.Handle] = []
        for y in [0, bottom / 2, bottom] {
            for x in [0, right / 2, right] where x != right / 2 || y != bottom / 2 {
                fixed.append(.init(x: x, y: y, targetX: x, targetY: y))
            }
        }
        var strength = 1.0
        while true {
            let handles = moved.map {
                MovingLeastSquares.Handle(x: $0.x, y: $0.y, targetX: $0.x + strength * $0.dx, targetY: $0.y + strength * $0.dy)
            }
            let map = MovingLeastSquares(kind: kind, alpha: alpha, handles: fixed + handles)
            let grid = SamplingGrid(height: height, width: width, spacing: nodeSpacing(height: height, width: width)) {
                let place = map(x: $0.column, y: $0.row)
                return Coordinate(row: place.y, column: place.x)
            }
            if grid.smallestJacobian > 0.2 { return map }
            strength /= 2
        }
    }
}

extension AugmentationConfiguration.Elastic {
    /// An eighth of the nodes' distance, at which the spline is almost linear from node to node.
    fileprivate func nodeSpacing(height: Int, width: Int) -> Int { max(1, Int(Double(min(height, width) - 1) / Double(8 * (grid - 1)))) }

    /// Draws a deformation of an image of `height` × `width` pixels.
    ///
    /// Like the moving least squares, a map that comes near to folding is drawn again with all displacements halved; with the paper's 3 × 3 vectors of
    /// 10 pixels at 512 × 512 none does.
    package func draw(_ random: RandomStream, height: Int, width: Int) -> ElasticMap {
        var random = random
        let displacements = (0..<grid * grid).map { _ in
            let (row, column) = random.nextNormalPair()
            return Coordinate(row: Double(row) * sigma, column: Double(column) * sigma)
        }
        var strength = 1.0
        while true {
            let map = ElasticMap(
                height: height, width: width, nodes: grid,
                displacements: displacements.map { Coordinate(row: strength * $0.row, column: strength * $0.column) })
            let spacing = min(8, nodeSpacing(height: height, width: width))
            let sampling = SamplingGrid(height: height, width: width, spacing: spacing) { map($0) }
            if sampling.smallestJacobian > 0.2 { return map }
            strength /= 2
        }
    }
}

extension SampleAppearance.Strip {
    /// A strip of up to `fraction` of the sample's side, across or down, anywhere; its strength is 0 … 1.
    fileprivate static func draw(_ random: inout RandomStream, fraction: Double, height: Int, width: Int) -> Self {
        let isHorizontal = random.nextInteger(below: 2) == 0, side = isHorizontal ? height : width
        let size = max(1, Int((Double(random.nextUnit()) * fraction * Double(side)).rounded()))
        // Its middle lies in the sample.
        let first = random.nextInteger(below: side) - size / 2
        return Self(isHorizontal: isHorizontal, range: first..<first + size, strength: Double(random.nextUnit()))
    }
}

extension RandomStream {
    /// Two numbers, uniform in −`bound` ... `bound`.
    fileprivate func uniform(within bound: Double) -> (Double, Double) {
        var random = self
        let range = -Float(bound)...Float(bound)
        return (Double(random.nextUniform(in: range)), Double(random.nextUniform(in: range)))
    }
}
