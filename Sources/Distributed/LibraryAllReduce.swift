import CMPI

/// The sum by MPI's own nonblocking allreduce, in pieces of which a few are in flight.
///
/// A piece is copied first: where the result is to replace the operand Open MPI 4.1 sums at one rank and sends back to all, whatever their
/// number; else it does so below four ranks only.
final class LibraryAllReduce: ReductionAlgorithm {
    private let communicator: Communicator
    private let pieceCount: Int
    private let depth: Int
    /// `depth` pieces.
    private let operands: UnsafeMutablePointer<Float>
    private let transfers: Transfers
    private var queue = PieceQueue()
    /// Pieces since the beginning; piece i is in slot i mod `depth`.
    private var started = 0, completed = 0
    private(set) var bytesSent = 0

    init(communicator: Communicator, pieceCount: Int, depth: Int) {
        self.communicator = communicator
        self.pieceCount = pieceCount
        self.depth = depth
        operands = .allocate(capacity: depth * pieceCount)
        operands.initialize(repeating: 0, count: depth * pieceCount)
        transfers = Transfers(communicator: communicator, capacity: depth)
    }

    deinit { operands.deallocate() }

    /// What an allreduce at least sends; the library does not tell what it does send.
    func bytesSent(by rank: Int, length: Int) -> Int {
        2 * length * (communicator.count - 1) / communicator.count * MemoryLayout<Float>.stride
    }

    func enqueue(_ gradient: PendingGradient) {
        if communicator.count > 1 { queue.enqueue(gradient) }
    }

    func advance() throws(MPIError) -> Bool {
        while true {
            while started - completed < depth, let piece = queue.next(longest: pieceCount) {
                let slot = started % depth, operand = operands + slot * pieceCount
                operand.update(from: piece.start, count: piece.count)
                try transfers.sum(operand, into: piece.start, piece.count, slot: slot)
                bytesSent += bytesSent(by: communicator.rank, length: piece.count)
                started += 1
            }
            guard completed < started else { return true }
            let slot = completed % depth
            guard try transfers.test(slot..<slot + 1) else { return false }
            completed += 1
        }
    }
}
