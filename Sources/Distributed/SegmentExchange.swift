/// Reduce-scatter in one exchange among all ranks, then an allgather: for any number of ranks and any blocks.
///
/// Each rank owns a segment, 1/n of the range, and receives from every rank the sums of that rank's blocks there. It adds them in the
/// order of the tree, a few thousand elements at a time so that all operands are in the cache, and gives the totals to all while they are
/// still there. Segments are worked through in pieces, so that memory does not grow with the gradient: a piece is in flight while the one
/// before is added.
final class SegmentExchange: ReductionAlgorithm {
    private let communicator: Communicator
    private let plan: ReductionPlan
    /// The blocks of the other ranks, numbered as in the plan, nearest following rank first so that not all send to the same one.
    private let foreign: [Int]
    private let ownBlocks: Int
    /// The number in the plan of this rank's first block; the others follow it.
    private let firstOwn: Int
    private let pieceCount: Int
    private let depth: Int
    /// `depth` pieces of each foreign block.
    private let received: UnsafeMutablePointer<Float>
    /// Receives of (piece slot, foreign block), sends of (piece slot, peer, own block), then of totals: receives and sends of (piece slot,
    /// peer).
    private let transfers: Transfers
    /// Where each block of the plan lies while a piece is added.
    private let operands: UnsafeMutablePointer<UnsafeMutablePointer<Float>>

    /// Floats in the received pieces, at most, unless that makes pieces shorter than `shortestPiece`.
    static let largestScratch = 1 << 23
    static let shortestPiece = 1 << 10

    init(communicator: Communicator, plan: ReductionPlan, pieceCount: Int, depth: Int) {
        let rank = communicator.rank, ranks = communicator.count
        self.communicator = communicator
        self.plan = plan
        self.depth = depth
        foreign = plan.blocks.indices.filter { plan.blocks[$0].rank != rank }
            .sorted { ((plan.blocks[$0].rank - rank + ranks) % ranks, $0) < ((plan.blocks[$1].rank - rank + ranks) % ranks, $1) }
        ownBlocks = plan.blocks.count - foreign.count
        firstOwn = plan.blocks.firstIndex { $0.rank == rank }!
        let affordable = Self.largestScratch / (depth * max(1, foreign.count))
        self.pieceCount = min(pieceCount, max(Self.shortestPiece, affordable))
        received = .allocate(capacity: depth * foreign.count * self.pieceCount)
        received.initialize(repeating: 0, count: depth * foreign.count * self.pieceCount)
        transfers = Transfers(communicator: communicator, capacity: depth * (foreign.count + (ranks - 1) * (ownBlocks + 2)))
        operands = .allocate(capacity: plan.blocks.count)
        operands.initialize(repeating: received, count: plan.blocks.count)
    }

    deinit {
        received.deallocate()
        operands.deallocate()
    }

    var bytesSent: Int { transfers.bytesSent }

    func elementsSent(by rank: Int, length: Int) -> Int {
        let segment = Self.segment(of: rank, among: plan.ranks, in: 0..<length).count
        return plan.blocks(of: rank).count * (length - segment) + (plan.ranks - 1) * segment
    }

    func reduce(_ buffers: UnsafeMutablePointer<Float>, stride: Int, range: Range<Int>) throws(MPIError) {
        let ranks = communicator.count
        let longest = (range.count + ranks - 1) / ranks
        let pieces = (longest + pieceCount - 1) / pieceCount
        for piece in 0..<min(depth, pieces) { try start(piece, buffers, stride: stride, range: range) }
        for piece in 0..<pieces {
            for slot in receiveSlots(piece) { try transfers.wait(slot) }
            sum(piece, buffers, stride: stride, range: range)
            // What the others now send for this piece goes where these messages come from.
            for slot in sendSlots(piece) { try transfers.wait(slot) }
            for slot in totalSlots(piece) { try transfers.wait(slot) }
            try shareTotals(piece, buffers, range: range)
            if piece + depth < pieces { try start(piece + depth, buffers, stride: stride, range: range) }
        }
        for piece in 0..<min(depth, pieces) {
            for slot in totalSlots(piece) { try transfers.wait(slot) }
        }
    }

