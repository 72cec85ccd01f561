import CSIMD

// F(6×6, 3×3) with interpolation points 0, ±1/2, ±1, ±2, ∞: of all triples of sixteenths those that amplify rounding errors least.
private let p1: Float = 0.5, p2: Float = 1, p3: Float = 2
private let s1 = p1 * p1, s2 = p2 * p2, s3 = p3 * p3
// Coefficients of (x² − s1)(x² − s2)(x² − s3) and of the products of two of the factors.
private let all1 = s1 + s2 + s3, all2 = s1 * s2 + s1 * s3 + s2 * s3, all3 = s1 * s2 * s3

private typealias Eight = (Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector)
private typealias Six = (Vector, Vector, Vector, Vector, Vector, Vector)
private typealias Three = (Vector, Vector, Vector)

/// The pair of rows ±p of Bᵀd for one row of data, d at distances `d`; a and b are the sum and product of the other two squares.
@inline(__always)
private func pair(_ p: Float, _ a: Float, _ b: Float, _ d: Eight) -> (Vector, Vector) {
    let even = fma(b, d.2, fma(-a, d.4, d.6)), odd = fma(b, d.1, fma(-a, d.3, d.5))
    return (fma(p, odd, even), fma(-p, odd, even))
}
/// Row 0 of Bᵀd, and row ∞ with the data one further.
@inline(__always)
private func edge(_ d0: Vector, _ d2: Vector, _ d4: Vector, _ d6: Vector) -> Vector {
    fma(-all3, d0, fma(all2, d2, fma(-all1, d4, d6)))
}
/// Bᵀd: data, 8 → 8.
@inline(__always) private func transformData(_ d: Eight) -> Eight {
    let a = pair(p1, s2 + s3, s2 * s3, d), b = pair(p2, s1 + s3, s1 * s3, d), c = pair(p3, s1 + s2, s1 * s2, d)
    return (edge(d.0, d.2, d.4, d.6), a.0, a.1, b.0, b.1, c.0, c.1, edge(d.1, d.3, d.5, d.7))
}
/// Aᵀm: output, 8 → 6.
@inline(__always) private func transformProducts(_ m: Eight) -> Six {
    let e1 = m.1 + m.2, o1 = m.1 - m.2, e2 = m.3 + m.4, o2 = m.3 - m.4, e3 = m.5 + m.6, o3 = m.5 - m.6
    return (
        m.0 + (e1 + (e2 + e3)), fma(p1, o1, fma(p2, o2, p3 * o3)), fma(s1, e1, fma(s2, e2, s3 * e3)),
        fma(s1 * p1, o1, fma(s2 * p2, o2, (s3 * p3) * o3)), fma(s1 * s1, e1, fma(s2 * s2, e2, (s3 * s3) * e3)),
        fma(s1 * s1 * p1, o1, fma(s2 * s2 * p2, o2, fma(s3 * s3 * p3, o3, m.7)))
    )
}
/// The pair of rows ±p of Ay.
@inline(__always)
private func adjointPair(_ p: Float, _ y: Six) -> (Vector, Vector) {
    let s = p * p
    let even = fma(s * s, y.4, fma(s, y.2, y.0)), odd = fma(s * s * p, y.5, fma(s * p, y.3, p * y.1))
    return (even + odd, even - odd)
}
/// Ay: adjoint of the output transform, 6 → 8.
@inline(__always) private func adjointOutput(_ y: Six) -> Eight {
    let a = adjointPair(p1, y), b = adjointPair(p2, y), c = adjointPair(p3, y)
    return (y.0, a.0, a.1, b.0, b.1, c.0, c.1, y.5)
}
private let n0 = -1 / all3
private let n1 = 1 / (2 * s1 * (s1 - s2) * (s1 - s3))
private let n2 = 1 / (2 * s2 * (s2 - s1) * (s2 - s3))
private let n3 = 1 / (2 * s3 * (s3 - s1) * (s3 - s2))
/// The pair of rows ±p of Gg; n is the points' scale.
@inline(__always)
private func tapPair(_ p: Float, _ n: Float, _ g: Three) -> (Vector, Vector) {
    let even = fma(p * p * n, g.2, n * g.0), odd = (p * n) * g.1
    return (even + odd, even - odd)
}
/// Gg: weights, 3 → 8.
@inline(__always) private func transformTaps(_ g: Three) -> Eight {
    let a = tapPair(p1, n1, g), b = tapPair(p2, n2, g), c = tapPair(p3, n3, g)
    return (n0 * g.0, a.0, a.1, b.0, b.1, c.0, c.1, g.2)
}
/// Gᵀu: adjoint of the weight transform, 8 → 3.
@inline(__always) private func adjointTaps(_ u: Eight) -> Three {
    let e1 = n1 * (u.1 + u.2), o1 = (p1 * n1) * (u.1 - u.2)
    let e2 = n2 * (u.3 + u.4), o2 = (p2 * n2) * (u.3 - u.4)
    let e3 = n3 * (u.5 + u.6), o3 = (p3 * n3) * (u.5 - u.6)
    return (fma(n0, u.0, e1 + (e2 + e3)), o1 + (o2 + o3), fma(s1, e1, fma(s2, e2, fma(s3, e3, u.7))))
}

