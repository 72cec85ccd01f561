import DataParallel
import Glibc

/// An error that names no exit status.
private struct PlainError: Error, CustomStringConvertible {
    let description: String
}

/// `agree`: with no failure, with one on the first, a middle or the last rank, on several, and nested.
func checkAgreement(_ communicator: Communicator) throws {
    let rank = communicator.rank, count = communicator.count
    let hosts = try communicator.allGather(communicator.hostName)
    try expect(try communicator.agree("counting") { rank * 10 } == rank * 10, "agree does not return the body's result")

    /// The error that comes out on this rank when `failing` ranks fail with `error`.
    func outcome(_ failing: Set<Int>, _ error: any Error) -> (any Error)? {
        do {
            try communicator.agree("reading the batch") { if failing.contains(rank) { throw error } }
            return nil
        } catch {
            return error
        }
    }
    for first in Set([0, count / 2, count - 1]).sorted() {
        for failing in [Set([first]), Set(first..<count)] {
            let error = outcome(failing, CheckFailure("train.tif: slice \(rank)\nis missing", exitStatus: 66))
            if count == 1 {
                try expect((error as? CheckFailure)?.exitStatus == 66, "alone: \(String(describing: error))")
                continue
            }
            let expected = RankError(
                rank: first, hostName: hosts[first], phase: "reading the batch", message: "train.tif: slice \(first) is missing",
                exitStatus: 66)
            try expect(error as? RankError == expected, "\(String(describing: error)) instead of \(expected)")
            let line = "rank \(first) (\(hosts[first])), reading the batch: train.tif: slice \(first) is missing"
            try expect(String(describing: expected) == line, "\(expected) instead of \(line)")
        }
        guard count > 1 else { continue }
        let plain = outcome([first], PlainError(description: "x")) as? RankError
        try expect(plain?.exitStatus == 70 && plain?.message == "x", "an error without a status: \(String(describing: plain))")

        // The inner agreement is the whole job's, the outer one adds nothing.
        do {
            try communicator.agree("outer") { try communicator.agree("inner") { if rank == first { throw PlainError(description: "y") } } }
            try expect(false, "nested agreement does not throw")
        } catch let error as RankError {
            try expect(error.phase == "inner" && error.rank == first && error.message == "y", "nested: \(error)")
        }
    }
    // The ranks are still in step.
    try expect(try communicator.allReduce(1, .sum) == count, "ranks are out of step")
}

/// The middle rank fails while the others wait for it.
func failAlone(_ communicator: Communicator) throws {
    if communicator.rank == communicator.count / 2 { throw CheckFailure("train.tif: cannot read\nslice 17", exitStatus: 66) }
    try communicator.barrier()
}

/// The middle rank fails in backward, when half of its buckets have been enqueued, while the others wait for the sums.
func failOverlapped(_ communicator: Communicator) throws {
    let count = 1_000_001, bucket = 99_999
    let reducer = try GradientReducer(communicator: communicator, batch: communicator.count, count: count)
    let gradient = UnsafeMutablePointer<Float>.allocate(capacity: count)
    gradient.initialize(repeating: 1, count: count)
    for end in stride(from: count, to: 0, by: -bucket) {
        if communicator.rank == communicator.count / 2, end < count / 2 {
            throw CheckFailure("train.tif: cannot read\nslice 17", exitStatus: 66)
        }
        reducer.enqueue(gradient, stride: count, range: max(0, end - bucket)..<end)
        _ = try reducer.advance()
    }
    try reducer.finish()
}

/// The last rank fails where all agree on it.
func failTogether(_ communicator: Communicator) throws {
    try communicator.agree("reading the batch") {
        if communicator.rank == communicator.count - 1 { throw CheckFailure("train.tif: bad slice", exitStatus: 65) }
    }
}

/// The last rank ends the job without a word of its own; what it printed before comes out.
func checkAbort(_ communicator: Communicator) throws {
    if communicator.rank == communicator.count - 1 {
        print("printed before the end", terminator: "")
        communicator.abort(75)
    }
    try communicator.barrier()
    try communicator.barrier()
}

/// A call that MPI refuses, as the buffer is shorter than the message: it must come back as an error, not end the process.
func provokeError(_ communicator: Communicator) throws {
    try expect(communicator.count > 1, "needs two ranks")
    // Rank 0 broadcasts 4 values where the others expect 2.
    let values = UnsafeMutableBufferPointer<Double>.allocate(capacity: communicator.rank == 0 ? 4 : 2)
    defer { values.deallocate() }
    values.update(repeating: 1)
    do {
        try communicator.broadcast(values, from: 0)
    } catch {
        print("rank \(communicator.rank) caught: \(error)")
        throw error
    }
    // Those that noticed nothing wait for the end of the job.
    while true { sleep(1) }
}

/// The last rank never comes to where the heartbeats begin.
func failToBegin(_ communicator: Communicator) throws {
    if communicator.rank == communicator.count - 1 { while true { sleep(1) } }
    try communicator.watchdog.arm(.init(end: 0.5), communicator: communicator)
}

/// Without a launcher there is one rank, and MPI is not initialised.
func checkAlone(_ world: borrowing World) throws {
    try expect(!Launcher.isPresent, "a launcher: \(String(describing: Launcher.current))")
    try expect(!World.isInitialized, "MPI is initialised")
    try expect(world.communicator.rank == 0 && world.communicator.count == 1, "rank \(world.communicator.rank)")
    try checkCollectives(world.communicator)
    try checkMessages(world.communicator)
    try checkAgreement(world.communicator)
    try checkPlacement(world)
    try checkReduction(world.communicator)
    try checkSamples(world.communicator)
    try expect(!World.isInitialized, "MPI was initialised on the way")
}
