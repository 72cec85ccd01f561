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
    /// Slots 0 ..< depth receive, the following `sendDepth` send.
    private let transfers: Transfers
    private let sendDepth: Int

    init(communicator: Communicator, pieceCount: Int, depth: Int, sendDepth: Int) {
        precondition(communicator.count.nonzeroBitCount == 1, "RecursiveHalving: \(communicator.count) ranks are no power of two")
        self.communicator = communicator
        self.pieceCount = pieceCount
        self.depth = depth
        self.sendDepth = sendDepth
        levels = communicator.count.trailingZeroBitCount
        received = .allocate(capacity: depth * pieceCount)
        received.initialize(repeating: 0, count: depth * pieceCount)
        transfers = Transfers(communicator: communicator, capacity: depth + sendDepth)
    }

    deinit { received.deallocate() }

    var bytesSent: Int { transfers.bytesSent }

    func elementsSent(by rank: Int, length: Int) -> Int {
        (0..<levels).reduce(0) { sum, level in
            let (kept, given) = Self.halves(of: Self.range(of: rank, before: level, in: 0..<length), keepsUpper: rank >> level & 1 == 1)
            return sum + given.count + kept.count
        }
    }

    func reduce(_ buffers: UnsafeMutablePointer<Float>, stride: Int, range: Range<Int>) throws(MPIError) {
        let rank = communicator.rank
        for level in 0..<levels {
            let shared = Self.range(of: rank, before: level, in: range)
            let (kept, given) = Self.halves(of: shared, keepsUpper: rank >> level & 1 == 1)
            try exchangeAndAdd(buffers, kept: kept, given: given, peer: rank ^ 1 << level)
        }
        for level in (0..<levels).reversed() {
            let shared = Self.range(of: rank, before: level, in: range)
            let (kept, given) = Self.halves(of: shared, keepsUpper: rank >> level & 1 == 1)
            try exchange(buffers, own: kept, other: given, peer: rank ^ 1 << level)
        }
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

    /// Sends `given` to the peer and adds what the peer sends to `kept`. The halves may differ by one element.
    private func exchangeAndAdd(_ buffer: UnsafeMutablePointer<Float>, kept: Range<Int>, given: Range<Int>, peer: Int) throws(MPIError) {
        let pieces = (max(kept.count, given.count) + pieceCount - 1) / pieceCount
        func part(_ half: Range<Int>, _ piece: Int) -> Range<Int> {
            min(half.lowerBound + piece * pieceCount, half.upperBound)..<min(half.lowerBound + (piece + 1) * pieceCount, half.upperBound)
        }
        func receive(_ piece: Int) throws(MPIError) {
            let slot = piece % depth, incoming = part(kept, piece)
            if incoming.isEmpty { return }
            try transfers.receive(received + slot * pieceCount, incoming.count, from: peer, tag: Tag.partialSum, slot: slot)
        }
        func send(_ piece: Int) throws(MPIError) {
            let slot = depth + piece % sendDepth, outgoing = part(given, piece)
            if outgoing.isEmpty { return }
            try transfers.wait(slot)
            try transfers.send(buffer + outgoing.lowerBound, outgoing.count, to: peer, tag: Tag.partialSum, slot: slot)
        }
        for piece in 0..<min(depth, pieces) { try receive(piece) }
        for piece in 0..<min(sendDepth, pieces) { try send(piece) }
        for piece in 0..<pieces {
            let slot = piece % depth, target = part(kept, piece)
            try transfers.wait(slot)
            add(received + slot * pieceCount, to: buffer + target.lowerBound, count: target.count)
            if piece + depth < pieces { try receive(piece + depth) }
            if piece + sendDepth < pieces { try send(piece + sendDepth) }
        }
        for slot in depth..<depth + sendDepth { try transfers.wait(slot) }
    }

    /// Gives the peer the totals of `own` and takes those of `other`.
    private func exchange(_ buffer: UnsafeMutablePointer<Float>, own: Range<Int>, other: Range<Int>, peer: Int) throws(MPIError) {
        if !other.isEmpty { try transfers.receive(buffer + other.lowerBound, other.count, from: peer, tag: Tag.total, slot: 0) }
        if !own.isEmpty { try transfers.send(buffer + own.lowerBound, own.count, to: peer, tag: Tag.total, slot: depth) }
        try transfers.wait(0)
        try transfers.wait(depth)
    }
}