@inline(__always) private func loadEight(_ p: VectorPointer, _ s: Int) -> Eight {
    (p[0], p[s], p[2 &* s], p[3 &* s], p[4 &* s], p[5 &* s], p[6 &* s], p[7 &* s])
}
@inline(__always) private func storeEight(_ v: Eight, _ p: MutableVectorPointer, _ s: Int) {
    p[0] = v.0
    p[s] = v.1
    p[2 &* s] = v.2
    p[3 &* s] = v.3
    p[4 &* s] = v.4
    p[5 &* s] = v.5
    p[6 &* s] = v.6
    p[7 &* s] = v.7
}

/// F(6×6, 3×3): 64 products for 36 outputs, a fifth fewer than F(4×4, 3×3), at five times its rounding error.
enum Winograd6: WinogradScheme {
    @inline(__always) static var frequencies: Int { 64 }
    @inline(__always) static var tileEdge: Int { 6 }

    /// One 8 × 8 patch to 64 frequencies. Columns are made in pairs that share terms, so that all stays in registers.
    @inline(never)
    static func transformPatch(_ source: VectorPointer, _ rowStride: Int, _ result: MutableVectorPointer, _ fs: Int) {
        @inline(__always) func columns(_ p: Float, _ a: Float, _ b: Float, _ column: Int) {
            @inline(__always) func row(_ r: Int) -> (Vector, Vector) { pair(p, a, b, loadEight(source + r &* rowStride, 1)) }
            let a = row(0), b = row(1), c = row(2), d = row(3), e = row(4), f = row(5), g = row(6), h = row(7)
            storeEight(transformData((a.0, b.0, c.0, d.0, e.0, f.0, g.0, h.0)), result + column &* fs, 8 &* fs)
            storeEight(transformData((a.1, b.1, c.1, d.1, e.1, f.1, g.1, h.1)), result + (column &+ 1) &* fs, 8 &* fs)
        }
        @inline(__always) func column(_ offset: Int, _ column: Int) {
            @inline(__always) func row(_ r: Int) -> Vector {
                let s = source + (r &* rowStride &+ offset)
                return edge(s[0], s[2], s[4], s[6])
            }
            storeEight(
                transformData((row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7))), result + column &* fs, 8 &* fs)
        }
        column(0, 0)
        columns(p1, s2 + s3, s2 * s3, 1)
        columns(p2, s1 + s3, s1 * s3, 3)
        columns(p3, s1 + s2, s1 * s2, 5)
        column(1, 7)
    }

    @inline(never)
    static func transformKernel(_ s: VectorPointer, _ tapStride: Int, _ result: MutableVectorPointer, _ fs: Int) {
        @inline(__always) func store(_ v: Three, _ column: Int) { storeEight(transformTaps(v), result + column &* fs, 8 &* fs) }
        @inline(__always) func columns(_ p: Float, _ n: Float, _ column: Int) {
            @inline(__always) func row(_ r: Int) -> (Vector, Vector) {
                let s = s + 3 &* r &* tapStride
                return tapPair(p, n, (s[0], s[tapStride], s[2 &* tapStride]))
            }
            let a = row(0), b = row(1), c = row(2)
            store((a.0, b.0, c.0), column)
            store((a.1, b.1, c.1), column &+ 1)
        }
        store((n0 * s[0], n0 * s[3 &* tapStride], n0 * s[6 &* tapStride]), 0)
        columns(p1, n1, 1)
        columns(p2, n2, 3)
        columns(p3, n3, 5)
        store((s[2 &* tapStride], s[5 &* tapStride], s[8 &* tapStride]), 7)
    }

    @inline(never)
    static func transformOutput(
        _ m: VectorPointer, frequencyStride fs: Int, _ g: Geometry, _ position: TilePosition, _ store: TileStore, block: Int,
        _ work: MutableVectorPointer
    ) {
        for j in 0..<8 {
            let c = transformProducts(loadEight(m + j &* fs, 8 &* fs)), d = work + j
            d[0] = c.0
            d[8] = c.1
            d[16] = c.2
            d[24] = c.3
            d[32] = c.4
            d[40] = c.5
        }
        let bias = store.biasVector(block), plane = block &* g.height &* g.width
        let rows = min(6, g.height &- position.row), columns = min(6, g.width &- position.column)
        for i in 0..<rows {
            let y = transformProducts(loadEight(VectorPointer(work) + 8 &* i, 1))
            let pixel = (position.row &+ i) &* g.width &+ position.column
            @inline(__always) func put(_ v: Vector, _ j: Int) {
                if j < columns { store(v + bias, sample: position.sample, plane: plane, pixel: pixel &+ j) }
            }
            put(y.0, 0)
            put(y.1, 1)
            put(y.2, 2)
            put(y.3, 3)
            put(y.4, 4)
            put(y.5, 5)
        }
    }

    @inline(never)
    static func transformGradientTile(_ source: VectorPointer, _ rowStride: Int, _ result: MutableVectorPointer, _ fs: Int) -> Vector {
        @inline(__always) func row(_ r: Int) -> Six {
            let s = source + r &* rowStride
            return (s[0], s[1], s[2], s[3], s[4], s[5])
        }
        @inline(__always) func columns(_ p: Float, _ column: Int) {
            let a = adjointPair(p, row(0)), b = adjointPair(p, row(1)), c = adjointPair(p, row(2))
            let d = adjointPair(p, row(3)), e = adjointPair(p, row(4)), f = adjointPair(p, row(5))
            storeEight(adjointOutput((a.0, b.0, c.0, d.0, e.0, f.0)), result + column &* fs, 8 &* fs)
            storeEight(adjointOutput((a.1, b.1, c.1, d.1, e.1, f.1)), result + (column &+ 1) &* fs, 8 &* fs)
        }
        @inline(__always) func column(_ offset: Int, _ column: Int) {
            let s = source + offset
            storeEight(
                adjointOutput((s[0], s[rowStride], s[2 &* rowStride], s[3 &* rowStride], s[4 &* rowStride], s[5 &* rowStride])),
                result + column &* fs, 8 &* fs)
        }
        column(0, 0)
        columns(p1, 1)
        columns(p2, 3)
        columns(p3, 5)
        column(5, 7)
        @inline(__always) func sum(_ r: Int) -> Vector {
            let y = row(r)
            return (y.0 + y.1) + ((y.2 + y.3) + (y.4 + y.5))
        }
        return (sum(0) + sum(1)) + ((sum(2) + sum(3)) + (sum(4) + sum(5)))
    }

    @inline(never)
    static func adjointKernel(_ products: VectorPointer, _ fs: Int, _ taps: MutableVectorPointer, _ work: MutableVectorPointer) {
        for j in 0..<8 {
            let r = adjointTaps(loadEight(products + j &* fs, 8 &* fs))
            work[j] = r.0
            work[8 &+ j] = r.1
            work[16 &+ j] = r.2
        }
        for i in 0..<3 {
            let r = adjointTaps(loadEight(VectorPointer(work) + i &* 8, 1))
            f32x16_stream(taps + i &* 48, r.0)
            f32x16_stream(taps + (i &* 48 &+ 16), r.1)
            f32x16_stream(taps + (i &* 48 &+ 32), r.2)
        }
    }
}
