import CSIMD

// Matrix products held in registers. The register block is a compile-time choice: 24 accumulators of one register on
// AVX-512 (32 registers), 6 of two on AVX2 (16 registers), 6 of four on NEON (32), 2 of four on baseline x86-64. Narrow
// panels take 16 or 12 accumulators on AVX-512: the compiler does not unroll longer loops over rows, and accumulators that
// are indexed by a loop's counter live in memory. `ObjectCodeTests` looks at each block's machine code.

/// Output vectors that one product handles together: transformed weights lie as [blocks / width][frequency][channel][width].
@inline(__always) func panelWidth(_ outputBlocks: Int) -> Int {
    #if UNET_AVX512
        return outputBlocks & 3 == 0 ? 4 : (outputBlocks & 1 == 0 ? 2 : 1)
    #else
        return 1
    #endif
}

/// Channel blocks multiplied before the accumulators go back to memory: the panel of weights then stays in the L1 cache.
let channelChunk = 8

/// Accumulators that start at zero. Written out, since `InlineArray(repeating:)` may become a function of its own; that would
/// be a weak symbol without this module's name, and the linker would take any instruction set's version of it for all of them.
enum Zeros {
    private static var z: Vector { @inline(__always) get { .zero } }
    static var of1: InlineArray<1, Vector> { @inline(__always) get { [z] } }
    static var of2: InlineArray<2, Vector> { @inline(__always) get { [z, z] } }
    static var of4: InlineArray<4, Vector> { @inline(__always) get { [z, z, z, z] } }
    static var of5: InlineArray<5, Vector> { @inline(__always) get { [z, z, z, z, z] } }
    static var of6: InlineArray<6, Vector> { @inline(__always) get { [z, z, z, z, z, z] } }
    static var of8: InlineArray<8, Vector> { @inline(__always) get { [z, z, z, z, z, z, z, z] } }
    static var of12: InlineArray<12, Vector> { @inline(__always) get { [z, z, z, z, z, z, z, z, z, z, z, z] } }
    static var of16: InlineArray<16, Vector> { @inline(__always) get { [z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z] } }
    static var of20: InlineArray<20, Vector> { @inline(__always) get { [z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z] } }
    static var of24: InlineArray<24, Vector> {
        @inline(__always) get { [z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z] }
    }
}

/// c[t][v] (+)= Σ a[block][t][k] · b[block][k][v] over `blocks` blocks of 16 channels k, for `rows` tiles t.
/// One line of `prefetch` is fetched for each k.
@inline(__always)
func tileProduct<let n: Int>(
    _ zeros: InlineArray<n, Vector>, rows: Int, vectors: Int, blocks: Int, _ a: FloatPointer, _ blockStride: Int, _ b: VectorPointer,
    _ c: MutableVectorPointer, _ accumulate: Bool, _ prefetch: VectorPointer
) {
    var sums = zeros
    if accumulate {
        for i in 0..<n { sums[unchecked: i] = c[i] }
    }
    var a = a, b = b, f = prefetch
    for _ in 0..<blocks {
        for k in 0..<16 {
            for t in 0..<rows {
                let x = Vector(repeating: a[t &* 16 &+ k])
                for v in 0..<vectors {
                    sums[unchecked: t &* vectors &+ v] = f32x16_fma(x, b[v], sums[unchecked: t &* vectors &+ v])
                }
            }
            csimd_prefetch(f)
            f += 1
            b += vectors
        }
        a += blockStride
    }
    for i in 0..<n { c[i] = sums[unchecked: i] }
}

