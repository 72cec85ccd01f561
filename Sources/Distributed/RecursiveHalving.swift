/// Reduce-scatter by recursive halving, nearest neighbour first, then an allgather the same way back: level d of the tree is an exchange
/// between ranks whose numbers differ in bit d. For a power of two of ranks with one block each.
///
/// At each level a pair shares a range; each rank gives away the half that the other keeps and adds what it receives to its own. After
/// the last level each rank holds the total of 1/n of the range, and the levels are undone from the last to the first by exchanging totals.
/// Messages are pieces of which `depth` are in flight, so that one is added, while it is in the cache, as the next arrives.
final class RecursiveHalving: ReductionAlgorithm {
    private let communicator: Communicator
    private let levels: Int
    private let pieceCount: Int
    private let depth: Int
    /// `depth` pieces.
    private let received: UnsafeMutablePointer<Float>
    /// Slots 0 ..< depth receive, the others send.
    private let transfers: Transfers

    /// What a pair of ranks does at one stage: each sends a half, and adds what it receives to the other half or, with `replaces`, puts it
    /// there.
    private struct Exchange {
        let incoming: Range<Int>, outgoing: Range<Int>, peer: Int, replaces: Bool
    }
    /// What has been enqueued since everything was last done.
    private var pending = PendingGradient.none
    /// The pending gradient at hand, its stage, and the pieces of that stage that have been started and completed.
    private var current = 0, stage = 0, started = 0, completed = 0
    /// Whether the first piece that is not completed has been added.
    private var isAdded = false

    init(communicator: Communicator, pieceCount: Int, depth: Int) {
        precondition(communicator.count.nonzeroBitCount == 1, "RecursiveHalving: \(communicator.count) ranks are no power of two")
        self.communicator = communicator
        self.pieceCount = pieceCount
        self.depth = depth
        levels = communicator.count.trailingZeroBitCount
        received = .allocate(capacity: depth * pieceCount)
        received.initialize(repeating: 0, count: depth * pieceCount)
        transfers = Transfers(communicator: communicator, capacity: 2 * depth)
    }

    deinit { received.deallocate() }

    var bytesSent: Int { transfers.bytesSent }

    func bytesSent(by rank: Int, length: Int) -> Int {
        (0..<levels).reduce(0) { sum, level in
            let (kept, given) = Self.halves(of: Self.range(of: rank, before: level, in: 0..<length), keepsUpper: rank >> level & 1 == 1)
            return sum + (given.count + kept.count) * MemoryLayout<Float>.stride
        }
    }

    func enqueue(_ gradient: PendingGradient) {
        if !gradient.range.isEmpty && levels > 0 { pending.append(gradient) }
    }

    func advance() throws(MPIError) -> Bool {
        while current < pending.count {
            let gradient = pending[current]
            if try !advance(exchange(stage, of: gradient.range), in: gradient.buffers) { return false }
            (started, completed) = (0, 0)
            stage += 1
            if stage == 2 * levels { (current, stage) = (current + 1, 0) }
        }
        pending.removeAll(keepingCapacity: true)
        current = 0
        return true
    }

    /// The exchange of `range` at stage 0 ..< 2 · `levels`: down the levels with partial sums, then up with totals.
    private func exchange(_ stage: Int, of range: Range<Int>) -> Exchange {
        let rank = communicator.rank, isDown = stage < levels, level = isDown ? stage : 2 * levels - 1 - stage
        let shared = Self.range(of: rank, before: level, in: range)
        let (kept, given) = Self.halves(of: shared, keepsUpper: rank >> level & 1 == 1)
        return Exchange(incoming: isDown ? kept : given, outgoing: isDown ? given : kept, peer: rank ^ 1 << level, replaces: !isDown)
    }

    /// What `rank` is responsible for after the levels below `level`.
    private static func range(of rank: Int, before level: Int, in range: Range<Int>) -> Range<Int> {
        (0..<level).reduce(range) { halves(of: $0, keepsUpper: rank >> $1 & 1 == 1).kept }
    }

    private static func halves(of range: Range<Int>, keepsUpper: Bool) -> (kept: Range<Int>, given: Range<Int>) {
        let middle = range.lowerBound + range.count / 2
        let lower = range.lowerBound..<middle, upper = middle..<range.upperBound
        return keepsUpper ? (upper, lower) : (lower, upper)
    }

    /// Goes on with an exchange as far as it gets without waiting; whether it is done. The halves may differ by one element.
    private func advance(_ exchange: Exchange, in buffer: UnsafeMutablePointer<Float>) throws(MPIError) -> Bool {
        let pieces = (max(exchange.incoming.count, exchange.outgoing.count) + pieceCount - 1) / pieceCount
        while completed < pieces {
            while started < min(completed + depth, pieces) {
                try start(started, exchange, in: buffer)
                started += 1
            }
            let slot = completed % depth, incoming = part(exchange.incoming, completed)
            guard try transfers.test(slot..<slot + 1) else { return false }
            if !isAdded && !exchange.replaces {
                add(received + slot * pieceCount, to: buffer + incoming.lowerBound, count: incoming.count)
                isAdded = true
            }
            guard try transfers.test(depth + slot..<depth + slot + 1) else { return false }
            completed += 1
            isAdded = false
        }
        return true
    }

    private func start(_ piece: Int, _ exchange: Exchange, in buffer: UnsafeMutablePointer<Float>) throws(MPIError) {
        let slot = piece % depth, incoming = part(exchange.incoming, piece), outgoing = part(exchange.outgoing, piece)
        let tag = exchange.replaces ? Tag.total : Tag.partialSum
        if !incoming.isEmpty {
            let target = exchange.replaces ? buffer + incoming.lowerBound : received + slot * pieceCount
            try transfers.receive(target, incoming.count, from: exchange.peer, tag: tag, slot: slot)
        }
        if !outgoing.isEmpty {
            try transfers.send(buffer + outgoing.lowerBound, outgoing.count, to: exchange.peer, tag: tag, slot: depth + slot)
        }
    }

    private func part(_ half: Range<Int>, _ piece: Int) -> Range<Int> {
        min(half.lowerBound + piece * pieceCount, half.upperBound)..<min(half.lowerBound + (piece + 1) * pieceCount, half.upperBound)
    }
}
