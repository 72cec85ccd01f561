import CSIMD

// Normalisation: sums over the pixels of each channel, and maps of each channel that are linear in its values. A task is one piece of
// one plane of sixteen channels; pieces have a fixed size, so that sums do not depend on the number of threads.

/// The task's part of the planes.
private struct PlanePiece {
    let sample, block, piece, first, count: Int

    @inline(__always) init(_ a: csimd_normalization, _ task: Int) {
        piece = task % a.pieces
        let plane = task / a.pieces
        block = plane % a.blocks
        sample = plane / a.blocks
        first = piece &* a.piece
        count = min(a.piece, a.pixels &- first)
    }

    /// The first pixel in an image of which samples are `stride` floats apart.
    @inline(__always) func of(_ image: UnsafePointer<Float>, _ stride: Int, _ a: csimd_normalization) -> VectorPointer {
        vectors(image) + (sample &* stride / 16 &+ block &* a.pixels &+ first)
    }

    /// The channels' coefficients.
    @inline(__always) func coefficients(_ a: csimd_normalization) -> VectorPointer {
        vectors(a.coefficients) + (sample &* a.blocks &+ block) &* 4
    }
}

/// The sum of `count` vectors in four chains. The same order whatever the instruction set.
@inline(__always)
private func sum(_ count: Int, _ element: (Int) -> Vector) -> Vector {
    var s0 = Vector.zero, s1 = Vector.zero, s2 = Vector.zero, s3 = Vector.zero
    var i = 0
    while i &+ 4 <= count {
        s0 += element(i)
        s1 += element(i &+ 1)
        s2 += element(i &+ 2)
        s3 += element(i &+ 3)
        i &+= 4
    }
    while i < count {
        s0 += element(i)
        i &+= 1
    }
    return (s0 + s1) + (s2 + s3)
}

/// Of each channel: the mean of the piece's pixels, and the sum of their squared distances from it.
@inline(never)
func moments(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_normalization.self).pointee
    let part = PlanePiece(a, task), x = part.of(a.input, a.inputStride, a)
    let mean = sum(part.count) { x[$0] } / Vector(repeating: Float(part.count))
    let squares = sum(part.count) { i in
        let d = x[i] - mean
        return d * d
    }
    let result = vectors(a.result) + 2 &* task
    result[0] = mean
    result[1] = squares
}

/// Of each channel: the sums of the piece's gradients, and of their products with the input's distance from coefficient 0.
@inline(never)
func gradientMoments(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_normalization.self).pointee
    let part = PlanePiece(a, task), x = part.of(a.input, a.inputStride, a), g = part.of(a.outputGradient, a.gradientStride, a)
    let mean = part.coefficients(a)[0]
    let result = vectors(a.result) + 2 &* task
    result[0] = sum(part.count) { g[$0] }
    result[1] = sum(part.count) { g[$0] * (x[$0] - mean) }
}

/// result = (input − coefficient 0) · coefficient 1 + coefficient 2, rectified if asked for.
@inline(never)
func normalize(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_normalization.self).pointee
    let part = PlanePiece(a, task), x = part.of(a.input, a.inputStride, a)
    let result = MutableVectorPointer(mutating: part.of(a.result, a.resultStride, a))
    let c = part.coefficients(a), mean = c[0], scale = c[1], shift = c[2]
    for i in 0..<part.count {
        let v = f32x16_fma(x[i] - mean, scale, shift)
        result[i] = a.relu ? f32x16_relu(v) : v
    }
}

/// result (+)= coefficient 1 · gradient + coefficient 2 · (input − coefficient 0) + coefficient 3, masked.
@inline(never)
func normalizeGradient(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_normalization.self).pointee
    let part = PlanePiece(a, task), x = part.of(a.input, a.inputStride, a), g = part.of(a.outputGradient, a.gradientStride, a)
    let result = MutableVectorPointer(mutating: part.of(a.result, a.resultStride, a))
    let mask = a.mask.map { part.of($0, a.maskStride, a) }
    let c = part.coefficients(a), mean = c[0], ofGradient = c[1], ofInput = c[2], constant = c[3]
    for i in 0..<part.count {
        var v = f32x16_fma(ofGradient, g[i], f32x16_fma(ofInput, x[i] - mean, constant))
        if a.accumulate { v += result[i] }
        if let mask { v = f32x16_where_positive(v, mask[i]) }
        result[i] = v
    }
}
