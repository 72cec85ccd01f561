import CMPI
import Glibc

/// A group of ranks that work together, numbered from 0.
///
/// Every function here that is called a collective must be called by all ranks of the group in the same order. One thread calls
/// MPI at a time. All calls are checked and throw `MPIError`; with one rank they work without MPI.
public final class Communicator: Sendable {
    /// This process's number, 0 ..< `count`.
    public let rank: Int
    /// The number of ranks.
    public let count: Int
    /// The host that this rank runs on, and its place among the ranks there.
    public let placement: NodePlacement
    /// The name of the host that this rank runs on.
    public var hostName: String { placement.hostName }
    /// The largest message in bytes; longer ones go in pieces. Counts are 32-bit in MPI, and 1 GiB stays clear of transports
    /// that keep bytes in 32 bits.
    let pieceBytes: Int
    /// Watches over the waiting of this communicator and of all its duplicates; `World` made it.
    public let watchdog: Watchdog
    /// `nil` where there is no MPI.
    private let handle: Handle?

    /// MPI's handle: a pointer in one library, an integer in another; safe to share, as one thread calls MPI at a time.
    private struct Handle: @unchecked Sendable { let raw: MPI_Comm }

    /// MPI's handle. Only for calls that a lone rank never makes.
    var raw: MPI_Comm { handle!.raw }

    /// One rank, without MPI: also for what each rank of a job does by itself.
    package init() {
        rank = 0
        count = 1
        placement = NodePlacement(hostName: Self.currentHostName, localRank: 0, localCount: 1)
        pieceBytes = 1 << 30
        watchdog = Watchdog(rank: 0, count: 1)
        handle = nil
    }

    /// The ranks of `other`, with messages of their own. It is a collective, and lives until MPI is finalised.
    init(duplicating other: MPI_Comm, pieceBytes: Int = 1 << 30, watchdog: Watchdog? = nil) throws(MPIError) {
        var copy = cmpi_comm(), rank: CInt = 0, count: CInt = 0
        try MPIError.check(cmpi_comm_dup(other, &copy), "MPI_Comm_dup", rank: 0)
        try MPIError.check(MPI_Comm_rank(copy.handle, &rank), "MPI_Comm_rank", rank: 0)
        try MPIError.check(MPI_Comm_size(copy.handle, &count), "MPI_Comm_size", rank: Int(rank))
        try MPIError.check(cmpi_comm_return_errors(copy.handle), "MPI_Comm_set_errhandler", rank: Int(rank))
        self.rank = Int(rank)
        self.count = Int(count)
        self.pieceBytes = pieceBytes
        self.watchdog = watchdog ?? Watchdog(rank: Int(rank), count: Int(count))
        placement = try NodePlacement(hostName: Self.currentHostName, of: rank, in: copy.handle)
        handle = Handle(raw: copy.handle)
    }

    /// The same ranks with messages that never meet this communicator's: for a part of the program that sends on its own.
    ///
    /// It is a collective. The copy is not freed before MPI is finalised: make few.
    public func duplicate() throws(MPIError) -> Communicator {
        try duplicate(pieceBytes: pieceBytes)
    }

    /// `duplicate` with another length of messages (bytes), so that tests can cut short ones.
    package func duplicate(pieceBytes: Int) throws(MPIError) -> Communicator {
        handle == nil ? Communicator() : try Communicator(duplicating: raw, pieceBytes: pieceBytes, watchdog: watchdog)
    }

    /// Waits until every rank has come here. A collective.
    public func barrier() throws(MPIError) {
        guard count > 1 else { return }
        try complete("MPI_Ibarrier") { cmpi_ibarrier(raw, $0) }
    }

    /// Waits until `isDone`, which lets MPI work but waits for nothing itself, returns true. All waiting for other ranks is done here, so
    /// that it can be left: see `Watchdog`.
    func wait(until isDone: () throws(MPIError) -> Bool) throws(MPIError) {
        if try isDone() { return }
        watchdog.beginWait()
        defer { watchdog.endWait() }
        var looks = 0
        while try !isDone() {
            watchdog.look()
            looks += 1
            // A rank that shares its core with the one that it waits for must leave it the core. But short messages come before any other
            // process would have given it back.
            if looks > Self.looksBeforeYield { sched_yield() }
        }
    }

    /// A look takes about 0.1 µs.
    private static let looksBeforeYield = 100

    /// Starts `call`, which gives a request, and waits until it is done; returns MPI's status of it.
    @discardableResult
    func complete(_ call: StaticString, _ start: (UnsafeMutablePointer<cmpi_request>) -> CInt) throws(MPIError) -> MPI_Status {
        var request = cmpi_request_null(), status = MPI_Status()
        try withUnsafeMutablePointer(to: &request) { (request) throws(MPIError) in
            try check(start(request), call)
            try wait { () throws(MPIError) in
                var isDone: CInt = 0
                try check(cmpi_test(request, &isDone, &status), call)
                return isDone != 0
            }
        }
        return status
    }

    /// Ends the job on all ranks at once with `status` (1 … 255), saying nothing (see `World.abort`).
    public func abort(_ status: Int32) -> Never {
        watchdog.beginEnd(status)
        World.abort(status)
    }

    /// Ends the job on all ranks because of `error`: one line on standard error, then `abort` with the error's exit status.
    ///
    /// An error of this rank alone reads `rank 5 (node07): …`; a lone rank's is written as it is. One that all ranks agreed on
    /// (`RankError`) names its rank already: rank 0 writes it and ends the job, and the others, which would only cut it short, wait for
    /// that for at most `patience` seconds.
    public func fail(_ error: any Error) -> Never {
        if error is RankError {
            if rank == 0 { writeLine(oneLine(error)) } else { sleep(Self.patience) }
        } else {
            writeLine(count == 1 ? oneLine(error) : "rank \(rank) (\(hostName)): \(oneLine(error))")
        }
        abort(exitStatus(of: error))
    }

    private static let patience: UInt32 = 5

    /// Whether all ranks share one host's memory; the same on all of them.
    var isOnOneHost: Bool { placement.localCount == count }

    /// Throws unless `code`, returned by `call`, is success.
    @inline(__always)
    func check(_ code: CInt, _ call: StaticString) throws(MPIError) {
        try MPIError.check(code, call, rank: rank)
    }

    /// The parts of 0 ..< `elements` that fit into one message each.
    func pieces<T>(of elements: Int, as type: T.Type) -> [Range<Int>] {
        let piece = max(1, pieceBytes / MemoryLayout<T>.stride)
        return stride(from: 0, to: elements, by: piece).map { $0..<min($0 + piece, elements) }
    }

    static var currentHostName: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 257) { buffer in
            buffer.initialize(repeating: 0)
            return gethostname(buffer.baseAddress!, 256) == 0 ? String(cString: buffer.baseAddress!) : "unknown host"
        }
    }
}
