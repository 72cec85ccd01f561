import CSIMD

/// The exchange of `SegmentExchange` for ranks of one host, without messages: what a rank has for another one it puts into memory that
/// both see.
///
/// Each rank owns a segment, 1/n of the range. Piece by piece, it *writes* what the others need of its blocks into slots of its region;
/// *sums* its own piece along the tree as soon as all have written theirs, and puts the total into a slot too; and *copies* the totals
/// of the others from there. A rank says how many pieces it has come through with each of the three, and a slot is used again when all
/// have said that they are done with it. What is written for others goes past the caches, and so do the totals when they are copied: a
/// line that lies in the cache of another core is slower to overwrite or to fetch than memory is. Through MPI each piece would be two
/// messages and copies by the kernel. docs/scaling.md has the figures.
final class SharedMemoryExchange: ReductionAlgorithm {
    private let communicator: Communicator
    private let plan: ReductionPlan
    private let pieceCount: Int
    private let depth: Int
    private let memory: SharedMemory
    /// How many blocks each rank has.
    private let blockCounts: [Int]
    /// The rank of each block of the plan, and its number there.
    private let places: [(rank: Int, buffer: Int)]
    /// Where each block of the plan lies while a chunk is added, and room for the sums in between.
    private let operands: UnsafeMutablePointer<UnsafePointer<Float>>
    private let sums: UnsafeMutablePointer<Float>

    private enum Counter: Int { case written, summed, copied }

    /// A piece of every rank's segment of one of the pending gradients. `number` counts them since the beginning.
    private struct Piece {
        var gradient = 0, index = 0, number = 0
    }
    private var pending = PendingGradient.none
    /// The first piece that has not been written, summed, copied.
    private var written = Piece(), summed = Piece(), copied = Piece()
    private(set) var bytesSent = 0

    /// Floats of a slot, and slots in flight, by measurement.
    static let standardPieceCount = 1 << 16, standardDepth = 4
    /// Floats that are added at a time, so that a sum stays in the innermost cache.
    private static let chunk = 1 << 12

    /// The floats that `rank` needs for `depth` pieces: what it has for the others, and its totals.
    private static func room(_ plan: ReductionPlan, of rank: Int, pieceCount: Int, depth: Int) -> Int {
        depth * pieceCount * (plan.blocks(of: rank).count * (plan.ranks - 1) + 1)
    }

    /// A collective. Throws `MPIError`, or on all ranks `SharedMemory.Unavailable`.
    init(communicator: Communicator, plan: ReductionPlan, pieceCount: Int, depth: Int) throws {
        self.communicator = communicator
        self.plan = plan
        self.depth = depth
        self.pieceCount = pieceCount
        blockCounts = (0..<plan.ranks).map { plan.blocks(of: $0).count }
        places = plan.blocks.map { ($0.rank, $0.buffer) }
        memory = try SharedMemory(
            communicator: communicator,
            floats: (0..<plan.ranks).map { Self.room(plan, of: $0, pieceCount: pieceCount, depth: depth) })
        sums = .allocate(capacity: plan.blocks.count * Self.chunk)
        sums.initialize(repeating: 0, count: plan.blocks.count * Self.chunk)
        operands = .allocate(capacity: plan.blocks.count)
        operands.initialize(repeating: UnsafePointer(sums), count: plan.blocks.count)
    }

    deinit {
        sums.deallocate()
        operands.deallocate()
    }

    func bytesSent(by rank: Int, length: Int) -> Int {
        let segment = SegmentExchange.segment(of: rank, among: plan.ranks, in: 0..<length).count
        return (blockCounts[rank] * (length - segment) + (plan.ranks - 1) * segment) * MemoryLayout<Float>.stride
    }

    func enqueue(_ gradient: PendingGradient) {
        if !gradient.range.isEmpty { pending.append(gradient) }
    }

    func advance() throws(MPIError) -> Bool {
        var hasMoved = true
        while hasMoved {
            hasMoved = false
            // A slot is free when its last piece has been summed by all, its total when it has been copied by all.
            if written.gradient < pending.count, haveAll(.summed, passed: written.number - depth) {
                write(written)
                written = next(written, .written)
                hasMoved = true
            }
            if summed.number < written.number, haveAll(.written, passed: summed.number),
                haveAll(.copied, passed: summed.number - depth)
            {
                sum(summed)
                summed = next(summed, .summed)
                hasMoved = true
            }
            if copied.number < summed.number, haveAll(.summed, passed: copied.number) {
                copy(copied)
                copied = next(copied, .copied)
                hasMoved = true
            }
        }
        guard copied.gradient == pending.count else { return false }
        pending.removeAll(keepingCapacity: true)
        // All three are behind the last piece.
        (written, summed, copied) = (Piece(number: copied.number), Piece(number: copied.number), Piece(number: copied.number))
        return true
    }

