/// Reduce-scatter in one exchange among all ranks, then an allgather: for any number of ranks and any blocks.
///
/// Each rank owns a segment, 1/n of the range, and receives from every rank the sums of that rank's blocks there. It adds them in the
/// order of the tree, a few thousand elements at a time so that all operands are in the cache, and gives the totals to all while they are
/// still there. Segments are worked through in pieces, so that memory does not grow with the gradient: a piece is in flight while the one
/// before is added.
///
/// A short range has no segments: every rank receives all blocks whole and adds them up for itself. That is more traffic, but one message
/// takes as long as another there, and nobody waits for a second one.
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

    /// A piece of every rank's segment of one of the pending gradients. Pieces are numbered through all of them, so that the messages of
    /// one gradient follow those of the one before without a gap.
    private struct Piece {
        var gradient = 0, index = 0, number = 0
    }
    /// What has been enqueued since everything was last done.
    private var pending = PendingGradient.none
    /// The first piece that has not been started.
    private var started = Piece()
    /// The first piece whose totals are not on their way.
    private var shared = Piece()
    /// Whether that piece has been added up.
    private var isSummed = false

    /// Floats in the received pieces, at most, unless that makes pieces shorter than `shortestPiece`.
    static let largestScratch = 1 << 23
    static let shortestPiece = 1 << 10
    /// Floats of the longest range that has no segments, unless pieces are shorter. Of this length both ways take the same time.
    static let longestWhole = 1 << 11

    init(communicator: Communicator, plan: ReductionPlan, pieceCount: Int, depth: Int) {
        let rank = communicator.rank, ranks = communicator.count
        self.communicator = communicator
        self.plan = plan
        self.depth = depth
        foreign = plan.blocks.indices.filter { plan.blocks[$0].rank != rank }
            .sorted { ((plan.blocks[$0].rank - rank + ranks) % ranks, $0) < ((plan.blocks[$1].rank - rank + ranks) % ranks, $1) }
        ownBlocks = plan.blocks.count - foreign.count
        firstOwn = plan.blocks.firstIndex { $0.rank == rank }!
        // The same on all ranks, whatever their parts.
        let affordable = Self.largestScratch / (depth * plan.blocks.count)
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

    func bytesSent(by rank: Int, length: Int) -> Int {
        let blocks = plan.blocks(of: rank).count
        if isWhole(0..<length) { return blocks * (plan.ranks - 1) * length * MemoryLayout<Float>.stride }
        let segment = Self.segment(of: rank, among: plan.ranks, in: 0..<length).count
        return (blocks * (length - segment) + (plan.ranks - 1) * segment) * MemoryLayout<Float>.stride
    }

    private func isWhole(_ range: Range<Int>) -> Bool { range.count <= min(Self.longestWhole, pieceCount) }

    func enqueue(_ gradient: PendingGradient) {
        if !gradient.range.isEmpty { pending.append(gradient) }
    }

    func advance() throws(MPIError) -> Bool {
        while true {
            while started.number - shared.number < depth, started.gradient < pending.count {
                try start(started)
                started = following(started)
            }
            guard shared.number < started.number else { break }
            if !isSummed {
                guard try transfers.test(receiveSlots(shared)) else { return false }
                // Of a short range the own blocks are sent whole, and the sum is made in their place.
                if isWhole(pending[shared.gradient].range), try !transfers.test(sendSlots(shared)) { return false }
                sum(shared)
                isSummed = true
            }
            // What the others now send for this piece goes where these messages come from.
            guard try transfers.test(sendSlots(shared)) else { return false }
            guard try transfers.test(totalSlots(shared)) else { return false }
            try shareTotals(shared)
            shared = following(shared)
            isSummed = false
        }
        guard try transfers.test(0..<transfers.capacity) else { return false }
        pending.removeAll(keepingCapacity: true)
        (started, shared) = (Piece(), Piece())
        return true
    }

    private func following(_ piece: Piece) -> Piece {
        let range = pending[piece.gradient].range, ranks = communicator.count
        let longest = isWhole(range) ? range.count : (range.count + ranks - 1) / ranks
        let pieces = (longest + pieceCount - 1) / pieceCount
        return piece.index + 1 < pieces
            ? Piece(gradient: piece.gradient, index: piece.index + 1, number: piece.number + 1)
            : Piece(gradient: piece.gradient + 1, index: 0, number: piece.number + 1)
    }

    /// What `rank` owns of `range`; lengths differ by at most one.
    static func segment(of rank: Int, among ranks: Int, in range: Range<Int>) -> Range<Int> {
        range.lowerBound + range.count * rank / ranks..<range.lowerBound + range.count * (rank + 1) / ranks
    }

    private func part(_ piece: Piece, of rank: Int) -> Range<Int> {
        let range = pending[piece.gradient].range
        if isWhole(range) { return range }
        let segment = Self.segment(of: rank, among: communicator.count, in: range)
        let start = min(segment.lowerBound + piece.index * pieceCount, segment.upperBound)
        return start..<min(start + pieceCount, segment.upperBound)
    }

    private func receiveSlots(_ piece: Piece) -> Range<Int> {
        let start = piece.number % depth * foreign.count
        return start..<start + foreign.count
    }

    private func sendSlots(_ piece: Piece) -> Range<Int> {
        let count = (communicator.count - 1) * ownBlocks
        let start = depth * foreign.count + piece.number % depth * count
        return start..<start + count
    }

    private func totalSlots(_ piece: Piece) -> Range<Int> {
        let count = 2 * (communicator.count - 1)
        let start = depth * (foreign.count + (communicator.count - 1) * ownBlocks) + piece.number % depth * count
        return start..<start + count
    }

    /// Starts the messages of one piece of every segment.
    private func start(_ piece: Piece) throws(MPIError) {
        let rank = communicator.rank, ranks = communicator.count, gradient = pending[piece.gradient]
        let own = part(piece, of: rank)
        if !own.isEmpty {
            for (slot, block) in zip(receiveSlots(piece), foreign) {
                try transfers.receive(
                    received + slot * pieceCount, own.count, from: plan.blocks[block].rank, tag: Tag.partialSum, slot: slot)
            }
        }
        var slot = sendSlots(piece).lowerBound
        for distance in 1..<max(ranks, 1) {
            let peer = (rank + ranks - distance) % ranks
            let outgoing = part(piece, of: peer)
            for block in 0..<ownBlocks where !outgoing.isEmpty {
                let start = gradient.buffers + block * gradient.stride + outgoing.lowerBound
                try transfers.send(start, outgoing.count, to: peer, tag: Tag.partialSum, slot: slot)
                slot += 1
            }
        }
    }

    /// Adds up the blocks of one piece of the own segment along the tree, into the first buffer.
    private func sum(_ piece: Piece) {
        let own = part(piece, of: communicator.rank), gradient = pending[piece.gradient]
        for (slot, block) in zip(receiveSlots(piece), foreign) { operands[block] = received + slot * pieceCount }
        for block in 0..<ownBlocks { operands[firstOwn + block] = gradient.buffers + block * gradient.stride + own.lowerBound }

        let total = gradient.buffers + own.lowerBound
        for start in stride(from: 0, to: own.count, by: 1 << 11) {
            let count = min(1 << 11, own.count - start)
            for addition in plan.additions {
                add(operands[addition.source] + start, to: operands[addition.target] + start, count: count)
            }
            if operands[0] != total { (total + start).update(from: operands[0] + start, count: count) }
        }
    }

    /// Starts to give every rank the totals of one piece of the own segment, and to receive those of the others.
    /// With no segments every rank has them.
    private func shareTotals(_ piece: Piece) throws(MPIError) {
        let rank = communicator.rank, ranks = communicator.count, buffers = pending[piece.gradient].buffers
        if isWhole(pending[piece.gradient].range) { return }
        let own = part(piece, of: rank)
        var slot = totalSlots(piece).lowerBound
        for distance in 1..<max(ranks, 1) {
            let source = (rank + distance) % ranks, destination = (rank + ranks - distance) % ranks
            let other = part(piece, of: source)
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
