import CounterRandom

/// A made-up block of neural tissue as serial-section electron microscopy shows it: cells of many sizes that change shape and place
/// from page to page, dark membranes between them whose contrast varies, mitochondria and vesicles inside, noise and uneven light.
///
/// A cell is the set of points whose distance to its (drifting) centre, in its own elliptic metric and less its own radius, is the
/// smallest: an additively weighted Voronoi diagram, in coordinates that are bent by smooth noise. Lengths are in pixels of about 4 nm, depth in
/// pages of about 50 nm. A page shows the mean over its thickness, so membranes that run obliquely are faint and wide.
///
/// Every number is a pure function of (seed, page, place), made of IEEE additions, multiplications, divisions and square roots: no bit
/// depends on the machine, and page k is the same whatever the number of pages.
package struct SyntheticTissue {
    let height, width: Int
    let seed: UInt64
    private let cells: [Cell]

    /// What the random numbers are for; each has its own stream.
    private enum Purpose: Int {
        case placement, cell, drift, organelles, vesicles, noise, light
        case bendRows, bendColumns, rippleRows, rippleColumns, contrast, density, cytoplasm, grain, shade
    }

    /// A cell at depth 0. Its centre drifts by smooth noise, its radius breathes.
    private struct Cell {
        var row, column, radius: Double
        /// Long axis (a unit vector) and the ratio of the axes.
        var axisRow = 0.0, axisColumn = 1.0, aspect = 1.0
        var brightness = 0.0
        /// 0 ..< 1; decides what the cell contains.
        var character = 0.0
    }

    package init(height: Int, width: Int, seed: UInt64) {
        precondition(height > 0 && width > 0, "SyntheticTissue: pages of \(height) × \(width) pixels")
        self.height = height
        self.width = width
        self.seed = seed
        cells = Self.place(height: height, width: width, seed: seed)
    }

    /// Throws discs at the plane, the large first, and keeps those that overlap no other by much.
    private static func place(height: Int, width: Int, seed: UInt64) -> [Cell] {
        let margin = 70.0
        let rows = Double(height) + 2 * margin, columns = Double(width) + 2 * margin
        var random = RandomStream(seed: seed, purpose: .synthesis, ordinal: Purpose.placement.rawValue)
        var cells: [Cell] = []
        let throwsCount = Int(rows * columns / 25)
        for k in 0..<throwsCount {
            let left = 1 - Double(k) / Double(throwsCount)
            let radius = 7 + 36 * left * left * left
            let row = Double(random.nextUnit()) * rows - margin, column = Double(random.nextUnit()) * columns - margin
            let isFree = cells.allSatisfy { other in
                let y = other.row - row, x = other.column - column, reach = 0.92 * (other.radius + radius)
                return y * y + x * x > reach * reach
            }
            guard isFree else { continue }
            var cell = Cell(row: row, column: column, radius: radius)
            var own = RandomStream(seed: seed, purpose: .synthesis, ordinal: Purpose.cell.rawValue, position: UInt64(cells.count))
            let y = own.uniform(-1, 1), x = own.uniform(-1, 1), length = (y * y + x * x).squareRoot()
            if length > 0.01 { (cell.axisRow, cell.axisColumn) = (y / length, x / length) }
            cell.aspect = own.uniform(1, 1.9)
            cell.brightness = own.uniform(-0.07, 0.05)
            cell.character = own.uniform(0, 1)
            cells.append(cell)
        }
        return cells
    }

    /// The cells at depth `z`.
    private func cells(at z: Double) -> [Cell] {
        cells.enumerated().map { index, cell in
            let (knot, t) = (z / 8).wholeAndFraction
            let weight = t * t * (3 - 2 * t)
            func offsets(_ knot: Int) -> (row: Double, column: Double, radius: Double) {
                var random = stream(.drift, cell: index, number: knot)
                return (random.uniform(-9, 9), random.uniform(-9, 9), random.uniform(0.8, 1.2))
            }
            let a = offsets(knot), b = offsets(knot + 1)
            var cell = cell
            cell.row += a.row + weight * (b.row - a.row)
            cell.column += a.column + weight * (b.column - a.column)
            cell.radius *= a.radius + weight * (b.radius - a.radius)
            return cell
        }
    }

    private func stream(_ purpose: Purpose, _ position: UInt64) -> RandomStream {
        RandomStream(seed: seed, purpose: .synthesis, ordinal: purpose.rawValue, position: position)
    }

    /// The stream of one of a cell's numbers: a page, or a knot between pages.
    private func stream(_ purpose: Purpose, cell: Int, number: Int) -> RandomStream {
        stream(purpose, UInt64(cell) << 32 | UInt64(UInt32(truncatingIfNeeded: number)))
    }

    private func noise(_ purpose: Purpose, _ wavelength: Double, depth: Double, at z: Double) -> [Float] {
        SmoothNoise(seed: seed, ordinal: purpose.rawValue, wavelength: wavelength, depth: depth).plane(z: z, height: height, width: width)
    }

    // MARK: Domains

    /// Which cell every pixel belongs to, and how far it is from the next cell.
    private struct Domains {
        var owner: [Int32]
        var border: [Float]
    }

    private func domains(at z: Double) -> Domains {
        // A cell that lies in another altogether does not show.
        let all = cells(at: z)
        let cells = all.enumerated().filter { _, cell in
            !all.contains { Self.distance($0, cell.row, cell.column).value < -cell.radius }
        }
        let bendRows = noise(.bendRows, 44, depth: 12, at: z), bendColumns = noise(.bendColumns, 44, depth: 12, at: z)
        let rippleRows = noise(.rippleRows, 9, depth: 4, at: z), rippleColumns = noise(.rippleColumns, 9, depth: 4, at: z)
        var domains = Domains(owner: Array(repeating: 0, count: height * width), border: Array(repeating: 0, count: height * width))
        var near: [(index: Int, cell: Cell)] = []
        var values: [(value: Double, row: Double, column: Double)] = []
        let tile = 8, farthest = 12.0
        func bent(_ row: Int, _ column: Int) -> (row: Double, column: Double) {
            let pixel = row * width + column
            return (
                Double(row) + Double(8 * bendRows[pixel] + 0.9 * rippleRows[pixel]),
                Double(column) + Double(8 * bendColumns[pixel] + 0.9 * rippleColumns[pixel])
            )
        }
        for tileRow in stride(from: 0, to: height, by: tile) {
            for tileColumn in stride(from: 0, to: width, by: tile) {
                // Cells that may be first or near somewhere in the tile: values change by at most 1.4 a pixel, bending moves a tile's
                // pixels against each other by a few pixels, and a border farther than `farthest` does not matter.
                let place = bent(min(tileRow + tile / 2, height - 1), min(tileColumn + tile / 2, width - 1))
                let middle = cells.map { Self.distance($0.element, place.row, place.column).value }
                let reach = middle.min()! + 2 * 1.4 * (6 + 4 + farthest)
                near.removeAll(keepingCapacity: true)
                for (k, cell) in cells.enumerated() where middle[k] <= reach { near.append((cell.offset, cell.element)) }
                for row in tileRow..<min(tileRow + tile, height) {
                    for column in tileColumn..<min(tileColumn + tile, width) {
                        let pixel = row * width + column
                        let place = bent(row, column)
                        values.removeAll(keepingCapacity: true)
                        var first = 0
                        for (k, entry) in near.enumerated() {
                            values.append(Self.distance(entry.cell, place.row, place.column))
                            if values[k].value < values[first].value { first = k }
                        }
                        // The border with another cell is where the two values are equal; their difference grows by the length of
                        // the difference of their gradients.
                        let best = values[first]
                        var border = farthest
                        for (k, other) in values.enumerated() where k != first {
                            let dy = other.row - best.row, dx = other.column - best.column
                            border = min(border, (other.value - best.value) / max(0.2, (dy * dy + dx * dx).squareRoot()))
                        }
                        domains.owner[pixel] = Int32(near[first].index)
                        domains.border[pixel] = Float(border)
                    }
                }
            }
        }
        return domains
    }

    /// Elliptic distance of a point to a cell's centre, less the cell's radius, and its gradient.
    private static func distance(_ cell: Cell, _ row: Double, _ column: Double) -> (value: Double, row: Double, column: Double) {
        let y = row - cell.row, x = column - cell.column
        let along = y * cell.axisRow + x * cell.axisColumn, across = x * cell.axisRow - y * cell.axisColumn
        let a = along / cell.aspect, b = across * cell.aspect  // squared axes' ratio, area kept
        let length = (along * a + across * b).squareRoot()
        guard length > 0 else { return (-cell.radius, 0, 0) }
        return (
            length - cell.radius, (a * cell.axisRow - b * cell.axisColumn) / length, (a * cell.axisColumn + b * cell.axisRow) / length
        )
    }

    // MARK: Pages

    /// Image and label of a page, each height × width values; the label is 255 in cells and 0 on membranes. With three classes it is 0 on
    /// membranes, 1 in cells and 2 in their mitochondria.
    package func page(_ page: Int, classes: Int = 2) -> (image: [UInt8], label: [UInt8]) {
        let z = Double(page)
        let middle = domains(at: z)

        let contrast = noise(.contrast, 22, depth: 2, at: z), density = noise(.density, 38, depth: 3, at: z)
        let cytoplasm = noise(.cytoplasm, 11, depth: 1, at: z), grain = noise(.grain, 3.2, depth: 1, at: z)
        let (organelles, isMitochondrion) = organelles(page, middle)
        let label = middle.border.indices.map { pixel -> UInt8 in
            if middle.border[pixel] < 2.9 { return 0 }
            return classes == 2 ? 255 : isMitochondrion[pixel] ? 2 : 1
        }
        var scene = [Float](repeating: 0, count: height * width)
        for layer in [domains(at: z - 0.3), middle, domains(at: z + 0.3)] {
            for pixel in scene.indices {
                let border = layer.border[pixel]
                let cell = cells[Int(layer.owner[pixel])]
                var value = 0.6 + Float(cell.brightness) + 0.018 * cytoplasm[pixel] + 0.025 * grain[pixel]
                // Organelles keep a distance from the membrane.
                value -= organelles[pixel] * min(max((border - 2.5) * 0.5, 0), 1)
                let depth = 0.45 * min(max(0.92 + 0.2 * contrast[pixel], 0.4), 1.15)
                value -= depth * Self.bump(border / 4.6)
                // Synaptic density: a dark cloud on one side of some borders.
                if cell.character > 0.45 { value -= 0.3 * min(max(density[pixel] - 1.1, 0), 0.8) * Self.bump(border / 11) }
                scene[pixel] += value / 3
            }
        }
        return (develop(scene, page), label)
    }

    /// (1 − x²)² inside −1 … 1, otherwise 0.
    @inline(__always)
    private static func bump(_ x: Float) -> Float {
        let t = max(0, 1 - x * x)
        return t * t
    }

    /// How much darker mitochondria and vesicles make each pixel (negative: brighter), and which of them are mitochondria.
    private func organelles(_ page: Int, _ domains: Domains) -> (darkness: [Float], isMitochondrion: [Bool]) {
        var darkness = [Float](repeating: 0, count: height * width), isMitochondrion = [Bool](repeating: false, count: height * width)
        let present = cells(at: Double(page))
        for (index, cell) in present.enumerated() {
            func paint(
                _ row: Double, _ column: Double, _ reach: Double, mitochondrion: Bool = false, _ value: (Double, Double) -> Float
            ) {
                for y in (Int(row - reach)..<Int(row + reach) + 1).clamped(to: 0..<height) {
                    for x in (Int(column - reach)..<Int(column + reach) + 1).clamped(to: 0..<width) {
                        let pixel = y * width + x
                        guard domains.owner[pixel] == Int32(index) else { continue }
                        let difference = value(Double(y) - row, Double(x) - column)
                        darkness[pixel] += difference
                        if mitochondrion && difference != 0 { isMitochondrion[pixel] = true }
                    }
                }
            }
            // A mitochondrion about every 9 pages in the larger cells: an ellipsoid with a darker rim and cristae across.
            if cell.radius > 14 {
                for number in page / 9 - 1...page / 9 + 1 {
                    var random = stream(.organelles, cell: index, number: number)
                    let height = (Double(page) - (Double(number) + random.uniform(0, 1)) * 9) / random.uniform(2, 5)
                    let size = max(0, 1 - height * height).squareRoot()
                    let long = min(20, cell.radius * random.uniform(0.4, 0.6)) * size, short = long * random.uniform(0.55, 0.9)
                    let y0 = cell.row + random.uniform(-0.4, 0.4) * cell.radius, x0 = cell.column + random.uniform(-0.4, 0.4) * cell.radius
                    let dark = Float(random.uniform(0.12, 0.22))
                    guard short > 3 else { continue }
                    paint(y0, x0, long + 2, mitochondrion: true) { y, x in
                        let along = y * cell.axisRow + x * cell.axisColumn, across = x * cell.axisRow - y * cell.axisColumn
                        let d = ((along / long) * (along / long) + (across / short) * (across / short)).squareRoot()
                        guard d < 1 else { return 0 }
                        let inside = Float((1 - d) * short)  // pixels from the rim, about
                        let stripe = Float(abs((along / 5.5).wholeAndFraction.fraction - 0.5)) - 0.25
                        return min(inside, 1) * dark + 0.1 * Self.bump((inside - 1.3) / 1.6) + (inside > 2.5 ? 0.22 * stripe : 0)
                    }
                }
            }
            // Vesicles: small rings, many in some cells; and a few larger ones.
            var random = stream(.vesicles, cell: index, number: page)
            let area = 3 * cell.radius * cell.radius
            let count = Int(area * (cell.character > 0.6 ? 0.011 : 0.003) + random.uniform(0, 1))
            for _ in 0..<count {
                let y0 = cell.row + random.uniform(-1.2, 1.2) * cell.radius, x0 = cell.column + random.uniform(-1.2, 1.2) * cell.radius
                let large = random.uniform(0, 1) < 0.04
                let radius = large ? random.uniform(5, 8) : random.uniform(2.2, 3.6), dark = Float(random.uniform(0.12, 0.32))
                paint(y0, x0, radius + 2) { y, x in
                    let d = Float((y * y + x * x).squareRoot() - radius)
                    return dark * Self.bump(d / 1.7) - (d < 0 ? 0.03 : 0)
                }
            }
        }
        return (darkness, isMitochondrion)
    }

    /// What the microscope makes of the scene: shot noise, blur, uneven light, 8 bits.
    private func develop(_ scene: [Float], _ page: Int) -> [UInt8] {
        var random = stream(.noise, UInt64(page))
        var noisy = scene
        for pixel in noisy.indices {
            // The sum of the four bytes of a random word: nearly normal, standard deviation 2 · 256/√12 = 147.8.
            let bits = random.nextBits()
            let sum = Int32(bits & 0xFF) + Int32(bits >> 8 & 0xFF) + Int32(bits >> 16 & 0xFF) + Int32(bits >> 24)
            noisy[pixel] += 0.125 * (max(0.05, scene[pixel]) / 0.6).squareRoot() * Float(sum - 510) * (1 / 147.8)
        }
        let blurred = blur(
            blur(noisy, step: 1, count: width, lines: height, lineStep: width), step: width, count: height, lines: width, lineStep: 1)
        var light = stream(.light, UInt64(page))
        let gain = Float(light.uniform(0.85, 1.1)), offset = Float(light.uniform(-0.03, 0.03))
        let down = Float(light.uniform(-0.25, 0.25)) / Float(height), across = Float(light.uniform(-0.25, 0.25)) / Float(width)
        let shade = noise(.shade, 90, depth: 1, at: Double(page))
        return blurred.indices.map { pixel in
            let row = Float(pixel / width) - Float(height) / 2, column = Float(pixel % width) - Float(width) / 2
            let brightness = 1 + down * row + across * column + 0.07 * shade[pixel]
            let value = ((blurred[pixel] - 0.5) * gain + 0.5 + offset) * brightness
            return UInt8(min(max(value, 0), 1) * 255 + 0.5)
        }
    }

    /// Smooths lines by (1, 2, 1)/4, the ends repeated.
    private func blur(_ values: [Float], step: Int, count: Int, lines: Int, lineStep: Int) -> [Float] {
        var result = values
        for line in 0..<lines {
            for k in 0..<count {
                let here = line * lineStep + k * step
                let before = k == 0 ? here : here - step, after = k == count - 1 ? here : here + step
                result[here] = 0.25 * values[before] + 0.5 * values[here] + 0.25 * values[after]
            }
        }
        return result
    }
}

extension RandomStream {
    /// Uniform in `low` ..< `high`.
    fileprivate mutating func uniform(_ low: Double, _ high: Double) -> Double { low + (high - low) * Double(nextUnit()) }
}
