import CSIMD

// Nearest-neighbour upsampling by 2 followed by a 2 × 2 convolution that sees one row of zeros below and one column to
// the right. In one dimension y0 = x0 (w0 + w1) and y1 = y0 + (x1 − x0) w1; the tensor product takes four products for
// each source pixel instead of sixteen, exactly, and the upsampled image is never stored.

/// Forward. A tile is one source pixel; `Geometry` is that of the source.
enum Upsampled: Scheme {
    @inline(__always) static var frequencies: Int { 4 }
    @inline(__always) static var summed: Bool { false }
    @inline(__always) static var tileEdge: Int { 1 }

    @inline(__always)
    static func transformInput(
        _ input: VectorPointer, block: Int, sampleStride: Int, _ g: Geometry, _ positions: UnsafePointer<TilePosition>, count: Int,
        _ result: MutableVectorPointer, frequencyStride fs: Int, _ work: MutableVectorPointer
    ) {
        for t in 0..<count {
            let position = positions[t], right = position.column &+ 1 < g.width, below = position.row &+ 1 < g.height
            let p = input + (position.sample &* sampleStride &+ (block &* g.height &+ position.row) &* g.width &+ position.column)
            let x00 = p[0], x01 = right ? p[1] : .zero, x10 = below ? p[g.width] : .zero
            let x11 = right && below ? p[g.width &+ 1] : .zero
            let d = result + t, across = x01 - x00
            d[0] = x00
            d[fs] = across
            d[2 &* fs] = x10 - x00
            d[3 &* fs] = (x11 - x10) - across
        }
    }

    /// The four products' weights from the taps w00, w01, w10, w11.
    @inline(__always)
    static func combine(_ w00: Vector, _ w01: Vector, _ w10: Vector, _ w11: Vector, _ d: MutableVectorPointer, _ fs: Int) {
        d[0] = w00 + w01 + (w10 + w11)
        d[fs] = w01 + w11
        d[2 &* fs] = w10 + w11
        d[3 &* fs] = w11
    }

    @inline(__always)
    static func transformWeights(
        _ weights: VectorPointer, rotated: Bool, inputBlocks: Int, outputBlocks: Int, firstOutput: Int, width: Int, firstInput: Int,
        inputs: Int, _ g: Geometry, _ result: MutableVectorPointer, frequencyStride fs: Int, _ work: MutableVectorPointer
    ) {
        for c in 0..<inputs {
            for v in 0..<width {
                let s = weights + ((firstOutput &+ v) &* inputBlocks &+ firstInput &+ c) &* 64
                for i in 0..<16 { combine(s[i], s[16 &+ i], s[32 &+ i], s[48 &+ i], result + ((c &* 16 &+ i) &* width &+ v), fs) }
            }
        }
    }

    @inline(__always)
    static func transformOutput(
        _ m: VectorPointer, frequencyStride fs: Int, _ g: Geometry, _ position: TilePosition, _ store: TileStore, block: Int,
        _ work: MutableVectorPointer
    ) {
        let y00 = m[0] + store.biasVector(block), y01 = y00 + m[fs], y10 = y00 + m[2 &* fs], y11 = (y01 + m[2 &* fs]) + m[3 &* fs]
        let plane = block &* 4 &* g.height &* g.width, pixel = 4 &* position.row &* g.width &+ 2 &* position.column
        store(y00, sample: position.sample, plane: plane, pixel: pixel)
        store(y01, sample: position.sample, plane: plane, pixel: pixel &+ 1)
        store(y10, sample: position.sample, plane: plane, pixel: pixel &+ 2 &* g.width)
        store(y11, sample: position.sample, plane: plane, pixel: pixel &+ 2 &* g.width &+ 1)
    }

    @inline(__always)
    static func transformGradient(
        _ gradient: VectorPointer, block: Int, _ g: Geometry, _ positions: UnsafePointer<TilePosition>, count: Int,
        _ result: MutableVectorPointer, tileStride: Int, frequencyStride fs: Int, _ work: MutableVectorPointer
    ) -> Vector {
        let plane = gradient + block &* 4 &* g.height &* g.width
        var sum = Vector.zero
        for t in 0..<count {
            let p = plane + (4 &* positions[t].row &* g.width &+ 2 &* positions[t].column), q = p + 2 &* g.width
            let d = result + t &* tileStride
            let right = p[1] + q[1], below = q[0] + q[1], all = (p[0] + p[1]) + below
            d[0] = all
            d[fs] = right
            d[2 &* fs] = below
            d[3 &* fs] = q[1]
            sum += all
        }
        return sum
    }

