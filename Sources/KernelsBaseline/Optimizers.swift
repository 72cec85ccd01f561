import CSIMD

// Updates of flat buffers: one task is one piece.

/// Adam (Kingma and Ba, 2015): g = scale · gradient + decay · w, w −= pull · w + step m / (√v · correction + ε), over one piece, and the
/// checksum of the piece as it now is.
@inline(never)
func adam(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_adam.self).pointee
    let first = task &* a.piece, n = min(a.piece, a.count &- first) / 16
    let w = vectors(a.parameters + first), g = vectors(a.gradients + first)
    let m = vectors(a.firstMoment + first), v = vectors(a.secondMoment + first)
    let epsilon = Vector(repeating: a.epsilon), step = Vector(repeating: a.stepSize), correction = Vector(repeating: a.secondCorrection)
    let beta1 = Vector(repeating: a.beta1), rest1 = Vector(repeating: a.rest1)
    let beta2 = Vector(repeating: a.beta2), rest2 = Vector(repeating: a.rest2)
    let scale = Vector(repeating: a.gradientScale), decay = Vector(repeating: a.decay), pull = Vector(repeating: a.pull)
    var sum = checksumStart
    for i in 0..<n {
        let gradient = f32x16_fma(decay, w[i], scale * g[i])
        let first = f32x16_fma(beta1, m[i], rest1 * gradient)
        let second = f32x16_fma(beta2, v[i], (rest2 * gradient) * gradient)
        m[i] = first
        v[i] = second
        let new = w[i] - f32x16_fma(pull, w[i], (step * first) / f32x16_fma(f32x16_sqrt(second), correction, epsilon))
        w[i] = new
        sum = u32x16_mix(sum, new)
    }
    a.checksums[task] = folded(sum)
}

/// Gradient descent with momentum: g = scale · gradient + decay · w, v = μ v + g, w −= η (v · velocityShare + g · gradientShare), over
/// one piece, and the checksum of the piece as it now is.
@inline(never)
func momentum(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_momentum.self).pointee
    let first = task &* a.piece, n = min(a.piece, a.count &- first) / 16
    let w = vectors(a.parameters + first), g = vectors(a.gradients + first), v = vectors(a.velocity + first)
    let scale = Vector(repeating: a.gradientScale), decay = Vector(repeating: a.decay)
    let momentum = Vector(repeating: a.momentum), rate = Vector(repeating: a.learningRate)
    let velocityShare = Vector(repeating: a.velocityShare), gradientShare = Vector(repeating: a.gradientShare)
    var sum = checksumStart
    for i in 0..<n {
        let gradient = f32x16_fma(decay, w[i], scale * g[i])
        let velocity = f32x16_fma(momentum, v[i], gradient)
        v[i] = velocity
        let new = w[i] - rate * f32x16_fma(velocityShare, velocity, gradientShare * gradient)
        w[i] = new
        sum = u32x16_mix(sum, new)
    }
    a.checksums[task] = folded(sum)
}

/// average += rate (values − average) over one piece.
@inline(never)
func average(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_average.self).pointee
    let first = task &* a.piece, n = min(a.piece, a.count &- first) / 16
    let values = vectors(a.values + first), average = vectors(a.average + first), rate = Vector(repeating: a.rate)
    for i in 0..<n { average[i] = f32x16_fma(rate, values[i] - average[i], average[i]) }
}

/// The bits of the sum of squares of one piece, in double precision: the squares are exact there, so that the instruction set makes no
/// difference. Not finite if and only if one of the floats is not.
@inline(__always)
func squareSum(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_check.self).pointee
    let first = task &* a.piece, n = min(a.piece, a.count &- first) / 16
    let values = vectors(a.values + first)
    var lanes = SIMD16<Double>()
    for i in 0..<n { lanes = f64x16_add_square(lanes, values[i]) }
    var sum = 0.0
    for i in 0..<16 { sum += lanes[i] }
    a.results[task] = sum.bitPattern
}
