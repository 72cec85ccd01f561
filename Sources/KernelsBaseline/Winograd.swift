import CSIMD

/// Winograd's minimal filtering F(m×m, 3×3), stride 1: what does not depend on m.
/// A tile is m × m outputs, made from a patch of (m + 2) × (m + 2) inputs by as many products for each pair of channels.
///
/// Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016: Y = Aᵀ[(G g Gᵀ) ∘ (Bᵀ d B)]A.
protocol WinogradScheme: Scheme {
    /// Bᵀ d B of one patch, `rowStride` vectors between its rows; frequencies go `fs` apart.
    static func transformPatch(_ source: VectorPointer, _ rowStride: Int, _ result: MutableVectorPointer, _ fs: Int)
    /// G g Gᵀ of 3 × 3 taps, `tapStride` vectors apart.
    static func transformKernel(_ taps: VectorPointer, _ tapStride: Int, _ result: MutableVectorPointer, _ fs: Int)
    /// A y Aᵀ of one tile of the output gradient. Returns the sum of the tile.
    static func transformGradientTile(_ source: VectorPointer, _ rowStride: Int, _ result: MutableVectorPointer, _ fs: Int) -> Vector
    /// Gᵀ u G: the 3 × 3 taps, 16 vectors apart, from the frequencies. `work` holds three rows of frequencies.
    static func adjointKernel(_ products: VectorPointer, _ fs: Int, _ taps: MutableVectorPointer, _ work: MutableVectorPointer)
}

/// Copies `edge` × `edge` pixels from (row, column) on, with zeros outside the image.
@inline(never)
private func copyPadded(
    _ plane: VectorPointer, _ height: Int, _ width: Int, _ row: Int, _ column: Int, _ edge: Int, _ result: MutableVectorPointer
) {
    for i in 0..<edge {
        for j in 0..<edge {
            let y = row &+ i, x = column &+ j
            result[i &* edge &+ j] = y >= 0 && y < height && x >= 0 && x < width ? plane[y &* width &+ x] : .zero
        }
    }
}

/// Fetches what the tile after this one reads and this one does not: whole images come from memory, row by row, and the hardware
/// does not see far enough ahead.
@inline(__always)
private func prefetch(_ plane: VectorPointer, _ row: Int, _ column: Int, rows: Int, columns: Int, _ width: Int) {
    var p = plane + (row &* width &+ column)
    for _ in 0..<rows {
        for j in 0..<columns { csimd_prefetch(p + j) }
        p += width
    }
}

extension WinogradScheme {
    @inline(__always) static var summed: Bool { false }

    @inline(__always)
    static func transformInput(
        _ input: VectorPointer, block: Int, sampleStride: Int, _ g: Geometry, _ positions: UnsafePointer<TilePosition>, count: Int,
        _ result: MutableVectorPointer, frequencyStride: Int, _ work: MutableVectorPointer
    ) {
        let height = g.inputHeight, width = g.inputWidth, patchEdge = tileEdge &+ 2
        for t in 0..<count {
            let position = positions[t], y = position.row &- g.top, x = position.column &- g.left
            let plane = input + (position.sample &* sampleStride &+ block &* height &* width)
            let next = positions[min(t &+ 1, count &- 1)]
            prefetch(plane, next.row &- g.top, next.column &- g.left &+ 2, rows: patchEdge, columns: tileEdge, width)
            if y >= 0 && x >= 0 && y &+ patchEdge <= height && x &+ patchEdge <= width {
                transformPatch(plane + (y &* width &+ x), width, result + t, frequencyStride)
            } else {
                copyPadded(plane, height, width, y, x, patchEdge, work)
                transformPatch(VectorPointer(work), patchEdge, result + t, frequencyStride)
            }
        }
    }

    @inline(__always)
    static func transformWeights(
        _ weights: VectorPointer, rotated: Bool, inputBlocks: Int, outputBlocks: Int, firstOutput: Int, width: Int, firstInput: Int,
        inputs: Int, _ g: Geometry, _ result: MutableVectorPointer, frequencyStride: Int, _ work: MutableVectorPointer
    ) {
        /// Block i of the panel in the order of the loop below. The layer's blocks are [output][input]; seen from its input gradient,
        /// [input][output].
        @inline(__always) func block(_ i: Int) -> VectorPointer {
            let c = firstInput &+ i / width, k = firstOutput &+ i % width
            return weights + (rotated ? c &* outputBlocks &+ k : k &* inputBlocks &+ c) &* 144
        }
        let count = inputs &* width
        var source = block(0)
        for i in 0..<count {
            let next = block(min(i &+ 1, count &- 1)), target = result + (i / width &* 16 &* width &+ i % width)
            var taps = source
            if rotated {
                // Each tap is transposed, the order of the taps reversed.
                for r in 0..<9 {
                    transpose16(source + r &* 16, work + (8 &- r) &* 16)
                    for j in 0..<16 { csimd_prefetch(next + (r &* 16 &+ j)) }
                }
                taps = VectorPointer(work)
            }
            for j in 0..<16 {
                if !rotated { for r in 0..<9 { csimd_prefetch(next + (r &* 16 &+ j)) } }
                transformKernel(taps + j, 16, target + j &* width, frequencyStride)
            }
            source = next
        }
    }

    @inline(__always)
    static func transformGradient(
        _ gradient: VectorPointer, block: Int, _ g: Geometry, _ positions: UnsafePointer<TilePosition>, count: Int,
        _ result: MutableVectorPointer, tileStride: Int, frequencyStride: Int, _ work: MutableVectorPointer
    ) -> Vector {
        let plane = gradient + block &* g.height &* g.width
        var sum = Vector.zero
        for t in 0..<count {
            let y = positions[t].row, x = positions[t].column
            let next = positions[min(t &+ 1, count &- 1)]
            prefetch(plane, next.row, next.column, rows: tileEdge, columns: tileEdge, g.width)
            if y &+ tileEdge <= g.height && x &+ tileEdge <= g.width {
                sum += transformGradientTile(plane + (y &* g.width &+ x), g.width, result + t &* tileStride, frequencyStride)
            } else {
                copyPadded(plane, g.height, g.width, y, x, tileEdge, work)
                sum += transformGradientTile(VectorPointer(work), tileEdge, result + t &* tileStride, frequencyStride)
            }
        }
        return sum
    }

    @inline(__always)
    static func adjointWeights(
        _ products: VectorPointer, frequencyStride fs: Int, inputBlocks: Int, output: Int, width: Int, firstInput: Int, inputs: Int,
        _ g: Geometry, _ result: MutableVectorPointer, _ work: MutableVectorPointer
    ) {
        for c in 0..<(inputs &* 16) {
            let taps = result + ((output &* inputBlocks &+ firstInput &+ c / 16) &* 144 &+ c % 16)
            adjointKernel(products + c &* width, fs, taps, work)
        }
    }
}