    @inline(__always)
    static func adjointWeights(
        _ products: VectorPointer, frequencyStride fs: Int, inputBlocks: Int, output: Int, width: Int, firstInput: Int, inputs: Int,
        _ g: Geometry, _ result: MutableVectorPointer, _ work: MutableVectorPointer
    ) {
        for c in 0..<(inputs &* 16) {
            let s = products + c &* width
            let d = result + ((output &* inputBlocks &+ firstInput &+ c / 16) &* 64 &+ c % 16)
            let w01 = s[0] + s[fs], w10 = s[0] + s[2 &* fs]
            d[0] = s[0]
            d[16] = w01
            d[32] = w10
            d[48] = w01 + (s[2 &* fs] + s[3 &* fs])
        }
    }
}

/// Input gradient of `Upsampled`: the sum of four products with the transposed weights. `Geometry` is that of the
/// source; the input of this scheme is the gradient of the image twice as large.
enum UpsampledInput: Scheme {
    @inline(__always) static var frequencies: Int { 4 }
    @inline(__always) static var summed: Bool { true }
    @inline(__always) static var tileEdge: Int { 1 }

    @inline(__always)
    static func transformInput(
        _ input: VectorPointer, block: Int, sampleStride: Int, _ g: Geometry, _ positions: UnsafePointer<TilePosition>, count: Int,
        _ result: MutableVectorPointer, frequencyStride fs: Int, _ work: MutableVectorPointer
    ) {
        let stride = 2 &* g.width
        for t in 0..<count {
            let position = positions[t], left = position.column > 0, above = position.row > 0
            // p: the 2 × 2 outputs of this source pixel; the forward transform makes it a neighbour of those to the left and above.
            let p =
                input
                + (position.sample &* sampleStride &+ block &* 4 &* g.height &* g.width &+ 2 &* position.row &* stride &+ 2
                    &* position.column)
            let d = result + t
            let p01 = p[1], p10 = p[stride], p11 = p[stride &+ 1]
            let l01 = left ? p[-1] : .zero, l11 = left ? p[stride &- 1] : .zero
            let u10 = above ? p[-stride] : .zero, u11 = above ? p[1 &- stride] : .zero
            let c11 = left && above ? p[-stride &- 1] : .zero
            d[0] = (p[0] + p01) + (p10 + p11)
            d[fs] = (l01 + l11) - (p01 + p11)
            d[2 &* fs] = (u10 + u11) - (p10 + p11)
            d[3 &* fs] = (p11 - l11) - (u11 - c11)
        }
    }

    @inline(__always)
    static func transformWeights(
        _ weights: VectorPointer, rotated: Bool, inputBlocks: Int, outputBlocks: Int, firstOutput: Int, width: Int, firstInput: Int,
        inputs: Int, _ g: Geometry, _ result: MutableVectorPointer, frequencyStride fs: Int, _ work: MutableVectorPointer
    ) {
        for c in 0..<inputs {
            for v in 0..<width {
                let s = weights + ((firstInput &+ c) &* outputBlocks &+ firstOutput &+ v) &* 64
                for r in 0..<4 { transpose16(s + r &* 16, work + r &* 16) }
                for i in 0..<16 {
                    Upsampled.combine(
                        work[i], work[16 &+ i], work[32 &+ i], work[48 &+ i], result + ((c &* 16 &+ i) &* width &+ v), fs)
                }
            }
        }
    }

    @inline(__always)
    static func transformOutput(
        _ m: VectorPointer, frequencyStride fs: Int, _ g: Geometry, _ position: TilePosition, _ store: TileStore, block: Int,
        _ work: MutableVectorPointer
    ) {
        store(m[0], sample: position.sample, plane: block &* g.height &* g.width, pixel: position.row &* g.width &+ position.column)
    }

    @inline(__always)
    static func transformGradient(
        _ gradient: VectorPointer, block: Int, _ g: Geometry, _ positions: UnsafePointer<TilePosition>, count: Int,
        _ result: MutableVectorPointer, tileStride: Int, frequencyStride fs: Int, _ work: MutableVectorPointer
    ) -> Vector { fatalError("the weight gradient of an upsampling convolution is computed by Upsampled") }

    @inline(__always)
    static func adjointWeights(
        _ products: VectorPointer, frequencyStride fs: Int, inputBlocks: Int, output: Int, width: Int, firstInput: Int, inputs: Int,
        _ g: Geometry, _ result: MutableVectorPointer, _ work: MutableVectorPointer
    ) { fatalError("the weight gradient of an upsampling convolution is computed by Upsampled") }
}
