import CSIMD

// F(4×4, 3×3) with interpolation points 0, ±5/8, ±3/2, ∞. They cost the same as the usual 0, ±1, ±2 and have a third of the error.
private let p1: Float = 0.625, p2: Float = 1.5
private let s1 = p1 * p1, s2 = p2 * p2

private typealias Six = (Vector, Vector, Vector, Vector, Vector, Vector)
private typealias Four = (Vector, Vector, Vector, Vector)
private typealias Three = (Vector, Vector, Vector)

/// Bᵀd: data, 6 → 6.
@inline(__always) private func transformData(_ d: Six) -> Six {
    let t0 = fma(-s2, d.2, d.4), t1 = fma(-s2, d.1, d.3)
    let t2 = fma(-s1, d.2, d.4), t3 = fma(-s1, d.1, d.3)
    return (
        fma(s1 * s2, d.0, fma(-(s1 + s2), d.2, d.4)), fma(p1, t1, t0), fma(-p1, t1, t0), fma(p2, t3, t2), fma(-p2, t3, t2),
        fma(s1 * s2, d.1, fma(-(s1 + s2), d.3, d.5))
    )
}
/// Aᵀm: output, 6 → 4.
@inline(__always) private func transformProducts(_ m: Six) -> Four {
    let e1 = m.1 + m.2, o1 = m.1 - m.2, e2 = m.3 + m.4, o2 = m.3 - m.4
    return (m.0 + (e1 + e2), fma(p1, o1, p2 * o2), fma(s1, e1, s2 * e2), fma(s1 * p1, o1, fma(s2 * p2, o2, m.5)))
}
/// Ay: adjoint of the output transform, 4 → 6.
@inline(__always) private func adjointOutput(_ y: Four) -> Six {
    let e1 = fma(s1, y.2, y.0), o1 = fma(s1 * p1, y.3, p1 * y.1)
    let e2 = fma(s2, y.2, y.0), o2 = fma(s2 * p2, y.3, p2 * y.1)
    return (y.0, e1 + o1, e1 - o1, e2 + o2, e2 - o2, y.3)
}
private let n0 = 1 / (s1 * s2), n1 = 1 / (2 * s1 * (s1 - s2)), n2 = 1 / (2 * s2 * (s2 - s1))
/// Gg: weights, 3 → 6.
@inline(__always) private func transformTaps(_ g: Three) -> Six {
    let e1 = fma(s1 * n1, g.2, n1 * g.0), o1 = (p1 * n1) * g.1
    let e2 = fma(s2 * n2, g.2, n2 * g.0), o2 = (p2 * n2) * g.1
    return (n0 * g.0, e1 + o1, e1 - o1, e2 + o2, e2 - o2, g.2)
}
/// Gᵀu: adjoint of the weight transform, 6 → 3.
@inline(__always) private func adjointTaps(_ u: Six) -> Three {
    let e1 = n1 * (u.1 + u.2), o1 = (p1 * n1) * (u.1 - u.2)
    let e2 = n2 * (u.3 + u.4), o2 = (p2 * n2) * (u.3 - u.4)
    return (fma(n0, u.0, e1 + e2), o1 + o2, fma(s1, e1, fma(s2, e2, u.5)))
}

@inline(__always) private func loadSix(_ p: VectorPointer, _ s: Int) -> Six { (p[0], p[s], p[2 &* s], p[3 &* s], p[4 &* s], p[5 &* s]) }
@inline(__always) private func storeSix(_ v: Six, _ p: MutableVectorPointer, _ s: Int) {
    p[0] = v.0
    p[s] = v.1
    p[2 &* s] = v.2
    p[3 &* s] = v.3
    p[4 &* s] = v.4
    p[5 &* s] = v.5
}

/// F(4×4, 3×3): 36 products for 16 outputs.
enum Winograd4: WinogradScheme {
    @inline(__always) static var frequencies: Int { 36 }
    @inline(__always) static var tileEdge: Int { 4 }

