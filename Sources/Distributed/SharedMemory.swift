import Glibc
import Synchronization

/// Memory of one host that several ranks see: each rank has a region that it writes and all read.
///
/// The regions have names only until every rank has mapped them, so nothing is left behind by a job that dies.
final class SharedMemory {
    /// Why ranks cannot share memory: the first reason, the same text on all ranks.
    struct Unavailable: Error, CustomStringConvertible {
        let description: String
    }

    /// Where each rank's region begins here. Its first bytes are `counters(of:)`, the data begin at `headerBytes`.
    private let regions: [UnsafeMutableRawPointer]
    private let lengths: [Int]

    /// What a rank tells the others, each in a cache line of its own.
    static let counters = 3
    static let headerBytes = 4096
    private static let cacheLine = 64
    /// The token of the region lies behind the counters.
    private static let tokenOffset = counters * cacheLine

    /// A collective of ranks that are on one host. `floats[r]` is the room that rank r's region has for data; all ranks pass the same.
    ///
    /// - Throws: `MPIError`, or on all ranks `Unavailable`, where the system grants no shared memory (containers often limit `/dev/shm`) or
    ///   where the ranks of a host do not see the same.
    init(communicator: Communicator, floats: [Int]) throws {
        let rank = communicator.rank
        let lengths = floats.map { Self.headerBytes + $0 * MemoryLayout<Float>.stride }
        var regions: [UnsafeMutableRawPointer?] = Array(repeating: nil, count: communicator.count)
        func giveUp(_ reason: String) throws -> Never {
            for (region, length) in zip(regions, lengths) { if let region { munmap(region, length) } }
            throw Unavailable(description: reason)
        }
        /// Throws on all ranks when a rank has a problem.
        func agree(_ problem: String?) throws {
            if let first = try communicator.allGather(problem ?? "").first(where: { !$0.isEmpty }) { try giveUp(first) }
        }

        // Not of the run's random numbers: nothing depends on it.
        let token = UInt64.random(in: 1 ... .max)
        let tokens = try communicator.allGather(token)
        func name(_ rank: Int) -> String { "/unet-mpi-\(String(tokens[rank], radix: 36))-\(rank)" }

        var problem: String?
        do {
            let region = try Self.map(name(rank), bytes: lengths[rank], isNew: true)
            regions[rank] = region
            for counter in 0..<Self.counters { Self.counter(counter, in: region).initialize(to: Atomic(0)) }
            region.storeBytes(of: token, toByteOffset: Self.tokenOffset, as: UInt64.self)
        } catch {
            problem = "rank \(rank) (\(communicator.hostName)): \(error)"
        }
        do {
            try agree(problem)
            for other in 0..<communicator.count where other != rank && problem == nil {
                do {
                    let region = try Self.map(name(other), bytes: lengths[other], isNew: false)
                    regions[other] = region
                    if region.load(fromByteOffset: Self.tokenOffset, as: UInt64.self) != tokens[other] {
                        throw Unavailable(description: "the memory of rank \(other) is another's")
                    }
                } catch {
                    problem = "rank \(rank) (\(communicator.hostName)): \(error)"
                }
            }
            try agree(problem)
        } catch {
            shm_unlink(name(rank))
            throw error
        }
        shm_unlink(name(rank))
        self.regions = regions.map { $0! }
        self.lengths = lengths
    }

    deinit {
        for (region, length) in zip(regions, lengths) { munmap(region, length) }
    }

    /// The data of a rank's region.
    func data(of rank: Int) -> UnsafeMutablePointer<Float> {
        (regions[rank] + Self.headerBytes).assumingMemoryBound(to: Float.self)
    }

    /// Says for this rank how far it is. What it wrote before is visible to whoever reads the number.
    func publish(_ value: Int, _ counter: Int, of rank: Int) {
        Self.counter(counter, in: regions[rank]).pointee.store(value, ordering: .releasing)
    }

    /// How far a rank said it is.
    func read(_ counter: Int, of rank: Int) -> Int {
        Self.counter(counter, in: regions[rank]).pointee.load(ordering: .acquiring)
    }

    private static func counter(_ counter: Int, in region: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Atomic<Int>> {
        (region + counter * cacheLine).assumingMemoryBound(to: Atomic<Int>.self)
    }

    private static func map(_ name: String, bytes: Int, isNew: Bool) throws(Unavailable) -> UnsafeMutableRawPointer {
        func fail(_ call: String, _ code: Int32) -> Unavailable {
            Unavailable(description: "\(call) of \(bytes) bytes of shared memory: \(String(cString: strerror(code)))")
        }
        let file = shm_open(name, O_RDWR | (isNew ? O_CREAT | O_EXCL : 0), S_IRUSR | S_IWUSR)
        guard file >= 0 else { throw fail("shm_open", errno) }
        defer { close(file) }
        // Takes the memory now: a full file system would otherwise be a SIGBUS later.
        if isNew {
            let code = posix_fallocate(file, 0, bytes)
            guard code == 0 else {
                shm_unlink(name)
                throw fail("posix_fallocate", code)
            }
        }
        guard let region = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), region != MAP_FAILED else {
            throw fail("mmap", errno)
        }
        return region
    }
}
