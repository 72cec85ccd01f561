import DataParallel

/// Times `GradientReducer` beside MPI's own allreduce, alternating, on the same buffers: median and best of several rounds in ms.
///
///     mpirun -n N mpi-checks bench-allreduce [MiB …] [--batch B] [--pieces KiB,…] [--depths D,…] [--ways halving,segments] [--rounds R]
func benchmarkAllReduce(_ communicator: Communicator) throws {
    var sizes: [Int] = [], options: [String: [String]] = [:]
    var arguments = CommandLine.arguments.dropFirst(2).makeIterator()
    while let argument = arguments.next() {
        if argument.hasPrefix("--") {
            options[argument] = (arguments.next() ?? "").split(separator: ",").map(String.init)
        } else {
            sizes.append(Int(argument) ?? 0)
        }
    }
    if sizes.isEmpty { sizes = [16, 124] }
    func numbers(_ name: String) -> [Int] { options[name]?.compactMap { Int($0) } ?? [] }
    /// What an option says, or once `nil`, which stands for the standard.
    func choices<T>(_ values: [T]) -> [T?] { values.isEmpty ? [nil] : values }

    let ranks = communicator.count
    let batch = numbers("--batch").first ?? ranks, rounds = numbers("--rounds").first ?? 7
    let plan = ReductionPlan(try BatchPartition(batch: batch, ranks: ranks))
    for mebibytes in sizes {
        for way in choices(options["--ways"] ?? []) {
            for piece in choices(numbers("--pieces")) {
                for depth in choices(numbers("--depths")) {
                    let count = mebibytes << 18
                    let reducer = GradientReducer(
                        communicator: communicator, plan: plan, count: count, pieceCount: piece.map { $0 << 8 }, depth: depth,
                        isHalving: way.map { $0 == "halving" })
                    let (ours, theirs) = try times(communicator, reducer, blocks: plan.blocks.count, rounds: rounds)
                    guard communicator.rank == 0 else { continue }
                    let name = [way, piece.map { "\($0) KiB" }, depth.map { "depth \($0)" }].compactMap { $0 }.joined(separator: " ")
                    print(
                        "\(ranks) ranks, batch \(batch), \(mebibytes) MiB, \(name.isEmpty ? "standard" : name): "
                            + "\(format(median(ours))) ms (best \(format(ours.min()!))), "
                            + "MPI_Allreduce \(format(median(theirs))) ms (best \(format(theirs.min()!))), "
                            + "ratio \(format(median(theirs) / median(ours) / 1000)), \(reducer.traffic(of: 0) >> 20) MiB sent")
                }
            }
        }
    }
}

/// Seconds of `rounds` of our reduction and of MPI's, in turns, each with its result checked.
private func times(
    _ communicator: Communicator, _ reducer: GradientReducer, blocks: Int, rounds: Int
) throws -> (ours: [Double], theirs: [Double]) {
    let count = reducer.count, buffers = reducer.blocks.count
    let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: buffers * count)
    defer { memory.deallocate() }
    func check(_ expected: Int) throws {
        for index in stride(from: 0, to: count, by: 4099) {
            try expect(memory[index] == Float(expected), "element \(index) is \(memory[index]) instead of \(expected)")
        }
    }
    var ours: [Double] = [], theirs: [Double] = []
    for _ in 0..<rounds {
        memory.update(repeating: 1)
        ours.append(try time(communicator) { try reducer.reduce(memory.baseAddress!, stride: count, range: 0..<count) })
        try check(blocks)
        memory.update(repeating: 1)
        let gradient = UnsafeMutableBufferPointer(rebasing: memory[..<count])
        theirs.append(try time(communicator) { try communicator.allReduce(gradient, .sum) })
        try check(communicator.count)
    }
    return (ours, theirs)
}

/// Seconds from the moment when all ranks start to the one when the last is done.
private func time(_ communicator: Communicator, _ body: () throws -> Void) throws -> Double {
    try communicator.barrier()
    let start = ContinuousClock.now
    try body()
    let elapsed = (ContinuousClock.now - start) / .seconds(1)
    return try communicator.allReduce(elapsed, .maximum)
}

private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

/// Seconds as milliseconds with two decimals.
private func format(_ seconds: Double) -> String { String(describing: (seconds * 100_000).rounded() / 100) }
