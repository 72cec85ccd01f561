extension Orientation {
    /// The ways to look at an image for a prediction whose mean is taken: itself; its four flips; these and their quarter turns.
    package static func all(_ count: Int) -> [Orientation] {
        let flips = [(false, false), (true, false), (false, true), (true, true)]
        let turns = count == 8 ? [0, 1] : [0]
        precondition([1, 4, 8].contains(count), "Orientation: \(count) of them")
        return turns.flatMap { turn in
            flips.prefix(count == 1 ? 1 : 4).map { Orientation(flipsHorizontally: $0.0, flipsVertically: $0.1, quarterTurns: turn) }
        }
    }

    /// Where the first laid pixel is in a source of `height` × `width` pixels, and how far apart in the source laid rows and pixels are.
    private func strides(_ height: Int, _ width: Int) -> (first: Int, row: Int, pixel: Int) {
        let map = map(height: height, width: width)
        func place(_ row: Double, _ column: Double) -> Int { Int(row) * width + Int(column) }
        return (place(map.offset.row, map.offset.column), place(map.rowRow, map.columnRow), place(map.rowColumn, map.columnColumn))
    }

    /// Lays a planar source of `height` × `width` pixels.
    package func lay(
        _ source: UnsafePointer<Float>, height: Int, width: Int, channels: Int, into result: UnsafeMutablePointer<Float>
    ) {
        let strides = strides(height, width), (rows, columns) = exchangesAxes ? (width, height) : (height, width)
        for channel in 0..<channels {
            let source = source + channel * height * width, result = result + channel * height * width
            for y in 0..<rows {
                for x in 0..<columns { result[y * columns + x] = source[strides.first + y * strides.row + x * strides.pixel] }
            }
        }
    }

    /// Adds a planar laid image to where its pixels come from, in a source of `height` × `width` pixels.
    package func addBack(
        _ laid: UnsafePointer<Float>, height: Int, width: Int, channels: Int, to source: UnsafeMutablePointer<Float>
    ) {
        let strides = strides(height, width), (rows, columns) = exchangesAxes ? (width, height) : (height, width)
        for channel in 0..<channels {
            let laid = laid + channel * height * width, source = source + channel * height * width
            for y in 0..<rows {
                for x in 0..<columns { source[strides.first + y * strides.row + x * strides.pixel] += laid[y * columns + x] }
            }
        }
    }
}
