/// The sum with half the traffic: all that is sent is rounded to bfloat16, and added in single precision.
///
/// Each rank owns a segment of a piece. All ranks' operands for it come by an all-to-all exchange; the owner adds them to its own, which it
/// has not rounded, in the order of the ranks; the rounded totals go to all by an allgather. Every element is rounded twice on its way, however
/// many ranks there are, where a ring of bfloat16 additions would round at each rank. The owner takes the rounded total too, so that all
/// ranks have the same bits.
final class CompressedAllReduce: ReductionAlgorithm {
    private let communicator: Communicator
    /// MPI takes collectives of one communicator in one order. The two kinds here overtake each other as messages arrive.
    private let exchanges: Transfers, gathers: Transfers
    private let pieceCount: Int
    private let depth: Int
    /// Elements of a rank's segment of the longest piece.
    private let longestSegment: Int
    /// For each slot a segment a rank: what goes out, what comes in.
    private let outgoing: UnsafeMutablePointer<UInt16>, incoming: UnsafeMutablePointer<UInt16>
    /// For each slot a segment: the totals, before and after rounding.
    private let sums: UnsafeMutablePointer<Float>, totals: UnsafeMutablePointer<UInt16>
    private var queue = PieceQueue()
    private var pieces: [PieceQueue.Piece]
    /// Pieces since the beginning whose operands, whose totals are on their way, and that are done; piece i is in slot i mod `depth`.
    private var started = 0, summed = 0, completed = 0
    private(set) var bytesSent = 0

    /// A collective.
    init(communicator: Communicator, pieceCount: Int, depth: Int) throws(MPIError) {
        self.communicator = communicator
        self.pieceCount = pieceCount
        self.depth = depth
        let ranks = communicator.count
        longestSegment = (pieceCount + ranks - 1) / ranks
        exchanges = Transfers(communicator: try communicator.duplicate(), capacity: depth)
        gathers = Transfers(communicator: try communicator.duplicate(), capacity: depth)
        outgoing = .allocate(capacity: depth * ranks * longestSegment)
        outgoing.initialize(repeating: 0, count: depth * ranks * longestSegment)
        incoming = .allocate(capacity: depth * ranks * longestSegment)
        incoming.initialize(repeating: 0, count: depth * ranks * longestSegment)
        sums = .allocate(capacity: longestSegment)
        sums.initialize(repeating: 0, count: longestSegment)
        totals = .allocate(capacity: depth * longestSegment)
        totals.initialize(repeating: 0, count: depth * longestSegment)
        pieces = Array(repeating: .init(start: sums, count: 0), count: depth)
    }

    deinit {
        outgoing.deallocate()
        incoming.deallocate()
        sums.deallocate()
        totals.deallocate()
    }

    func bytesSent(by rank: Int, length: Int) -> Int {
        let (whole, rest) = length.quotientAndRemainder(dividingBy: pieceCount)
        let elements = whole * segment(of: pieceCount) + (rest > 0 ? segment(of: rest) : 0)
        return 2 * (communicator.count - 1) * elements * MemoryLayout<UInt16>.stride
    }

    func enqueue(_ gradient: PendingGradient) {
        if communicator.count > 1 { queue.enqueue(gradient) }
    }

    func advance() throws(MPIError) -> Bool {
        while true {
            while started - completed < depth, let piece = queue.next(longest: pieceCount) { try start(piece) }
            if summed < started, try exchanges.test(summed % depth..<summed % depth + 1) {
                try shareTotal()
                continue
            }
            guard completed < summed else { return completed == started }
            guard try gathers.test(completed % depth..<completed % depth + 1) else { return false }
            let slot = completed % depth
            BFloat16.expand(memory(incoming, slot), to: pieces[slot].start, count: pieces[slot].count)
            completed += 1
        }
    }

    private func segment(of count: Int) -> Int { (count + communicator.count - 1) / communicator.count }

    private func memory(_ memory: UnsafeMutablePointer<UInt16>, _ slot: Int) -> UnsafeMutablePointer<UInt16> {
        memory + slot * communicator.count * longestSegment
    }

    private func start(_ piece: PieceQueue.Piece) throws(MPIError) {
        let slot = started % depth, segment = segment(of: piece.count)
        pieces[slot] = piece
        let operands = memory(outgoing, slot)
        BFloat16.round(piece.start, to: operands, count: piece.count)
        // What fills up the last segments is sent, but nobody reads it.
        try exchanges.exchange(operands, memory(incoming, slot), segment, slot: slot)
        started += 1
    }

    /// Adds up the own segment of the first piece whose operands are there, and starts to give it to all.
    private func shareTotal() throws(MPIError) {
        let slot = summed % depth, piece = pieces[slot], segment = segment(of: piece.count), rank = communicator.rank
        let first = min(rank * segment, piece.count), count = min(segment, piece.count - first)
        let operands = memory(incoming, slot), total = totals + slot * longestSegment
        for source in 0..<communicator.count {
            let operand = operands + source * segment
            switch (source == rank, source == 0) {
            case (true, true): sums.update(from: piece.start + first, count: count)
            case (true, false): add(piece.start + first, to: sums, count: count)
            case (false, true): BFloat16.expand(operand, to: sums, count: count)
            case (false, false): BFloat16.add(operand, to: sums, count: count)
            }
        }
        BFloat16.round(sums, to: total, count: count)
        try gathers.gather(total, operands, segment, slot: slot)
        bytesSent += bytesSent(by: rank, length: piece.count)
        summed += 1
    }
}
