import CounterRandom

extension AugmentationConfiguration {
    /// Numbers the items, so that each has random numbers of its own: switching one off leaves the others as they are.
    private enum Item: Int {
        case crop, horizontalFlip, verticalFlip, quarterTurns, rotation, shift, shear, zoom, deformation
    }

    /// Draws the map of one sample: a pure function of its arguments.
    ///
    /// The crop lies at a random place of the laid slice.
    /// - Parameters:
    ///   - seed: Seed of the training.
    ///   - position: The sample's position in the stream.
    ///   - height: Of the crop, at most the slice's.
    ///   - width: Of the crop, at most the slice's.
    public func drawMap(seed: UInt64, position: Int, height: Int, width: Int, sliceHeight: Int, sliceWidth: Int) -> SampleMap {
        precondition(
            (1...sliceHeight).contains(height) && (1...sliceWidth).contains(width),
            "AugmentationConfiguration: a crop of \(height) × \(width) from a slice of \(sliceHeight) × \(sliceWidth)")
        func stream(_ item: Item) -> RandomStream {
            RandomStream(seed: seed, purpose: .augmentation, ordinal: item.rawValue, position: UInt64(position))
        }
        /// The numbers of an item, if chance has it that the item is applied.
        func draw(_ item: Item, _ probability: Double?) -> RandomStream? {
            guard let probability else { return nil }
            var random = stream(item)
            return Double(random.nextUnit()) < probability ? random : nil
        }

        var map = SampleMap(height: height, width: width)
        map.fill = fill.mode
        map.fillValue = Float(fill.value)
        map.orientation.flipsHorizontally = draw(.horizontalFlip, flips?.horizontal) != nil
        map.orientation.flipsVertically = draw(.verticalFlip, flips?.vertical) != nil
        if var random = draw(.quarterTurns, quarterTurns?.probability) {
            let turns = random.nextInteger(below: 4)
            map.orientation.quarterTurns = height <= sliceWidth && width <= sliceHeight ? turns : turns & 2
        }
        let (laidHeight, laidWidth) = map.orientation.exchangesAxes ? (sliceWidth, sliceHeight) : (sliceHeight, sliceWidth)
        var random = stream(.crop)
        map.originRow = random.nextInteger(below: laidHeight - height + 1)
        map.originColumn = random.nextInteger(below: laidWidth - width + 1)

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

extension RandomStream {
    /// Two numbers, uniform in −`bound` ... `bound`.
    fileprivate func uniform(within bound: Double) -> (Double, Double) {
        var random = self
        let range = -Float(bound)...Float(bound)
        return (Double(random.nextUniform(in: range)), Double(random.nextUniform(in: range)))
    }
}
