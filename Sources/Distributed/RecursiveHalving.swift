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
            try exchange(buffers, kept: kept, given: given, peer: rank ^ 1 << level, replacing: false)
        }
        for level in (0..<levels).reversed() {
            let shared = Self.range(of: rank, before: level, in: range)
            let (kept, given) = Self.halves(of: shared, keepsUpper: rank >> level & 1 == 1)
            try exchange(buffers, kept: given, given: kept, peer: rank ^ 1 << level, replacing: true)
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

    /// Sends `given` to the peer and adds what the peer sends to `kept`, or, with `replacing`, puts it there. The halves may differ by one
    /// element.
    private func exchange(
        _ buffer: UnsafeMutablePointer<Float>, kept: Range<Int>, given: Range<Int>, peer: Int, replacing: Bool
    ) throws(MPIError) {
        let pieces = (max(kept.count, given.count) + pieceCount - 1) / pieceCount
        let tag = replacing ? Tag.total : Tag.partialSum
        func part(_ half: Range<Int>, _ piece: Int) -> Range<Int> {
            min(half.lowerBound + piece * pieceCount, half.upperBound)..<min(half.lowerBound + (piece + 1) * pieceCount, half.upperBound)
        }
        func start(_ piece: Int) throws(MPIError) {
            let slot = piece % depth, incoming = part(kept, piece), outgoing = part(given, piece)
            if !incoming.isEmpty {
                let target = replacing ? buffer + incoming.lowerBound : received + slot * pieceCount
                try transfers.receive(target, incoming.count, from: peer, tag: tag, slot: slot)
            }
            if !outgoing.isEmpty {
                try transfers.send(buffer + outgoing.lowerBound, outgoing.count, to: peer, tag: tag, slot: depth + slot)
            }
        }
        for piece in 0..<min(depth, pieces) { try start(piece) }
        for piece in 0..<pieces {
            let slot = piece % depth, incoming = part(kept, piece)
            try transfers.wait(slot)
            if !replacing { add(received + slot * pieceCount, to: buffer + incoming.lowerBound, count: incoming.count) }
            try transfers.wait(depth + slot)
            if piece + depth < pieces { try start(piece + depth) }
        }
    }
}
