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

/// Transposes a 16 × 16 block (rows `sourceStride` vectors apart) by four perfect-shuffle rounds; `work` holds 32 vectors.
@inline(__always)
func transpose16(_ source: VectorPointer, _ result: MutableVectorPointer, _ work: MutableVectorPointer) {
    @inline(__always) func shuffle(_ a: VectorPointer, _ b: MutableVectorPointer) {
        for i in 0..<8 {
            let x = a[2 &* i], y = a[2 &* i &+ 1]
            b[i] = f32x16_even(x, y)
            b[i &+ 8] = f32x16_odd(x, y)
        }
    }
    shuffle(source, work)
    shuffle(VectorPointer(work), work + 16)
    shuffle(VectorPointer(work + 16), work)
    shuffle(VectorPointer(work), result)
}
