import CSIMD

// Kernels that only move memory: one task is one (sample, block) plane or one piece of a flat buffer.

/// 2 × 2 maximum pooling, forward.
@inline(never)
func pool(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_pooling.self).pointee
    let sample = task / a.blocks, block = task % a.blocks, rows = a.height / 2, columns = a.width / 2
    let input = vectors(a.input) + (sample &* a.inputStride / 16 &+ block &* a.height &* a.width)
    let result = vectors(a.result) + (sample &* a.resultStride / 16 &+ block &* rows &* columns)
    for y in 0..<rows {
        let top = input + 2 &* y &* a.width, bottom = top + a.width, target = result + y &* columns
        for x in 0..<columns {
            target[x] = f32x16_max(f32x16_max(top[2 &* x], top[2 &* x &+ 1]), f32x16_max(bottom[2 &* x], bottom[2 &* x &+ 1]))
        }
    }
}

/// Backward: the gradient goes to the first element, in row order, that equals the maximum.
@inline(never)
func poolGradient(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_pooling.self).pointee
    let sample = task / a.blocks, block = task % a.blocks, rows = a.height / 2, columns = a.width / 2
    let input = vectors(a.input) + (sample &* a.inputStride / 16 &+ block &* a.height &* a.width)
    let output = vectors(a.output) + (sample &* a.outputStride / 16 &+ block &* rows &* columns)
    let gradient = vectors(a.outputGradient) + (sample &* a.gradientStride / 16 &+ block &* rows &* columns)
    let result = vectors(a.result) + (sample &* a.resultStride / 16 &+ block &* a.height &* a.width)
    for y in 0..<rows {
        let offset = 2 &* y &* a.width
        for x in 0..<columns {
            let maximum = output[y &* columns &+ x]
            var rest = gradient[y &* columns &+ x]
            if a.mask { rest = f32x16_where_positive(rest, maximum) }
            @inline(__always) func give(_ i: Int) {
                let share = f32x16_where_equal(rest, input[i], maximum)
                // What was given is gone: a later element that equals the maximum gets nothing.
                rest = f32x16_where_different(rest, input[i], maximum)
                result[i] = a.accumulate ? result[i] + share : share
            }
            let i = offset &+ 2 &* x
            give(i)
            give(i &+ 1)
            give(i &+ a.width)
            give(i &+ a.width &+ 1)
        }
        if !a.accumulate && a.width & 1 == 1 {
            result[offset &+ a.width &- 1] = .zero
            result[offset &+ 2 &* a.width &- 1] = .zero
        }
    }
    if !a.accumulate && a.height & 1 == 1 {
        for x in 0..<a.width { result[(a.height &- 1) &* a.width &+ x] = .zero }
    }
}

/// Inverted dropout: elements whose random bits are below the threshold become 0, the others are scaled. Lane l of
/// pixel p of block b takes element 4 (16 ⌊q / 4⌋ + l) + q mod 4 of the stream, q = b · pixels + p, so that one call of
/// Philox on sixteen counters serves four pixels.
@inline(never)
func drop(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_dropout.self).pointee
    let sample = task / a.blocks, block = task % a.blocks
    let plane = block &* a.pixels
    let input = vectors(a.input) + (sample &* a.inputStride / 16 &+ plane)
    let result = vectors(a.result) + (sample &* a.resultStride / 16 &+ plane)
    let mask = a.mask.map { vectors($0) + (sample &* a.maskStride / 16 &+ plane) }
    let position = a.firstPosition &+ UInt64(sample), scale = Vector(repeating: a.scale)
    var lanes = SIMD16<UInt32>()
    for i in 0..<16 { lanes[i] = UInt32(i) }
    var p = 0
    while p < a.pixels {
        let q = plane &+ p, counter = UInt32(truncatingIfNeeded: q / 4 &* 16)
        let (c0, c1, c2, c3) = philox(
            lanes &+ SIMD16(repeating: counter), SIMD16(repeating: UInt32(truncatingIfNeeded: position)),
            SIMD16(repeating: UInt32(truncatingIfNeeded: position >> 32)), SIMD16(repeating: a.counter3), a.key0, a.key1)
        @inline(__always) func apply(_ bits: SIMD16<UInt32>) {
            if p >= a.pixels { return }
            var v = f32x16_where_at_least(scale * input[p], bits, a.threshold)
            if let mask { v = f32x16_where_positive(v, mask[p]) }
            result[p] = a.accumulate ? result[p] + v : v
            p &+= 1
        }
        switch q & 3 {  // a plane may start in the middle of a group of four
        case 0:
            apply(c0)
            apply(c1)
            apply(c2)
            apply(c3)
        case 1:
            apply(c1)
            apply(c2)
            apply(c3)
        case 2:
            apply(c2)
            apply(c3)
        default:
            apply(c3)
        }
    }
}