/// All tiles of one frequency: c[t][v] (+)= Σ_k a[k][t] · b[k][v], channels in chunks. While one chunk is multiplied the
/// next panel of b and block of a are fetched, one line for each k.
@inline(__always)
func panelProduct(
    tiles: Int, width: Int, blocks: Int, _ a0: FloatPointer, _ blockStride: Int, _ b0: VectorPointer, _ c: MutableVectorPointer,
    accumulate: Bool
) {
    var a = a0, b = b0, left = blocks, accumulate = accumulate
    while left > 0 {
        let n = min(channelChunk, left)
        let nextB = b + n &* 16 &* width, nextA = vectors(a + n &* blockStride)
        let linesOfA = n &* blockStride / 16
        var t = 0, call = 0
        @inline(__always) func prefetch() -> VectorPointer {
            defer { call &+= 1 }
            if call < width { return nextB + call &* n &* 16 }
            let line = (call &- width) &* n &* 16
            return line < linesOfA ? nextA + line : b
        }
        #if UNET_AVX512
            switch width {
            case 4:
                while t &+ 6 <= tiles { product6x4(n, a + t &* 16, blockStride, b, c + t &* 4, accumulate, prefetch()); t &+= 6 }
                while t &+ 2 <= tiles { product2x4(n, a + t &* 16, blockStride, b, c + t &* 4, accumulate, prefetch()); t &+= 2 }
                if t < tiles { product1x4(n, a + t &* 16, blockStride, b, c + t &* 4, accumulate, prefetch()) }
            case 2:
                while t &+ 8 <= tiles { product8x2(n, a + t &* 16, blockStride, b, c + t &* 2, accumulate, prefetch()); t &+= 8 }
                while t &+ 4 <= tiles { product4x2(n, a + t &* 16, blockStride, b, c + t &* 2, accumulate, prefetch()); t &+= 4 }
                while t < tiles { product1x2(n, a + t &* 16, blockStride, b, c + t &* 2, accumulate, prefetch()); t &+= 1 }
            default:
                while t &+ 12 <= tiles { product12x1(n, a + t &* 16, blockStride, b, c + t, accumulate, prefetch()); t &+= 12 }
                while t &+ 4 <= tiles { product4x1(n, a + t &* 16, blockStride, b, c + t, accumulate, prefetch()); t &+= 4 }
                while t < tiles { product1x1(n, a + t &* 16, blockStride, b, c + t, accumulate, prefetch()); t &+= 1 }
            }
        #elseif UNET_AVX2 || arch(arm64)
            while t &+ 6 <= tiles { product6x1(n, a + t &* 16, blockStride, b, c + t, accumulate, prefetch()); t &+= 6 }
            while t &+ 4 <= tiles { product4x1(n, a + t &* 16, blockStride, b, c + t, accumulate, prefetch()); t &+= 4 }
            while t < tiles { product1x1(n, a + t &* 16, blockStride, b, c + t, accumulate, prefetch()); t &+= 1 }
        #else
            while t &+ 2 <= tiles { product2x1(n, a + t &* 16, blockStride, b, c + t, accumulate, prefetch()); t &+= 2 }
            if t < tiles { product1x1(n, a + t &* 16, blockStride, b, c + t, accumulate, prefetch()) }
        #endif
        left &-= n
        a += n &* blockStride
        b = nextB
        accumulate = true
    }
}

/// Tile groups are made multiples of this, so that only the last group has a remainder.
#if UNET_AVX512
    let tileMultiple = 48
#elseif UNET_AVX2 || arch(arm64)
    let tileMultiple = 6
#else
    let tileMultiple = 2
#endif

#if UNET_AVX512
    @inline(never) func product6x4(
        _ n: Int, _ a: FloatPointer, _ s: Int, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        tileProduct(Zeros.of24, rows: 6, vectors: 4, blocks: n, a, s, b, c, acc, f)
    }
    @inline(never) func product2x4(
        _ n: Int, _ a: FloatPointer, _ s: Int, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        tileProduct(Zeros.of8, rows: 2, vectors: 4, blocks: n, a, s, b, c, acc, f)
    }
    @inline(never) func product1x4(
        _ n: Int, _ a: FloatPointer, _ s: Int, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        tileProduct(Zeros.of4, rows: 1, vectors: 4, blocks: n, a, s, b, c, acc, f)
    }
    @inline(never) func product8x2(
        _ n: Int, _ a: FloatPointer, _ s: Int, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        tileProduct(Zeros.of16, rows: 8, vectors: 2, blocks: n, a, s, b, c, acc, f)
    }
    @inline(never) func product4x2(
        _ n: Int, _ a: FloatPointer, _ s: Int, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        tileProduct(Zeros.of8, rows: 4, vectors: 2, blocks: n, a, s, b, c, acc, f)
    }
    @inline(never) func product1x2(
        _ n: Int, _ a: FloatPointer, _ s: Int, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        tileProduct(Zeros.of2, rows: 1, vectors: 2, blocks: n, a, s, b, c, acc, f)
    }
    @inline(never) func product12x1(
        _ n: Int, _ a: FloatPointer, _ s: Int, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        tileProduct(Zeros.of12, rows: 12, vectors: 1, blocks: n, a, s, b, c, acc, f)
    }
#endif
#if UNET_AVX2 || arch(arm64)
    @inline(never) func product6x1(
        _ n: Int, _ a: FloatPointer, _ s: Int, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        tileProduct(Zeros.of6, rows: 6, vectors: 1, blocks: n, a, s, b, c, acc, f)
    }
#endif
#if UNET_AVX512 || UNET_AVX2 || arch(arm64)
    @inline(never) func product4x1(
        _ n: Int, _ a: FloatPointer, _ s: Int, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        tileProduct(Zeros.of4, rows: 4, vectors: 1, blocks: n, a, s, b, c, acc, f)
    }
#else
    @inline(never) func product2x1(
        _ n: Int, _ a: FloatPointer, _ s: Int, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        tileProduct(Zeros.of2, rows: 2, vectors: 1, blocks: n, a, s, b, c, acc, f)
    }
