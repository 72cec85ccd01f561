import CMPI

extension Communicator {
    /// Sends `values` to rank `destination`, which must `receive` as many. Empty ones are not sent. May wait for the receiver.
    public func send<T: MPIDatatype>(_ values: UnsafeBufferPointer<T>, to destination: Int) throws(MPIError) {
        requirePeer(destination)
        for piece in pieces(of: values.count, as: T.self) {
            let start = values.baseAddress! + piece.lowerBound
            try complete("MPI_Isend") { cmpi_isend(start, CInt(piece.count), T.mpiDatatype, CInt(destination), Tag.message, raw, $0) }
        }
    }

    /// Receives from rank `source` exactly as many values as `values` holds.
    public func receive<T: MPIDatatype>(_ values: UnsafeMutableBufferPointer<T>, from source: Int) throws(MPIError) {
        requirePeer(source)
        for piece in pieces(of: values.count, as: T.self) {
            let start = values.baseAddress! + piece.lowerBound
            var received: CInt = 0
            var status = try complete("MPI_Irecv") {
                cmpi_irecv(start, CInt(piece.count), T.mpiDatatype, CInt(source), Tag.message, raw, $0)
            }
            try check(MPI_Get_count(&status, T.mpiDatatype, &received), "MPI_Get_count")
            precondition(received == piece.count, "receive: \(received) values from rank \(source) where \(piece.count) were expected")
        }
    }

    /// Sends `outgoing` to one rank while receiving `incoming` from another or the same; neither waits for the other. The lengths may
    /// differ; the buffers must not overlap.
    public func sendReceive<T: MPIDatatype>(
        _ outgoing: UnsafeBufferPointer<T>, to destination: Int, _ incoming: UnsafeMutableBufferPointer<T>, from source: Int
    ) throws(MPIError) {
        requirePeer(destination)
        requirePeer(source)
        let sends = pieces(of: outgoing.count, as: T.self), receives = pieces(of: incoming.count, as: T.self)
        let transfers = Transfers(communicator: self, capacity: sends.count + receives.count)
        for (slot, piece) in receives.enumerated() {
            try transfers.receive(incoming.baseAddress! + piece.lowerBound, piece.count, from: source, tag: Tag.message, slot: slot)
        }
        for (slot, piece) in sends.enumerated() {
            let start = outgoing.baseAddress! + piece.lowerBound
            try transfers.send(start, piece.count, to: destination, tag: Tag.message, slot: receives.count + slot)
        }
        try wait { () throws(MPIError) in try transfers.test(0..<transfers.capacity) }
    }

    private func requirePeer(_ peer: Int) {
        precondition((0..<count).contains(peer) && peer != rank, "rank \(rank) cannot exchange messages with rank \(peer) of \(count)")
    }
}

/// The kinds of messages on one communicator.
enum Tag {
    static let message: CInt = 1
    static let partialSum: CInt = 2
    static let total: CInt = 3
}

/// A fixed number of messages in flight, each in a numbered slot. MPI owns the memory of a message until its slot has been waited for.
final class Transfers {
    let capacity: Int
    /// All bytes handed to MPI so far.
    private(set) var bytesSent = 0
    private let communicator: Communicator
    private let requests: UnsafeMutablePointer<cmpi_request>

    init(communicator: Communicator, capacity: Int) {
        self.communicator = communicator
        self.capacity = capacity
        requests = .allocate(capacity: capacity)
        requests.initialize(repeating: cmpi_request_null(), count: capacity)
    }

    deinit { requests.deallocate() }

    /// Starts a send of `count` values (below 2³¹) in a free slot.
    func send<T: MPIDatatype>(_ values: UnsafePointer<T>, _ count: Int, to peer: Int, tag: CInt, slot: Int) throws(MPIError) {
        let code = cmpi_isend(values, CInt(count), T.mpiDatatype, CInt(peer), tag, communicator.raw, requests + slot)
        try communicator.check(code, "MPI_Isend")
        bytesSent += count * MemoryLayout<T>.stride
    }

    /// Starts to receive `count` values (below 2³¹) in a free slot.
    func receive<T: MPIDatatype>(_ values: UnsafeMutablePointer<T>, _ count: Int, from peer: Int, tag: CInt, slot: Int) throws(MPIError) {
        let code = cmpi_irecv(values, CInt(count), T.mpiDatatype, CInt(peer), tag, communicator.raw, requests + slot)
        try communicator.check(code, "MPI_Irecv")
    }

    /// Starts the sum of all ranks' `operands`, `count` floats (below 2³¹), in a free slot. A collective.
    func sum(_ operands: UnsafePointer<Float>, into result: UnsafeMutablePointer<Float>, _ count: Int, slot: Int) throws(MPIError) {
        let code = cmpi_iallreduce(operands, result, CInt(count), Float.mpiDatatype, cmpi_sum(), communicator.raw, requests + slot)
        try communicator.check(code, "MPI_Iallreduce")
    }

    /// Starts to give rank r the r-th `count` values (below 2³¹) of `outgoing` and to receive those that it has for this rank, in a free
    /// slot. A collective.
    func exchange<T: MPIDatatype>(
        _ outgoing: UnsafePointer<T>, _ incoming: UnsafeMutablePointer<T>, _ count: Int, slot: Int
    ) throws(MPIError) {
        let code = cmpi_ialltoall(outgoing, incoming, CInt(count), T.mpiDatatype, communicator.raw, requests + slot)
        try communicator.check(code, "MPI_Ialltoall")
    }

    /// Starts to give all ranks `count` values (below 2³¹) and to receive theirs, in the order of the ranks, in a free slot. A collective.
    func gather<T: MPIDatatype>(
        _ values: UnsafePointer<T>, _ result: UnsafeMutablePointer<T>, _ count: Int, slot: Int
    ) throws(MPIError) {
        let code = cmpi_iallgather(values, result, CInt(count), T.mpiDatatype, communicator.raw, requests + slot)
        try communicator.check(code, "MPI_Iallgather")
    }

    /// Whether the messages in `slots` are done; those slots are then free. Lets MPI work on all messages, but waits for nothing.
    func test(_ slots: Range<Int>) throws(MPIError) -> Bool {
        if slots.isEmpty { return true }
        var isDone: CInt = 0
        try communicator.check(cmpi_testall(CInt(slots.count), requests + slots.lowerBound, &isDone), "MPI_Testall")
        return isDone != 0
    }
}