/// destination (+)= source, masked.
@inline(never)
func copy(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_copy.self).pointee
    let sample = task / a.blocks, plane = task % a.blocks &* a.pixels
    let source = vectors(a.source) + (sample &* a.sourceStride / 16 &+ plane)
    let destination = vectors(a.destination) + (sample &* a.destinationStride / 16 &+ plane)
    let mask = a.mask.map { vectors($0) + (sample &* a.maskStride / 16 &+ plane) }
    for p in 0..<a.pixels {
        var v = source[p]
        if let mask { v = f32x16_where_positive(v, mask[p]) }
        destination[p] = a.accumulate ? destination[p] + v : v
    }
}

/// destination += source over one piece of a flat buffer.
@inline(never)
func add(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_add.self).pointee
    let first = task &* a.piece, n = min(a.piece, a.count &- first) / 16
    let source = vectors(a.source + first), destination = vectors(a.destination + first)
    for i in 0..<n { destination[i] += source[i] }
}

/// The checksum of one piece of a flat buffer.
@inline(__always)
func checksum(_ raw: UnsafeRawPointer, _ task: Int) {
    let a = raw.assumingMemoryBound(to: csimd_check.self).pointee
    let first = task &* a.piece, n = min(a.piece, a.count &- first) / 16
    let values = vectors(a.values + first)
    var sum = checksumStart
    for i in 0..<n { sum = u32x16_mix(sum, values[i]) }
    a.results[task] = folded(sum)
}

/// What the checksum of a piece begins with.
@inline(__always) var checksumStart: SIMD16<UInt32> { SIMD16(repeating: 0x9E37_79B9) }

/// The lanes of a checksum as one number (FNV-1a over whole words).
@inline(__always)
func folded(_ lanes: SIMD16<UInt32>) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for i in 0..<16 { hash = (hash ^ UInt64(lanes[i])) &* 0x100_0000_01B3 }
    return hash
}

/// Independent fused multiply-adds in registers: the peak that the kernels are measured against. `raw` is a count of
/// rounds of 12 vectors, then room for one vector that takes the result.
@inline(never)
func peak(_ raw: UnsafeRawPointer) {
    // Enough chains to hide the latency of two units, and no more than the registers hold.
    #if UNET_AVX512
        multiplyAddChains(Zeros.of12, raw)
    #elseif UNET_AVX2 || arch(arm64)
        multiplyAddChains(Zeros.of6, raw)
    #else
        multiplyAddChains(Zeros.of2, raw)
    #endif
}

@inline(__always)
private func multiplyAddChains<let n: Int>(_ zeros: InlineArray<n, Vector>, _ raw: UnsafeRawPointer) {
    let rounds = raw.load(as: Int.self)
    let result = UnsafeMutableRawPointer(mutating: raw + 64).assumingMemoryBound(to: Vector.self)
    let x = Vector(repeating: result.pointee[0]), y = Vector(repeating: result.pointee[1])
    var sums = zeros
    for _ in 0..<rounds {
        for _ in 0..<(12 / n) {
            for i in 0..<n { sums[unchecked: i] = f32x16_fma(x, y, sums[unchecked: i]) }
        }
    }
    for i in 0..<n { result.pointee += sums[unchecked: i] }
}
