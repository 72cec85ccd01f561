/// Sums gradients over the global batch, along its canonical tree (`BatchTree`) unless told otherwise, so that every rank gets the same bits
/// and so does every other number of ranks.
///
/// A rank computes one gradient for each of its `blocks`, the sum over the samples of the block; they lie one after the other, `stride`
/// floats apart. `reduce` adds up all ranks' blocks for a range of elements; ranges are reduced in any order, the same on all ranks, so
/// that finished layers need not wait for the others. `enqueue` and `advance` do the same piece by piece while the caller computes: the
/// messages of one range follow those of the one before without a gap, however small the ranges are. Every element's additions are those of the tree, with each operand computed once:
/// floating-point addition is commutative, so a rank may add its neighbour's half to its own or the other way round.
///
/// Three ways lead there (`Route`). In `SegmentExchange` each rank owns a segment of the range and receives everybody's blocks for it: any
/// parts, any number of ranks. `SharedMemoryExchange` does the same on one host without messages. `RecursiveHalving` exchanges halves
/// between neighbours, level by level of the tree, where that is balanced over a power of two of ranks: the same traffic in 2 log₂ n
/// messages instead of 2 (n − 1), which counts when there are many ranks. Up to 8 ranks segments were never slower than halves
/// (2 ranks on one host, 124 MiB: 29 against 35 ms, 8 ranks: 187 against 217 ms).
///
/// Two more (`ReductionMethod`) promise the same bits on all ranks, but not at all numbers of ranks: `LibraryAllReduce` is MPI's own sum,
/// `CompressedAllReduce` sends half as much.
public final class GradientReducer {
    /// The floats of one gradient.
    public let count: Int
    /// The blocks of the batch that this rank computes, one buffer each: the first is the one that receives the sum.
    public let blocks: [Range<Int>]
    /// Why the ranks of a host exchange messages although they could have shared memory; `nil` where that is not so.
    public let sharedMemoryProblem: String?
    private let algorithm: any ReductionAlgorithm
    private let communicator: Communicator

    /// A way along which blocks are summed in the order of the tree.
    package enum Route: CaseIterable {
        /// `SegmentExchange`.
        case segments
        /// `RecursiveHalving`: for balanced plans.
        case halving
        /// `SharedMemoryExchange`: for ranks of one host.
        case sharedMemory

        /// Ranks of one host up to which memory is shared: slots take memory by the square of their number.
        static let mostSharing = 16

        /// The way that takes the least time.
        static func fastest(_ plan: ReductionPlan, _ communicator: Communicator) -> Route {
            if communicator.isOnOneHost && (2...mostSharing).contains(plan.ranks) { return .sharedMemory }
            return withoutSharing(plan)
        }

        static func withoutSharing(_ plan: ReductionPlan) -> Route { plan.isBalanced && plan.ranks > 8 ? .halving : .segments }
    }

    /// A reducer of gradients of `count` floats for a global batch; takes all the memory it will ever need. A collective.
    ///
    /// Its messages have tags or communicators of their own, so it may share `communicator` with everything else that one thread does.
    /// Throws `PartitionError` when the batch is smaller than the number of ranks, or `MPIError`.
    public convenience init(communicator: Communicator, batch: Int, count: Int, method: ReductionMethod = .reproducible) throws {
        let partition = try BatchPartition(batch: batch, ranks: communicator.count)
        switch method {
        case .reproducible: try self.init(communicator: communicator, plan: ReductionPlan(partition), count: count)
        case .fast, .fastBF16:
            // Pieces that share their way with the next ones; 1 MiB is long enough for MPI's algorithms for long messages.
            let pieceCount = max(1, min(1 << 18, count)), depth = 4
            let algorithm: any ReductionAlgorithm =
                method == .fast
                ? LibraryAllReduce(communicator: try communicator.duplicate(), pieceCount: pieceCount, depth: depth)
                : try CompressedAllReduce(communicator: communicator, pieceCount: pieceCount, depth: depth)
            let blocks = method.blocks(of: partition.range(of: communicator.rank), in: batch)
            self.init(count: count, blocks: blocks, algorithm: algorithm, communicator: communicator)
        }
    }

