/// How a slice lies in memory while it is scored: column by column, with a frame one pixel wide around it.
///
/// Column by column is the order in which the challenge's program visits pixels (x outside, y inside), and in watershed and warping the
/// order decides. The frame saves every look at a neighbour the question whether there is one.
package struct FramedLayout: Equatable {
    package let height, width: Int

    /// The layout of slices of this size.
    package init(height: Int, width: Int) { (self.height, self.width) = (height, width) }

    /// Pixels from one column to the next.
    var stride: Int { height + 2 }
    /// Pixels, the frame's included.
    package var count: Int { (height + 2) * (width + 2) }

    /// The pixels of a column inside the frame, from the top.
    @inline(__always)
    package func column(_ x: Int) -> Range<Int> { (x + 1) * stride + 1..<(x + 1) * stride + 1 + height }

    /// The steps to the four neighbours, in the order (x − 1, y), (x, y − 1), (x + 1, y), (x, y + 1).
    var neighbors: InlineArray<4, Int> { [-stride, -1, stride, 1] }

    /// The steps to the eight pixels around one, from the one above in a circle. Pixels with an edge in common have even numbers.
    var ring: InlineArray<8, Int> { [-1, stride - 1, stride, stride + 1, 1, 1 - stride, -stride, -stride - 1] }

    /// Copies a page that is stored row after row.
    func fill<Value>(
        _ framed: UnsafeMutablePointer<Value>, frame: Value, from page: UnsafeBufferPointer<Float>, _ value: (Float) -> Value
    ) {
        framed.initialize(repeating: frame, count: count)
        for x in 0..<width {
            let column = column(x).lowerBound
            for y in 0..<height { framed[column + y] = value(page[y * width + x]) }
        }
    }
}
