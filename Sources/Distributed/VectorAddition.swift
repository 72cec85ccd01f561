/// `target[i] += source[i]` for 0 ..< `count`. The memory does not overlap. Compiles to packed additions.
@inline(__always)
func add(_ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { target[i] += source[i] }
}