    /// What `rank` owns of `range`; lengths differ by at most one.
    private static func segment(of rank: Int, among ranks: Int, in range: Range<Int>) -> Range<Int> {
        range.lowerBound + range.count * rank / ranks..<range.lowerBound + range.count * (rank + 1) / ranks
    }

    private func part(_ piece: Int, of rank: Int, in range: Range<Int>) -> Range<Int> {
        let segment = Self.segment(of: rank, among: communicator.count, in: range)
        let start = min(segment.lowerBound + piece * pieceCount, segment.upperBound)
        return start..<min(start + pieceCount, segment.upperBound)
    }

    private func receiveSlots(_ piece: Int) -> Range<Int> {
        let start = piece % depth * foreign.count
        return start..<start + foreign.count
    }

    private func sendSlots(_ piece: Int) -> Range<Int> {
        let count = (communicator.count - 1) * ownBlocks
        let start = depth * foreign.count + piece % depth * count
        return start..<start + count
    }

    private func totalSlots(_ piece: Int) -> Range<Int> {
        let count = 2 * (communicator.count - 1)
        let start = depth * (foreign.count + (communicator.count - 1) * ownBlocks) + piece % depth * count
        return start..<start + count
    }

    /// Starts the messages of one piece of every segment.
    private func start(_ piece: Int, _ buffers: UnsafeMutablePointer<Float>, stride: Int, range: Range<Int>) throws(MPIError) {
        let rank = communicator.rank, ranks = communicator.count
        let own = part(piece, of: rank, in: range)
        if !own.isEmpty {
            for (slot, block) in zip(receiveSlots(piece), foreign) {
                try transfers.receive(
                    received + slot * pieceCount, own.count, from: plan.blocks[block].rank, tag: Tag.partialSum, slot: slot)
            }
        }
        var slot = sendSlots(piece).lowerBound
        for distance in 1..<max(ranks, 1) {
            let peer = (rank + ranks - distance) % ranks
            let outgoing = part(piece, of: peer, in: range)
            for block in 0..<ownBlocks where !outgoing.isEmpty {
                let start = buffers + block * stride + outgoing.lowerBound
                try transfers.send(start, outgoing.count, to: peer, tag: Tag.partialSum, slot: slot)
                slot += 1
            }
        }
    }

    /// Adds up the blocks of one piece of the own segment along the tree, into the first buffer.
    private func sum(_ piece: Int, _ buffers: UnsafeMutablePointer<Float>, stride: Int, range: Range<Int>) {
        let own = part(piece, of: communicator.rank, in: range)
        for (slot, block) in zip(receiveSlots(piece), foreign) { operands[block] = received + slot * pieceCount }
        for block in 0..<ownBlocks { operands[firstOwn + block] = buffers + block * stride + own.lowerBound }

        let total = buffers + own.lowerBound
        for start in Swift.stride(from: 0, to: own.count, by: 1 << 11) {
            let count = min(1 << 11, own.count - start)
            for addition in plan.additions {
                add(operands[addition.source] + start, to: operands[addition.target] + start, count: count)
            }
            if operands[0] != total { (total + start).update(from: operands[0] + start, count: count) }
        }
    }

    /// Starts to give every rank the totals of one piece of the own segment, and to receive those of the others.
    private func shareTotals(_ piece: Int, _ buffers: UnsafeMutablePointer<Float>, range: Range<Int>) throws(MPIError) {
        let rank = communicator.rank, ranks = communicator.count
        let own = part(piece, of: rank, in: range)
        var slot = totalSlots(piece).lowerBound
        for distance in 1..<max(ranks, 1) {
            let source = (rank + distance) % ranks, destination = (rank + ranks - distance) % ranks
            let other = part(piece, of: source, in: range)
            if !other.isEmpty {
                try transfers.receive(buffers + other.lowerBound, other.count, from: source, tag: Tag.total, slot: slot)
            }
            if !own.isEmpty {
                try transfers.send(buffers + own.lowerBound, own.count, to: destination, tag: Tag.total, slot: slot + 1)
            }
            slot += 2
        }
    }
}
