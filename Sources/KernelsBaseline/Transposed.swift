import CSIMD

// Transposed 2 × 2 convolution with stride 2: y(2i + a, 2j + b) = Σ w(a, b) x(i, j). The output pixels of one source pixel do not
// overlap with those of another, so it is four matrix products over the pixels of the source. They are computed as one with four times
// as many output blocks: block 4 k + tap is tap (row a, column b: tap = 2 a + b) of block k, in the order in which the weights lie.

/// Where in the large image tap `block` mod 4 of a source pixel lies.
@inline(__always)
private func enlargedPixel(_ block: Int, _ row: Int, _ column: Int, _ g: Geometry) -> Int {
    let tap = block & 3
    return (2 &* row &+ tap / 2) &* 2 &* g.width &+ 2 &* column &+ tap & 1
}

/// Forward and weight gradient. A tile is one source pixel; `Geometry` is that of the source, output blocks are taps.
enum Transposed: Scheme {
    @inline(__always) static var frequencies: Int { 1 }
    @inline(__always) static var summed: Bool { false }
    @inline(__always) static var tileEdge: Int { 1 }

    @inline(__always)
    static func transformInput(
        _ input: VectorPointer, block: Int, sampleStride: Int, _ g: Geometry, _ positions: UnsafePointer<TilePosition>, count: Int,
        _ result: MutableVectorPointer, frequencyStride: Int, _ work: MutableVectorPointer
    ) {
        Pointwise.transformInput(
            input, block: block, sampleStride: sampleStride, g, positions, count: count, result, frequencyStride: frequencyStride, work)
    }

    @inline(__always)
    static func transformWeights(
        _ weights: VectorPointer, rotated: Bool, inputBlocks: Int, outputBlocks: Int, firstOutput: Int, width: Int, firstInput: Int,
        inputs: Int, _ g: Geometry, _ result: MutableVectorPointer, frequencyStride: Int, _ work: MutableVectorPointer
    ) {
        for c in 0..<inputs {
            for v in 0..<width {
                let output = firstOutput &+ v, target = result + (c &* 16 &* width &+ v)
                let s = weights + ((output / 4 &* inputBlocks &+ firstInput &+ c) &* 4 &+ output & 3) &* 16
                for i in 0..<16 { target[i &* width] = s[i] }
            }
        }
    }

    @inline(__always)
    static func transformOutput(
        _ m: VectorPointer, frequencyStride: Int, _ g: Geometry, _ position: TilePosition, _ store: TileStore, block: Int,
        _ work: MutableVectorPointer
    ) {
        store(
            m[0] + store.biasVector(block / 4), sample: position.sample, plane: block / 4 &* 4 &* g.height &* g.width,
            pixel: enlargedPixel(block, position.row, position.column, g))
    }

    @inline(__always)
    static func transformGradient(
        _ gradient: VectorPointer, block: Int, _ g: Geometry, _ positions: UnsafePointer<TilePosition>, count: Int,
        _ result: MutableVectorPointer, tileStride: Int, frequencyStride: Int, _ work: MutableVectorPointer
    ) -> Vector {
        let plane = gradient + block / 4 &* 4 &* g.height &* g.width
        var sum = Vector.zero
        for t in 0..<count {
            let v = plane[enlargedPixel(block, positions[t].row, positions[t].column, g)]
            result[t &* tileStride] = v
            sum += v
        }
        return sum
    }

    @inline(__always)
    static func adjointWeights(
        _ products: VectorPointer, frequencyStride: Int, inputBlocks: Int, output: Int, width: Int, firstInput: Int, inputs: Int,
        _ g: Geometry, _ result: MutableVectorPointer, _ work: MutableVectorPointer
    ) {
        for c in 0..<(inputs &* 16) {
            result[((output / 4 &* inputBlocks &+ firstInput &+ c / 16) &* 4 &+ output & 3) &* 16 &+ c % 16] = products[c &* width]
        }
    }
}

/// Input gradient of `Transposed`: the same product with the roles exchanged, so that input blocks are taps of the large image's gradient.
enum TransposedInput: Scheme {
    @inline(__always) static var frequencies: Int { 1 }
    @inline(__always) static var summed: Bool { false }
    @inline(__always) static var tileEdge: Int { 1 }

    @inline(__always)
    static func transformInput(
        _ input: VectorPointer, block: Int, sampleStride: Int, _ g: Geometry, _ positions: UnsafePointer<TilePosition>, count: Int,
        _ result: MutableVectorPointer, frequencyStride: Int, _ work: MutableVectorPointer
    ) {
        let plane = input + block / 4 &* 4 &* g.height &* g.width
        for t in 0..<count {
            let p = positions[t]
            result[t] = plane[p.sample &* sampleStride &+ enlargedPixel(block, p.row, p.column, g)]
        }
    }

    @inline(__always)
    static func transformWeights(
        _ weights: VectorPointer, rotated: Bool, inputBlocks: Int, outputBlocks: Int, firstOutput: Int, width: Int, firstInput: Int,
        inputs: Int, _ g: Geometry, _ result: MutableVectorPointer, frequencyStride: Int, _ work: MutableVectorPointer
    ) {
        for c in 0..<inputs {
            let input = firstInput &+ c
            for v in 0..<width {
                transpose16(weights + ((input / 4 &* outputBlocks &+ firstOutput &+ v) &* 4 &+ input & 3) &* 16, work)
                let target = result + (c &* 16 &* width &+ v)
                for i in 0..<16 { target[i &* width] = work[i] }
            }
        }
    }

    @inline(__always)
    static func transformOutput(
        _ m: VectorPointer, frequencyStride: Int, _ g: Geometry, _ position: TilePosition, _ store: TileStore, block: Int,
        _ work: MutableVectorPointer
    ) {
        Pointwise.transformOutput(m, frequencyStride: frequencyStride, g, position, store, block: block, work)
    }

    @inline(__always)
    static func transformGradient(
        _ gradient: VectorPointer, block: Int, _ g: Geometry, _ positions: UnsafePointer<TilePosition>, count: Int,
        _ result: MutableVectorPointer, tileStride: Int, frequencyStride: Int, _ work: MutableVectorPointer
    ) -> Vector { fatalError("the weight gradient of a transposed convolution is computed by Transposed") }

    @inline(__always)
    static func adjointWeights(
        _ products: VectorPointer, frequencyStride: Int, inputBlocks: Int, output: Int, width: Int, firstInput: Int, inputs: Int,
        _ g: Geometry, _ result: MutableVectorPointer, _ work: MutableVectorPointer
    ) { fatalError("the weight gradient of a transposed convolution is computed by Transposed") }
}