    /// A reproducible reducer for a plan of its own, with other than the standard messages or route. A collective.
    ///
    /// The standard messages were chosen by measurement. Slots of shared memory below 256 KiB cost a wait for each, larger ones gained
    /// nothing. Through MPI within a host a copy costs per message, and two pieces of 256 KiB stay in the cache. Over TCP a reply waits behind whatever its sender has queued on the same connection, so that long messages in both directions
    /// take turns (124 MiB at 1 Gbit/s: 1.14 … 1.19 s in pieces of 32 KiB, 1.6 s in pieces of 1 MiB). 64 of them, 2 MiB over all peers, keep 1 Gbit/s busy for 16 ms.
    ///
    /// - Parameters:
    ///   - pieceCount: the length of a message or slot in floats.
    ///   - depth: how many pieces are in flight.
    ///   - route: `nil` takes the fastest. Where there is no shared memory to be had, that is the fastest other one.
    /// - Throws: `MPIError`; on all ranks an error when `route` asks for shared memory and there is none.
    package convenience init(
        communicator: Communicator, plan: ReductionPlan, count: Int, pieceCount: Int? = nil, depth: Int? = nil, route: Route? = nil
    ) throws {
        precondition(plan.ranks == communicator.count, "GradientReducer: a plan for \(plan.ranks) ranks on \(communicator.count)")
        precondition(route != .halving || plan.isBalanced, "GradientReducer: recursive halving of an unbalanced plan")
        let ranks = communicator.count, isOnOneHost = communicator.isOnOneHost, blocks = plan.blocks(of: communicator.rank)
        var problem: String?
        if route ?? .fastest(plan, communicator) == .sharedMemory {
            // Slots of 256 KiB while all of them together take up to 32 MiB: containers often have 64 MiB of shared memory.
            let affordable = (1 << 23) / (max(1, ranks - 1) * plan.blocks.count * SharedMemoryExchange.standardDepth)
            let pieceCount = pieceCount ?? max(1 << 8, min(SharedMemoryExchange.standardPieceCount, affordable))
            do {
                let exchange = try SharedMemoryExchange(
                    communicator: communicator, plan: plan, pieceCount: max(1, min(pieceCount, count)),
                    depth: depth ?? SharedMemoryExchange.standardDepth)
                self.init(count: count, blocks: blocks, algorithm: exchange, communicator: communicator)
                return
            } catch let error as SharedMemory.Unavailable {
                if route != nil { throw error }
                problem = error.description
            }
        }
        let pieceCount = max(1, min(pieceCount ?? (isOnOneHost ? 1 << 16 : 1 << 13), count))
        let depth = depth ?? (isOnOneHost ? 4 : max(4, 64 / max(1, ranks - 1)))
        let algorithm: any ReductionAlgorithm =
            route ?? .withoutSharing(plan) == .halving
            ? RecursiveHalving(communicator: communicator, pieceCount: pieceCount, depth: depth)
            : SegmentExchange(communicator: communicator, plan: plan, pieceCount: pieceCount, depth: depth)
        self.init(count: count, blocks: blocks, algorithm: algorithm, communicator: communicator, sharedMemoryProblem: problem)
    }

    private init(
        count: Int, blocks: [Range<Int>], algorithm: any ReductionAlgorithm, communicator: Communicator, sharedMemoryProblem: String? = nil
    ) {
        precondition(count >= 0, "GradientReducer: a gradient of \(count) floats")
        (self.count, self.blocks, self.algorithm, self.communicator) = (count, blocks, algorithm, communicator)
        self.sharedMemoryProblem = sharedMemoryProblem
    }

    /// Sums the elements of `range` over the whole batch: the result is in `range` of the first buffer, on every rank. What the other
    /// buffers then hold in `range` is not defined; elements outside of `range` are left alone. A collective without allocation.
    ///
    /// - Parameters:
    ///   - buffers: the gradients of this rank's blocks, one after the other.
    ///   - stride: floats from the start of one gradient to the next, at least `count`.
    ///   - range: the elements to sum, inside 0 ..< `count`; the same on all ranks.
    /// - Throws: `MPIError`; the sums are then undefined and the job must end.
    public func reduce(_ buffers: UnsafeMutablePointer<Float>, stride: Int, range: Range<Int>) throws(MPIError) {
        enqueue(buffers, stride: stride, range: range)
        try finish()
    }

    /// Like `reduce`, but only notes what is to be done. The work is done in `advance` and `finish`, on all ranks in the order in which
    /// they enqueued it, which must be the same. Until it is finished `range` belongs to the reducer.
    public func enqueue(_ buffers: UnsafeMutablePointer<Float>, stride: Int, range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "enqueue: \(range) is not inside 0..<\(count)")
        precondition(stride >= count, "enqueue: gradients of \(count) floats cannot lie \(stride) apart")
        algorithm.enqueue(PendingGradient(buffers: buffers, stride: stride, range: range))
    }

    /// Works on what is enqueued, as far as that goes without waiting for another rank. Messages move only inside of this call.
    ///
    /// - Returns: whether everything enqueued so far is reduced.
    public func advance() throws(MPIError) -> Bool { try algorithm.advance() }

    /// Waits until everything enqueued is reduced.
    public func finish() throws(MPIError) {
        var sent = bytesSent
        try communicator.wait { () throws(MPIError) in
            let isDone = try advance()
            // A long sum on a slow network is no standstill.
            if bytesSent != sent {
                sent = bytesSent
                communicator.watchdog.worked()
            }
            return isDone
        }
    }

    /// The bytes that `rank` sends for one whole gradient.
    ///
    /// With balanced parts it is nearly two gradients, as in a ring; a rank whose part is several blocks sends each of them. Of MPI's own
    /// sum it is what any allreduce sends at least.
    public func traffic(of rank: Int) -> Int {
        precondition((0..<communicator.count).contains(rank), "traffic: there is no rank \(rank) among \(communicator.count)")
        return algorithm.bytesSent(by: rank, length: count)
    }

    /// The bytes that this rank has sent so far.
    package var bytesSent: Int { algorithm.bytesSent }
}

/// A range of gradients that waits to be summed.
struct PendingGradient {
    let buffers: UnsafeMutablePointer<Float>, stride: Int, range: Range<Int>

    /// A list with room for as many as ever wait together, so that none is allocated later.
    static var none: [PendingGradient] {
        var list: [PendingGradient] = []
        list.reserveCapacity(1024)
        return list
    }
}

/// A way to sum the blocks of all ranks. It never waits: `advance` is called until it is done.
protocol ReductionAlgorithm: AnyObject {
    func enqueue(_ gradient: PendingGradient)
    func advance() throws(MPIError) -> Bool
    func bytesSent(by rank: Int, length: Int) -> Int
    var bytesSent: Int { get }
}
