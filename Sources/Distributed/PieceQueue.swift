/// Ranges of gradients that wait to be summed, handed out in pieces: one gradient a rank, in the order in which they were enqueued.
struct PieceQueue {
    /// Consecutive elements of a gradient.
    struct Piece {
        let start: UnsafeMutablePointer<Float>, count: Int
    }

    private var pending = PendingGradient.none
    private var current = 0, offset = 0

    mutating func enqueue(_ gradient: PendingGradient) {
        if !gradient.range.isEmpty { pending.append(gradient) }
    }

    /// The next elements, `longest` or what is left of a range. The memory of the queue is kept when it is empty.
    mutating func next(longest: Int) -> Piece? {
        guard current < pending.count else { return nil }
        let gradient = pending[current], count = min(longest, gradient.range.count - offset)
        let piece = Piece(start: gradient.buffers + gradient.range.lowerBound + offset, count: count)
        offset += count
        if offset == gradient.range.count { (current, offset) = (current + 1, 0) }
        if current == pending.count {
            pending.removeAll(keepingCapacity: true)
            current = 0
        }
        return piece
    }
}
