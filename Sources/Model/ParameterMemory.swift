import Kernels

/// The memory of a network's parameters, which networks planned for other sizes share.
public final class ParameterMemory {
    private let arena: Arena
    init(count: Int) { arena = Arena(count: count) }
    /// The first value.
    public var pointer: UnsafeMutablePointer<Float> { arena.pointer }
    /// All values.
    public var buffer: UnsafeMutableBufferPointer<Float> { arena.buffer }
}
