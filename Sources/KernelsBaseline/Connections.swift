import CSIMD

// What connects the branches of a network: sums, gates and the cutting of borders.

/// result = first + second over one plane, rectified if asked for.
@inline(never)
func sum(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_sum.self).pointee
    let sample = task / a.blocks, plane = task % a.blocks &* a.pixels
    let x = vectors(a.first) + (sample &* a.firstStride / 16 &+ plane), y = vectors(a.second) + (sample &* a.secondStride / 16 &+ plane)
    let result = vectors(a.result) + (sample &* a.resultStride / 16 &+ plane)
    for p in 0..<a.pixels {
        let v = x[p] + y[p]
        result[p] = a.relu ? f32x16_relu(v) : v
    }
}

/// 1 / (1 + e^−z), from operations that IEEE 754 rounds exactly: the same bits everywhere.
@inline(__always)
private func sigmoid(_ z: Float) -> Float {
    // e^−|z| = 2^n e^r with |r| ≤ ln 2 / 2; below −87 it adds nothing to 1, and is 0 for our purposes. Not-a-number stays.
    let x = z < 0 ? z : -z
    if x < -87 { return z < 0 ? 0 : 1 }
    let n = (x * 1.442_695_04 + 12_582_912) - 12_582_912  // rounded to an integer
    let r = (x - n * 0.693_359_375) + n * 2.121_944_4e-4
    var p: Float = 1.984_126_98e-4
    p = p * r + 1.388_888_89e-3
    p = p * r + 8.333_333_33e-3
    p = p * r + 4.166_666_67e-2
    p = p * r + 0.166_666_667
    p = p * r + 0.5
    p = (p * r) * r + r + 1
    if !(n == n) { return n }
    let e = p * Float(bitPattern: UInt32(truncatingIfNeeded: 127 &+ Int(n)) << 23)
    return z < 0 ? e / (1 + e) : 1 / (1 + e)
}

/// The task's pixels of a gate: one piece of one sample.
@inline(__always)
private func gatePiece(_ a: csimd_gate, _ task: Int) -> (sample: Int, pixels: Range<Int>) {
    let first = task % a.pieces &* a.piece
    return (task / a.pieces, first..<min(first &+ a.piece, a.pixels))
}

/// result = input · σ(gate), the gate being lane 0 of one block.
@inline(never)
func gate(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_gate.self).pointee
    let (sample, pixels) = gatePiece(a, task)
    let x = vectors(a.input) + sample &* a.inputStride / 16, result = vectors(a.result) + sample &* a.resultStride / 16
    let gate = a.gate + sample &* a.gateStride
    for p in pixels {
        let s = Vector(repeating: sigmoid(gate[p &* 16]))
        var i = p
        for _ in 0..<a.blocks {
            result[i] = s * x[i]
            i &+= a.pixels
        }
    }
}

/// Backward: the input's gradient is σ · g, the gate's σ (1 − σ) Σ g x over the channels. Either may not be wanted.
@inline(never)
func gateGradient(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_gate.self).pointee
    let (sample, pixels) = gatePiece(a, task)
    let x = vectors(a.input) + sample &* a.inputStride / 16, g = vectors(a.outputGradient) + sample &* a.gradientStride / 16
    let gate = a.gate + sample &* a.gateStride
    let ofInput = a.inputGradient.map { vectors($0) + sample &* a.inputGradientStride / 16 }
    let ofGate = a.gateGradient.map { vectors($0) + sample &* a.gateGradientStride / 16 }
    for p in pixels {
        let scalar = sigmoid(gate[p &* 16]), s = Vector(repeating: scalar)
        var products = Vector.zero, i = p
        for _ in 0..<a.blocks {
            products = f32x16_fma(g[i], x[i], products)
            if let ofInput {
                var v = s * g[i]
                if a.accumulateInput { v += ofInput[i] }
                if a.maskInput { v = f32x16_where_positive(v, x[i]) }
                ofInput[i] = v
            }
            i &+= a.pixels
        }
        if let ofGate {
            var total: Float = 0
            for lane in 0..<16 { total += products[lane] }
            var v = Vector.zero
            v[0] = total * (scalar * (1 - scalar))
            if a.accumulateGate { v += ofGate[p] }
            if a.maskGate && !(gate[p &* 16] > 0) { v = .zero }
            ofGate[p] = v
        }
    }
}

/// The middle of a larger plane.
@inline(never)
func crop(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_crop.self).pointee
    let sample = task / a.blocks, block = task % a.blocks
    var source = vectors(a.source) + (sample &* a.sourceStride / 16 &+ (block &* a.largeHeight &+ a.top) &* a.largeWidth &+ a.left)
    var result = vectors(a.result) + (sample &* a.resultStride / 16 &+ block &* a.height &* a.width)
    for _ in 0..<a.height {
        for x in 0..<a.width { result[x] = source[x] }
        source += a.largeWidth
        result += a.width
    }
}

/// Backward: zeros around the gradient, or nothing where it is added to what is there.
@inline(never)
func cropGradient(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_crop.self).pointee
    let sample = task / a.blocks, block = task % a.blocks, plane = block &* a.largeHeight &* a.largeWidth
    let result = vectors(a.result) + (sample &* a.resultStride / 16 &+ plane)
    let mask = a.mask.map { vectors($0) + (sample &* a.maskStride / 16 &+ plane) }
    if !a.accumulate {
        for i in 0..<(a.largeHeight &* a.largeWidth) { result[i] = .zero }
    }
    var source = vectors(a.source) + (sample &* a.sourceStride / 16 &+ block &* a.height &* a.width)
    for y in 0..<a.height {
        let first = (a.top &+ y) &* a.largeWidth &+ a.left
        for x in 0..<a.width {
            result[first &+ x] = a.accumulate ? result[first &+ x] + source[x] : source[x]
        }
        source += a.width
    }
    if let mask {
        for i in 0..<(a.largeHeight &* a.largeWidth) { result[i] = f32x16_where_positive(result[i], mask[i]) }
    }
}
