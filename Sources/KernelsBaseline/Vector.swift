// These sources are compiled once per instruction set (KernelsAVX2 and KernelsAVX512 hold symbolic links to them).
// A vector is sixteen channels of one pixel: one zmm, two ymm, or four xmm registers, and one cache line.
import CSIMD

typealias Vector = SIMD16<Float>
typealias FloatPointer = UnsafePointer<Float>
typealias VectorPointer = UnsafePointer<Vector>
typealias MutableVectorPointer = UnsafeMutablePointer<Vector>

@inline(__always) func fma(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector { f32x16_fma(a, b, c) }
@inline(__always) func fma(_ a: Float, _ b: Vector, _ c: Vector) -> Vector { f32x16_fma(Vector(repeating: a), b, c) }

@inline(__always) func vectors(_ p: UnsafePointer<Float>) -> VectorPointer {
    UnsafeRawPointer(p).assumingMemoryBound(to: Vector.self)
}
@inline(__always) func vectors(_ p: UnsafeMutablePointer<Float>) -> MutableVectorPointer {
    UnsafeMutableRawPointer(p).assumingMemoryBound(to: Vector.self)
}
@inline(__always) func floats(_ p: VectorPointer) -> FloatPointer { UnsafeRawPointer(p).assumingMemoryBound(to: Float.self) }

/// Transposes a 16 × 16 block by four perfect shuffles, in registers where there are thirty-two of them.
@inline(never)
func transpose16(_ a: VectorPointer, _ result: MutableVectorPointer) {
    typealias Rows = (
        Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector
    )
    @inline(__always) func even(_ a: Vector, _ b: Vector) -> Vector { f32x16_even(a, b) }
    @inline(__always) func odd(_ a: Vector, _ b: Vector) -> Vector { f32x16_odd(a, b) }
    @inline(__always) func shuffle(_ r: Rows) -> Rows {
        (
            even(r.0, r.1), even(r.2, r.3), even(r.4, r.5), even(r.6, r.7), even(r.8, r.9), even(r.10, r.11), even(r.12, r.13),
            even(r.14, r.15), odd(r.0, r.1), odd(r.2, r.3), odd(r.4, r.5), odd(r.6, r.7), odd(r.8, r.9), odd(r.10, r.11), odd(r.12, r.13),
            odd(r.14, r.15)
        )
    }
    let r = shuffle(
        shuffle(
            shuffle(shuffle((a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13], a[14], a[15])))))
    result[0] = r.0
    result[1] = r.1
    result[2] = r.2
    result[3] = r.3
    result[4] = r.4
    result[5] = r.5
    result[6] = r.6
    result[7] = r.7
    result[8] = r.8
    result[9] = r.9
    result[10] = r.10
    result[11] = r.11
    result[12] = r.12
    result[13] = r.13
    result[14] = r.14
    result[15] = r.15
}
