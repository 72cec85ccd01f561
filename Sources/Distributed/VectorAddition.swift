import CSIMD

/// `target[i] += source[i]` for 0 ..< `count`. The memory does not overlap. Compiles to packed additions.
@inline(__always)
func add(_ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { target[i] += source[i] }
}

/// `sum[i] = a[i] + b[i]` for 0 ..< `count`. The sum may lie where `a` does.
@inline(__always)
func add(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into sum: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { sum[i] = a[i] + b[i] }
}

/// Copies floats past the caches: to memory that another core reads, or that is not read soon, without fetching what is overwritten. Before
/// others are told of it comes `csimd_stream_fence`. Few floats are copied as usual: they would rather be in a cache.
func stream(_ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int) {
    let lane = SIMD16<Float>.scalarCount, cacheLine = MemoryLayout<SIMD16<Float>>.stride
    if count < 1 << 12 { return target.update(from: source, count: count) }
    let head = (cacheLine - Int(bitPattern: target) % cacheLine) % cacheLine / MemoryLayout<Float>.stride
    target.update(from: source, count: head)
    let lines = (count - head) / lane
    for start in stride(from: head, to: head + lines * lane, by: lane) {
        f32x16_stream(target + start, UnsafeRawPointer(source + start).loadUnaligned(as: SIMD16<Float>.self))
    }
    let rest = head + lines * lane
    (target + rest).update(from: source + rest, count: count - rest)
}
