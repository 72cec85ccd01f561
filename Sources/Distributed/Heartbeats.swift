import CMPI

/// The messages by which each rank tells all others what it is at, and what was last heard of each. Everything is done by one thread, and
/// nothing waits. The memory is that of the beginning.
final class Heartbeats {
    /// A heartbeat.
    private struct Beat {
        var state: UInt64 = 0
        /// Grows with everything that the rank does, but not while it waits.
        var work = 0
    }

    private struct Peer {
        var beat = Beat()
        /// When a heartbeat last came, and when one last told of progress, in milliseconds.
        var heard = 0, moved = 0
        /// Whether it has said its last.
        var hasLeft = false
    }

    private let communicator: Communicator
    private let peers: UnsafeMutableBufferPointer<Peer>
    private let outgoing: UnsafeMutableBufferPointer<Beat>
    private let requests: UnsafeMutableBufferPointer<cmpi_request>
    /// Milliseconds between heartbeats: at least, which makes some 250 messages a second in all, and at most.
    private let shortestInterval, longestInterval: Int
    private var sentAt = Int.min / 2
    /// The state that was last told.
    private(set) var lastSent = UInt64.max

    private static let beatTag: CInt = 1, leaveTag: CInt = 2

    /// Between the ranks of `communicator`, on which nothing else may travel, each second, or more often where a warning is due after less
    /// than four seconds.
    init(_ communicator: Communicator, limits: Watchdog.Limits) {
        self.communicator = communicator
        let count = communicator.count
        peers = .allocate(capacity: count)
        peers.initialize(repeating: Peer())
        outgoing = .allocate(capacity: count)
        outgoing.initialize(repeating: Beat())
        requests = .allocate(capacity: count)
        requests.initialize(repeating: cmpi_request_null())
        shortestInterval = count * 4
        longestInterval = max(shortestInterval, Int(min(1, limits.warning / 4) * 1000))
    }

    deinit {
        peers.deallocate()
        outgoing.deallocate()
        requests.deallocate()
    }

    /// Seconds by which what was heard may be older than what is.
    var slack: Double { 2 * Double(longestInterval) / 1000 }

    /// What `peer` was at when it was last heard of, and for how many seconds it has made no progress and been silent.
    func peer(_ peer: Int, now: Int) -> (state: Watchdog.State, still: Double, silent: Double) {
        let one = peers[peer], state = Watchdog.State(word: one.beat.state)
        return one.hasLeft ? (state, 0, 0) : (state, Double(now - one.moved) / 1000, Double(now - one.heard) / 1000)
    }

    /// Sends a heartbeat when it is time. A rank that the last has not left for, as when its link is down, gets none.
    func send(_ state: Watchdog.State, work: Int, now: Int) throws(MPIError) {
        let elapsed = now - sentAt
        guard elapsed >= shortestInterval, elapsed >= longestInterval || state.word != lastSent else { return }
        for peer in peers.indices where peer != communicator.rank {
            guard try isSent(peer) else { continue }
            outgoing[peer] = Beat(state: state.word, work: work)
            try start(peer, Self.beatTag)
        }
        sentAt = now
        lastSent = state.word
    }

    private func isSent(_ peer: Int) throws(MPIError) -> Bool {
        var isDone: CInt = 0
        try communicator.check(cmpi_testall(1, requests.baseAddress! + peer, &isDone), "MPI_Testall")
        return isDone != 0
    }

    private func start(_ peer: Int, _ tag: CInt) throws(MPIError) {
        let code = cmpi_isend(
            outgoing.baseAddress! + peer, CInt(MemoryLayout<Beat>.size), UInt8.mpiDatatype, CInt(peer), tag, communicator.raw,
            requests.baseAddress! + peer)
        try communicator.check(code, "MPI_Isend")
    }

    /// Takes in what has come.
    func receive(now: Int) throws(MPIError) {
        while true {
            var source: CInt = 0, tag: CInt = 0, isThere: CInt = 0
            try communicator.check(cmpi_iprobe_any(communicator.raw, &isThere, &source, &tag), "MPI_Iprobe")
            if isThere == 0 { return }
            var beat = Beat(), status = MPI_Status()
            let code = withUnsafeMutableBytes(of: &beat) {
                MPI_Recv($0.baseAddress!, CInt($0.count), UInt8.mpiDatatype, source, tag, communicator.raw, &status)
            }
            try communicator.check(code, "MPI_Recv")
            let peer = Int(source)
            if beat.work != peers[peer].beat.work { peers[peer].moved = now }
            peers[peer].heard = now
            peers[peer].beat = beat
            if tag == Self.leaveTag { peers[peer].hasLeft = true }
        }
    }

    /// Whether all heartbeats have left.
    func areSent() throws(MPIError) -> Bool {
        var isDone: CInt = 0
        try communicator.check(cmpi_testall(CInt(requests.count), requests.baseAddress!, &isDone), "MPI_Testall")
        return isDone != 0
    }

    /// Sends the last message to all ranks; `areSent` must be true.
    func leave() throws(MPIError) {
        for peer in peers.indices where peer != communicator.rank { try start(peer, Self.leaveTag) }
        sentAt = Int.max / 2
    }

    /// Whether the last message of all ranks has come: then none is under way.
    func haveAllLeft(now: Int) throws(MPIError) -> Bool {
        try receive(now: now)
        return peers.indices.allSatisfy { $0 == communicator.rank || peers[$0].hasLeft }
    }
}
