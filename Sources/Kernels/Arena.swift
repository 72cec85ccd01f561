import Glibc

/// Owner of one block of floats, aligned to huge pages, zeroed. Sized once; a step never allocates.
public struct Arena: ~Copyable, @unchecked Sendable {
    /// The first float.
    public let pointer: UnsafeMutablePointer<Float>
    /// Floats in the arena.
    public let count: Int
    private let mapped: Int

    /// Maps `count` floats of zeroed memory. Pages are taken from the system when they are first touched.
    public init(count: Int) {
        precondition(count >= 0, "Arena: \(count) floats")
        let huge = 2 << 20
        self.count = count
        // One huge page more than needed, so that an aligned start exists.
        mapped = (max(count, 1) * 4 + huge - 1) / huge * huge + huge
        let memory = mmap(nil, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        precondition(memory != MAP_FAILED, "Arena: cannot map \(mapped >> 20) MiB: \(String(cString: strerror(errno)))")
        base = memory!
        let aligned = (UInt(bitPattern: memory!) + UInt(huge) - 1) / UInt(huge) * UInt(huge)
        pointer = UnsafeMutablePointer(bitPattern: aligned)!
        madvise(pointer, mapped - huge, 14)  // MADV_HUGEPAGE
    }

    private let base: UnsafeMutableRawPointer

    deinit { munmap(base, mapped) }

    /// The whole arena.
    public var buffer: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: pointer, count: count) }
}
