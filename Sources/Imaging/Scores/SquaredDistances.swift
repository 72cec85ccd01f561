/// Exact squared Euclidean distances in pixels of every pixel of an image to the nearest pixel of a set.
///
/// Source: Meijster, Roerdink, Hesselink, "A general algorithm for computing distance transforms in linear time", 2000.
struct SquaredDistances {
    /// Rows after rows; `Int.max` everywhere if the set is empty.
    let values: [Int]

    /// Distances to the pixels for which `isInSet` says so.
    init(height: Int, width: Int, to isInSet: (Int) -> Bool) {
        let far = height + width
        // The distance to the set in the pixel's own column.
        var vertical = [Int](repeating: far, count: height * width)
        var isEmpty = true
        for x in 0..<width {
            var distance = far
            for y in 0..<height {
                distance = isInSet(y * width + x) ? 0 : min(far, distance + 1)
                vertical[y * width + x] = distance
                isEmpty = isEmpty && distance > 0
            }
            for y in stride(from: height - 2, through: 0, by: -1) {
                vertical[y * width + x] = min(vertical[y * width + x], vertical[(y + 1) * width + x] + 1)
            }
        }
        if isEmpty {
            values = [Int](repeating: .max, count: height * width)
            return
        }
        // In a row, the lower envelope of the parabolas (x − column)² + vertical².
        var result = [Int](repeating: 0, count: height * width)
        var columns = [Int](repeating: 0, count: width), begins = columns
        for y in 0..<height {
            let row = y * width
            func parabola(_ column: Int, _ x: Int) -> Int {
                (x - column) * (x - column) + vertical[row + column] * vertical[row + column]
            }
            var last = -1
            for x in 0..<width {
                while last >= 0 && parabola(columns[last], begins[last]) > parabola(x, begins[last]) { last -= 1 }
                if last < 0 {
                    last = 0
                    columns[0] = x
                    begins[0] = 0
                } else {
                    // From here on the new parabola is below the last one.
                    let u = columns[last], a = vertical[row + u], b = vertical[row + x]
                    let begin = (x * x - u * u + b * b - a * a).dividedDown(by: 2 * (x - u)) + 1
                    if begin < width {
                        last += 1
                        columns[last] = x
                        begins[last] = begin
                    }
                }
            }
            for x in stride(from: width - 1, through: 0, by: -1) {
                result[row + x] = parabola(columns[last], x)
                if x == begins[last] { last -= 1 }
            }
        }
        values = result
    }
}

extension Int {
    fileprivate func dividedDown(by divisor: Int) -> Int {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
