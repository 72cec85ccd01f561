#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The weights by which the U-Net paper (Ronneberger et al., 2015, equation 2) makes a network learn the thin borders between touching
/// objects: w₀ exp(−(d₁ + d₂)² / 2σ²) on the background, 0 on objects, where d₁ and d₂ are the Euclidean distances, in pixels, to the
/// nearest object and to the nearest other one.
///
/// An object is a 4-connected component of pixels of one class, class 0 being the background. Distances are exact, from pixel centre to
/// pixel centre; weights below 2⁻²⁶, which change no sum with a class's weight, are 0.
public struct BorderWeights: Equatable, Sendable {
    /// w₀: the weight of a border as thin as nothing.
    public let weight: Float
    /// σ, in pixels.
    public let deviation: Float

    /// The weights of these parameters, both above 0.
    public init(weight: Float = 10, deviation: Float = 5) {
        precondition(weight > 0 && deviation > 0, "BorderWeights: w₀ \(weight), σ \(deviation)")
        self.weight = weight
        self.deviation = deviation
    }

    /// The distance beyond which nothing counts.
    private var reach: Int {
        let exponent = log(Double(weight)) + 26 * log(2.0)
        return exponent <= 0 ? 0 : min(1 << 14, Int((Double(deviation) * (2 * exponent).squareRoot()).rounded(.up)))
    }

    /// Computes the weights of a label image.
    ///
    /// - Parameters:
    ///   - label: [height][width], the class of each pixel.
    ///   - height: Rows.
    ///   - width: Columns.
    ///   - result: Receives [height][width] weights.
    public func compute(label: UnsafeBufferPointer<Float>, height: Int, width: Int, into result: UnsafeMutableBufferPointer<Float>) {
        precondition(
            label.count == height * width && result.count == label.count,
            "BorderWeights: \(height) × \(width) in buffers of \(label.count) and \(result.count)")
        let objects = Self.components(of: label, height: height, width: width)
        let columns = Self.nearestInColumns(objects, height: height, width: width, reach: Int32(reach))
        let scale = -1 / (2 * Double(deviation) * Double(deviation)), reach = self.reach
        columns.withUnsafeBufferPointer { columns in
            for y in 0..<height {
                let row = UnsafeBufferPointer(rebasing: columns[y * width..<(y + 1) * width])
                for x in 0..<width {
                    let pixel = y * width + x
                    guard objects[pixel] == 0, let (first, second) = Self.nearest(in: row, at: x, reach: reach) else {
                        result[pixel] = 0
                        continue
                    }
                    let sum = Double(first).squareRoot() + Double(second).squareRoot()
                    let value = Double(weight) * exp(sum * sum * scale)
                    result[pixel] = value < 0x1p-26 ? 0 : Float(value)
                }
            }
        }
    }

    /// The weights of a label image, [height][width].
    public func weights(label: UnsafeBufferPointer<Float>, height: Int, width: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: label.count) { result, count in
            compute(label: label, height: height, width: width, into: UnsafeMutableBufferPointer(rebasing: result[..<label.count]))
            count = label.count
        }
    }

    /// Two objects (0: none) and what lies between them and a pixel: rows, or squared distances.
    private struct Nearest {
        var first: Int32 = 0, second: Int32 = 0
        var firstDistance = Int32.max, secondDistance = Int32.max

        /// Takes in another object. The two nearest of all that were taken in stay.
        @inline(__always) mutating func add(_ object: Int32, _ distance: Int32) {
            if object == first {
                firstDistance = min(firstDistance, distance)
            } else if distance < firstDistance {
                (second, secondDistance) = (first, firstDistance)
                (first, firstDistance) = (object, distance)
            } else if distance < secondDistance {
                (second, secondDistance) = (object, distance)
            }
        }
    }

    /// For each pixel the two nearest objects of its column: of all columns, the two nearest objects of all are among these.
    private static func nearestInColumns(_ objects: [Int32], height: Int, width: Int, reach: Int32) -> [Nearest] {
        var result = [Nearest](repeating: Nearest(), count: height * width)
        for x in 0..<width {
            for rows in [Array(0..<height), (0..<height).reversed()] {
                // The two objects met last, and the rows since.
                var last = Nearest()
                for y in rows {
                    if last.first != 0 { last.firstDistance += 1 }
                    if last.second != 0 { last.secondDistance += 1 }
                    let object = objects[y * width + x]
                    if object != 0 {
                        if object != last.first { (last.second, last.secondDistance) = (last.first, last.firstDistance) }
                        (last.first, last.firstDistance) = (object, 0)
                    }
                    if last.first != 0 && last.firstDistance <= reach { result[y * width + x].add(last.first, last.firstDistance) }
                    if last.second != 0 && last.secondDistance <= reach { result[y * width + x].add(last.second, last.secondDistance) }
                }
            }
        }
        return result
    }

    /// The squared distances to the two nearest objects of a row whose columns are known; `nil` unless both are within reach.
    private static func nearest(in row: UnsafeBufferPointer<Nearest>, at x: Int, reach: Int) -> (Int32, Int32)? {
        var found = Nearest()
        func look(_ column: Int, _ step: Int32) {
            guard row.indices.contains(column) else { return }
            let candidate = row[column]
            if candidate.first != 0 { found.add(candidate.first, candidate.firstDistance * candidate.firstDistance + step * step) }
            if candidate.second != 0 { found.add(candidate.second, candidate.secondDistance * candidate.secondDistance + step * step) }
        }
        look(x, 0)
        for step in 1..<max(1, min(reach + 1, row.count)) {
            // What is further than the second nearest changes nothing.
            if found.second != 0 && step * step >= Int(found.secondDistance) { break }
            look(x - step, Int32(step))
            look(x + step, Int32(step))
        }
        return found.second == 0 ? nil : (found.firstDistance, found.secondDistance)
    }

    /// The number, from 1, of the 4-connected component of one class that each pixel belongs to; 0 on the background.
    private static func components(of label: UnsafeBufferPointer<Float>, height: Int, width: Int) -> [Int32] {
        var objects = [Int32](repeating: 0, count: height * width)
        // Each number's parent in a tree whose root stands for the component.
        var parents: [Int32] = [0]
        func root(_ object: Int32) -> Int32 {
            var object = object
            while parents[Int(object)] != object {
                parents[Int(object)] = parents[Int(parents[Int(object)])]
                object = parents[Int(object)]
            }
            return object
        }
        for y in 0..<height {
            for x in 0..<width {
                let pixel = y * width + x, value = label[pixel]
                if value == 0 { continue }
                let left = x > 0 && label[pixel - 1] == value ? root(objects[pixel - 1]) : 0
                let above = y > 0 && label[pixel - width] == value ? root(objects[pixel - width]) : 0
                if left == 0 && above == 0 {
                    objects[pixel] = Int32(parents.count)
                    parents.append(Int32(parents.count))
                } else if left == 0 || above == 0 {
                    objects[pixel] = max(left, above)
                } else {
                    objects[pixel] = min(left, above)
                    parents[Int(max(left, above))] = min(left, above)
                }
            }
        }
        for pixel in objects.indices where objects[pixel] != 0 { objects[pixel] = root(objects[pixel]) }
        return objects
    }
}