    private func haveAll(_ counter: Counter, passed number: Int) -> Bool {
        if number < 0 { return true }
        for rank in 0..<communicator.count where rank != communicator.rank {
            if memory.read(counter.rawValue, of: rank) <= number { return false }
        }
        return true
    }

    /// Says that `piece` is done, and goes on to the one behind it.
    private func next(_ piece: Piece, _ counter: Counter) -> Piece {
        csimd_stream_fence()
        memory.publish(piece.number + 1, counter.rawValue, of: communicator.rank)
        let ranks = communicator.count, longest = (pending[piece.gradient].range.count + ranks - 1) / ranks
        let isLast = (piece.index + 1) * pieceCount >= longest
        return Piece(gradient: piece.gradient + (isLast ? 1 : 0), index: isLast ? 0 : piece.index + 1, number: piece.number + 1)
    }

    private func part(_ piece: Piece, of rank: Int) -> Range<Int> {
        let segment = SegmentExchange.segment(of: rank, among: communicator.count, in: pending[piece.gradient].range)
        let start = min(segment.lowerBound + piece.index * pieceCount, segment.upperBound)
        return start..<min(start + pieceCount, segment.upperBound)
    }

    /// What block `buffer` of `rank` has for `reader` of a piece.
    private func slot(_ piece: Piece, of rank: Int, for reader: Int, _ buffer: Int) -> UnsafeMutablePointer<Float> {
        let place = reader < rank ? reader : reader - 1
        let number = ((piece.number % depth) * (communicator.count - 1) + place) * blockCounts[rank] + buffer
        return memory.data(of: rank) + number * pieceCount
    }

    private func totalSlot(_ piece: Piece, of rank: Int) -> UnsafeMutablePointer<Float> {
        let behind = depth * (communicator.count - 1) * blockCounts[rank]
        return memory.data(of: rank) + (behind + piece.number % depth) * pieceCount
    }

    private func write(_ piece: Piece) {
        let rank = communicator.rank, ranks = communicator.count, gradient = pending[piece.gradient]
        for distance in 1..<max(ranks, 1) {
            let reader = (rank + distance) % ranks, part = part(piece, of: reader)
            for buffer in 0..<blockCounts[rank] {
                stream(
                    gradient.buffers + buffer * gradient.stride + part.lowerBound, to: slot(piece, of: rank, for: reader, buffer),
                    count: part.count)
            }
            bytesSent += blockCounts[rank] * part.count * MemoryLayout<Float>.stride
        }
    }

    /// Adds up the blocks of one piece of the own segment along the tree, into the first buffer and the slot for totals.
    private func sum(_ piece: Piece) {
        let rank = communicator.rank, gradient = pending[piece.gradient]
        let own = part(piece, of: rank), total = gradient.buffers + own.lowerBound, shared = totalSlot(piece, of: rank)
        for start in stride(from: 0, to: own.count, by: Self.chunk) {
            let count = min(Self.chunk, own.count - start)
            for (block, place) in places.enumerated() {
                operands[block] =
                    place.rank == rank
                    ? UnsafePointer(gradient.buffers + place.buffer * gradient.stride + own.lowerBound + start)
                    : UnsafePointer(slot(piece, of: place.rank, for: rank, place.buffer) + start)
            }
            // Sums go into memory of this rank alone: what others read or wrote would have to travel between the cores once more.
            for addition in plan.additions {
                let sum = sums + addition.target * Self.chunk
                add(operands[addition.target], operands[addition.source], into: sum, count: count)
                operands[addition.target] = UnsafePointer(sum)
            }
            if operands[0] != UnsafePointer(total + start) { (total + start).update(from: operands[0], count: count) }
            if communicator.count > 1 { stream(operands[0], to: shared + start, count: count) }
        }
        bytesSent += (communicator.count - 1) * own.count * MemoryLayout<Float>.stride
    }

    /// Fetches the totals of one piece of the others' segments.
    private func copy(_ piece: Piece) {
        let rank = communicator.rank, ranks = communicator.count, buffers = pending[piece.gradient].buffers
        for distance in 1..<max(ranks, 1) {
            let owner = (rank + distance) % ranks, part = part(piece, of: owner)
            stream(totalSlot(piece, of: owner), to: buffers + part.lowerBound, count: part.count)
        }
    }
}