    /// One 6 × 6 patch to 36 frequencies. Columns are made in pairs that share terms, so that all stays in registers.
    @inline(never)
    static func transformPatch(_ source: VectorPointer, _ rowStride: Int, _ result: MutableVectorPointer, _ fs: Int) {
        @inline(__always) func pair(_ p: Float, _ q2: Float, _ column: Int) {
            @inline(__always) func row(_ r: Int) -> (Vector, Vector) {
                let s = source + r &* rowStride
                let t0 = fma(-q2, s[2], s[4]), t1 = fma(-q2, s[1], s[3])
                return (fma(p, t1, t0), fma(-p, t1, t0))
            }
            let a = row(0), b = row(1), c = row(2), d = row(3), e = row(4), f = row(5)
            storeSix(transformData((a.0, b.0, c.0, d.0, e.0, f.0)), result + column &* fs, 6 &* fs)
            storeSix(transformData((a.1, b.1, c.1, d.1, e.1, f.1)), result + (column &+ 1) &* fs, 6 &* fs)
        }
        @inline(__always) func edge(_ offset: Int, _ column: Int) {
            @inline(__always) func row(_ r: Int) -> Vector {
                let s = source + (r &* rowStride &+ offset)
                return fma(s1 * s2, s[0], fma(-(s1 + s2), s[2], s[4]))
            }
            storeSix(transformData((row(0), row(1), row(2), row(3), row(4), row(5))), result + column &* fs, 6 &* fs)
        }
        edge(0, 0)
        pair(p1, s2, 1)
        pair(p2, s1, 3)
        edge(1, 5)
    }

    /// 3 × 3 taps, `tapStride` vectors apart, to 36 frequencies.
    @inline(never)
    static func transformKernel(_ s: VectorPointer, _ tapStride: Int, _ result: MutableVectorPointer, _ fs: Int) {
        @inline(__always) func store(_ v: Three, _ column: Int) { storeSix(transformTaps(v), result + column &* fs, 6 &* fs) }
        @inline(__always) func pair(_ p: Float, _ n: Float, _ column: Int) {
            @inline(__always) func row(_ r: Int) -> (Vector, Vector) {
                let s = s + 3 &* r &* tapStride
                let e = fma(p * p * n, s[2 &* tapStride], n * s[0]), o = (p * n) * s[tapStride]
                return (e + o, e - o)
            }
            let a = row(0), b = row(1), c = row(2)
            store((a.0, b.0, c.0), column)
            store((a.1, b.1, c.1), column &+ 1)
        }
        store((n0 * s[0], n0 * s[3 &* tapStride], n0 * s[6 &* tapStride]), 0)
        pair(p1, n1, 1)
        pair(p2, n2, 3)
        store((s[2 &* tapStride], s[5 &* tapStride], s[8 &* tapStride]), 5)
    }