#endif
@inline(never) func product1x1(
    _ n: Int, _ a: FloatPointer, _ s: Int, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
) {
    tileProduct(Zeros.of1, rows: 1, vectors: 1, blocks: n, a, s, b, c, acc, f)
}

/// c[r][v] (+)= Σ_t a[t][r] · b[t][v] over `depth` tiles, for `rows` channels r of one block of 16: the product of the
/// weight gradient.
@inline(__always)
func outerProduct<let n: Int>(
    _ zeros: InlineArray<n, Vector>, rows: Int, vectors: Int, depth: Int, _ a: FloatPointer, _ b: VectorPointer,
    _ c: MutableVectorPointer, _ accumulate: Bool, _ prefetch: VectorPointer
) {
    var sums = zeros
    if accumulate {
        for i in 0..<n { sums[unchecked: i] = c[i] }
    }
    var a = a, b = b, f = prefetch
    for _ in 0..<depth {
        for r in 0..<rows {
            let x = Vector(repeating: a[r])
            for v in 0..<vectors { sums[unchecked: r &* vectors &+ v] = f32x16_fma(x, b[v], sums[unchecked: r &* vectors &+ v]) }
        }
        csimd_prefetch(f)
        f += 1
        a += 16
        b += vectors
    }
    for i in 0..<n { c[i] = sums[unchecked: i] }
}

/// One frequency of a weight-gradient unit: `blocks` blocks of 16 channels against one panel, over `depth` tiles.
/// `nextA`, `nextB`, `nextC` are the operands of the next frequency.
@inline(__always)
func panelOuterProduct(
    depth: Int, width: Int, blocks: Int, _ a: FloatPointer, _ blockStride: Int, _ b: VectorPointer, _ c: MutableVectorPointer,
    accumulate: Bool, _ nextA: FloatPointer, _ nextB: VectorPointer, _ nextC: VectorPointer
) {
    for i in 0..<blocks {
        let p = a + i &* blockStride, d = c + i &* 16 &* width
        let fetchA = vectors(nextA + i &* blockStride), fetchB = i < width ? nextB + i &* depth : fetchA
        let fetchC = nextC + i &* 16 &* width
        #if UNET_AVX512
            switch width {
            case 4:
                outer6x4(depth, p, b, d, accumulate, fetchA)
                outer5x4(depth, p + 6, b, d + 24, accumulate, fetchB)
                outer5x4(depth, p + 11, b, d + 44, accumulate, fetchC)
            case 2:
                outer8x2(depth, p, b, d, accumulate, fetchA)
                outer8x2(depth, p + 8, b, d + 16, accumulate, fetchB)
            default:
                outer16x1(depth, p, b, d, accumulate, fetchA)
            }
        #elseif UNET_AVX2 || arch(arm64)
            outer6x1(depth, p, b, d, accumulate, fetchA)
            outer5x1(depth, p + 6, b, d + 6, accumulate, fetchB)
            outer5x1(depth, p + 11, b, d + 11, accumulate, fetchC)
        #else
            for r in 0..<8 { outer2x1(depth, p + 2 &* r, b, d + 2 &* r, accumulate, r == 0 ? fetchA : (r == 1 ? fetchB : fetchC)) }
        #endif
    }
}

#if UNET_AVX512
    @inline(never) func outer6x4(
        _ n: Int, _ a: FloatPointer, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        outerProduct(Zeros.of24, rows: 6, vectors: 4, depth: n, a, b, c, acc, f)
    }
    @inline(never) func outer5x4(
        _ n: Int, _ a: FloatPointer, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        outerProduct(Zeros.of20, rows: 5, vectors: 4, depth: n, a, b, c, acc, f)
    }
    @inline(never) func outer8x2(
        _ n: Int, _ a: FloatPointer, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        outerProduct(Zeros.of16, rows: 8, vectors: 2, depth: n, a, b, c, acc, f)
    }
    @inline(never) func outer16x1(
        _ n: Int, _ a: FloatPointer, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        outerProduct(Zeros.of16, rows: 16, vectors: 1, depth: n, a, b, c, acc, f)
    }
#elseif UNET_AVX2 || arch(arm64)
    @inline(never) func outer6x1(
        _ n: Int, _ a: FloatPointer, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        outerProduct(Zeros.of6, rows: 6, vectors: 1, depth: n, a, b, c, acc, f)
    }
    @inline(never) func outer5x1(
        _ n: Int, _ a: FloatPointer, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        outerProduct(Zeros.of5, rows: 5, vectors: 1, depth: n, a, b, c, acc, f)
    }
#else
    @inline(never) func outer2x1(
        _ n: Int, _ a: FloatPointer, _ b: VectorPointer, _ c: MutableVectorPointer, _ acc: Bool, _ f: VectorPointer
    ) {
        outerProduct(Zeros.of2, rows: 2, vectors: 1, depth: n, a, b, c, acc, f)
    }
#endif
