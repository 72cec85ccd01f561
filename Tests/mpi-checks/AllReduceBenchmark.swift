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
    func numbers(_ name: String, _ standard: [Int]) -> [Int] { options[name]?.compactMap { Int($0) } ?? standard }

    let ranks = communicator.count
    let batch = numbers("--batch", [ranks])[0], rounds = numbers("--rounds", [7])[0]
    let plan = ReductionPlan(try BatchPartition(batch: batch, ranks: ranks))
    let ways = options["--ways"] ?? [plan.isBalanced ? "halving" : "segments"]
    let buffers = plan.blocks(of: communicator.rank).count
    for mebibytes in sizes {
        let count = mebibytes << 18
        let memory = UnsafeMutablePointer<Float>.allocate(capacity: buffers * count)
        defer { memory.deallocate() }
        for way in ways {
            for piece in numbers("--pieces", [256]) {
                for depth in numbers("--depths", [2]) {
                    let reducer = GradientReducer(
                        communicator: communicator, plan: plan, count: count, pieceCount: piece << 8, depth: depth,
                        sendDepth: numbers("--sends", [16])[0],
                        isHalving: way == "halving")
                    var ours: [Double] = [], theirs: [Double] = []
                    for _ in 0..<rounds {
                        memory.update(repeating: 1, count: buffers * count)
                        ours.append(try time(communicator) { try reducer.reduce(memory, stride: count, range: 0..<count) })
                        let blocks = Float(plan.blocks.count)
                        for index in Swift.stride(from: 0, to: count, by: 4099) {
                            try expect(memory[index] == blocks, "element \(index) is \(memory[index]) instead of \(blocks)")
                        }
                        memory.update(repeating: 1, count: count)
                        let buffer = UnsafeMutableBufferPointer(start: memory, count: count)
                        theirs.append(try time(communicator) { try communicator.allReduce(buffer, .sum) })
                    }
                    guard communicator.rank == 0 else { continue }
                    let (our, their) = (median(ours), median(theirs))
                    print(
                        "\(ranks) ranks, batch \(batch), \(mebibytes) MiB, \(way), pieces \(piece) KiB × \(depth): "
                            + "ours \(format(our)) (best \(format(ours.min()!))), MPI_Allreduce \(format(their)) (best \(format(theirs.min()!))) ms, "
                            + "ratio \(format(their / our / 1000)), \(reducer.traffic(of: 0) >> 20) MiB sent")
                }
            }
        }
    }
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