    @inline(never)
    static func transformOutput(
        _ m: VectorPointer, frequencyStride fs: Int, _ g: Geometry, _ position: TilePosition, _ store: TileStore, block: Int,
        _ work: MutableVectorPointer
    ) {
        let bias = store.biasVector(block), plane = block &* g.height &* g.width
        let rows = min(4, g.height &- position.row), columns = min(4, g.width &- position.column)
        let c0 = transformProducts(loadSix(m, 6 &* fs))
        let c1 = transformProducts(loadSix(m + fs, 6 &* fs)), c2 = transformProducts(loadSix(m + 2 &* fs, 6 &* fs))
        let e1 = (c1.0 + c2.0, c1.1 + c2.1, c1.2 + c2.2, c1.3 + c2.3), o1 = (c1.0 - c2.0, c1.1 - c2.1, c1.2 - c2.2, c1.3 - c2.3)
        let c3 = transformProducts(loadSix(m + 3 &* fs, 6 &* fs)), c4 = transformProducts(loadSix(m + 4 &* fs, 6 &* fs))
        let e2 = (c3.0 + c4.0, c3.1 + c4.1, c3.2 + c4.2, c3.3 + c4.3), o2 = (c3.0 - c4.0, c3.1 - c4.1, c3.2 - c4.2, c3.3 - c4.3)
        let c5 = transformProducts(loadSix(m + 5 &* fs, 6 &* fs))
        @inline(__always)
        func row(_ i: Int, _ c0: Vector, _ e1: Vector, _ o1: Vector, _ e2: Vector, _ o2: Vector, _ c5: Vector) {
            if i >= rows { return }
            let pixel = (position.row &+ i) &* g.width &+ position.column
            store((c0 + bias) + (e1 + e2), sample: position.sample, plane: plane, pixel: pixel)
            if columns > 1 { store(fma(p1, o1, fma(p2, o2, bias)), sample: position.sample, plane: plane, pixel: pixel &+ 1) }
            if columns > 2 { store(fma(s1, e1, fma(s2, e2, bias)), sample: position.sample, plane: plane, pixel: pixel &+ 2) }
            if columns > 3 {
                store(fma(s1 * p1, o1, fma(s2 * p2, o2, c5 + bias)), sample: position.sample, plane: plane, pixel: pixel &+ 3)
            }
        }
        row(0, c0.0, e1.0, o1.0, e2.0, o2.0, c5.0)
        row(1, c0.1, e1.1, o1.1, e2.1, o2.1, c5.1)
        row(2, c0.2, e1.2, o1.2, e2.2, o2.2, c5.2)
        row(3, c0.3, e1.3, o1.3, e2.3, o2.3, c5.3)
    }

    @inline(never)
    static func transformGradientTile(_ source: VectorPointer, _ rowStride: Int, _ result: MutableVectorPointer, _ fs: Int)
        -> Vector
    {
        @inline(__always) func store(_ v: Four, _ column: Int) { storeSix(adjointOutput(v), result + column &* fs, 6 &* fs) }
        @inline(__always) func pair(_ p: Float, _ column: Int) {
            @inline(__always) func row(_ r: Int) -> (Vector, Vector) {
                let s = source + r &* rowStride
                let e = fma(p * p, s[2], s[0]), o = fma(p * p * p, s[3], p * s[1])
                return (e + o, e - o)
            }
            let a = row(0), b = row(1), c = row(2), d = row(3)
            store((a.0, b.0, c.0, d.0), column)
            store((a.1, b.1, c.1, d.1), column &+ 1)
        }
        @inline(__always) func column(_ offset: Int) -> Four {
            (source[offset], source[rowStride &+ offset], source[2 &* rowStride &+ offset], source[3 &* rowStride &+ offset])
        }
        store(column(0), 0)
        pair(p1, 1)
        pair(p2, 3)
        store(column(3), 5)
        @inline(__always) func sum(_ c: Four) -> Vector { (c.0 + c.1) + (c.2 + c.3) }
        return (sum(column(0)) + sum(column(1))) + (sum(column(2)) + sum(column(3)))
    }

    @inline(never)
    static func adjointKernel(_ products: VectorPointer, _ fs: Int, _ taps: MutableVectorPointer, _ work: MutableVectorPointer) {
        for j in 0..<6 {
            let r = adjointTaps(loadSix(products + j &* fs, 6 &* fs))
            work[j] = r.0
            work[6 &+ j] = r.1
            work[12 &+ j] = r.2
        }
        for i in 0..<3 {
            let r = adjointTaps(loadSix(VectorPointer(work) + i &* 6, 1))
            f32x16_stream(taps + i &* 48, r.0)
            f32x16_stream(taps + (i &* 48 &+ 16), r.1)
            f32x16_stream(taps + (i &* 48 &+ 32), r.2)
        }
    }
}
