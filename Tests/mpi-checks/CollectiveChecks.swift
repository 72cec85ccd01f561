import DataParallel

/// Every collective on every type, with lengths from 0 on, in one message and cut into pieces.
func checkCollectives(_ communicator: Communicator) throws {
    // 40 bytes: 5 doubles a message, so that 101 elements are many messages with a short last one.
    for pieceBytes in [1 << 30, 40] {
        let communicator = try communicator.duplicate(pieceBytes: pieceBytes)
        try checkType(communicator) { Float($0) }
        try checkType(communicator) { Double($0) }
        try checkType(communicator) { Int($0) }
        try checkType(communicator) { UInt64($0) }
        try checkType(communicator) { Int32($0) }
        try checkType(communicator) { UInt16($0) }
        try checkType(communicator) { UInt8($0) }
        try communicator.barrier()
    }
    let names = try communicator.allGather(String(repeating: "ü", count: communicator.rank))
    let expected = (0..<communicator.count).map { String(repeating: "ü", count: $0) }
    try expect(names == expected, "gathered \(names) instead of \(expected)")
}

private func checkType<T: MPIDatatype & Numeric>(_ communicator: Communicator, _ make: (Int) -> T) throws {
    let rank = communicator.rank, count = communicator.count
    /// Element i of rank r; below 256 also when summed over 8 ranks.
    func value(_ rank: Int, _ i: Int) -> Int { (rank + 1) * (i % 5 + 1) % 31 }
    for length in [0, 1, 10, 11, 101] {
        for operation in Reduction.allCases {
            var values = (0..<length).map { make(value(rank, $0)) }
            try values.withUnsafeMutableBufferPointer { try communicator.allReduce($0, operation) }
            let expected = (0..<length).map { i in
                let all = (0..<count).map { value($0, i) }
                switch operation {
                case .sum: return make(all.reduce(0, +))
                case .minimum: return make(all.min()!)
                case .maximum: return make(all.max()!)
                }
            }
            try expect(values == expected, "\(operation) of \(length) × \(T.self): \(values.prefix(12)) instead of \(expected.prefix(12))")
        }
        for root in 0..<count {
            var values = (0..<length).map { make(value(rank, $0)) }
            try values.withUnsafeMutableBufferPointer { try communicator.broadcast($0, from: root) }
            let expected = (0..<length).map { make(value(root, $0)) }
            try expect(values == expected, "broadcast of \(length) × \(T.self) from \(root): \(values.prefix(12))")
            let array = try communicator.broadcast(rank == root ? expected : [make(99)], from: root)
            try expect(array == expected, "broadcast of an array of \(length) × \(T.self) from \(root): \(array.prefix(12))")
        }
        // Rank r contributes `length` values when r is odd, none otherwise.
        let counts = (0..<count).map { $0 % 2 * length }
        let gathered = try communicator.allGather((0..<counts[rank]).map { make(value(rank, $0)) }, counts: counts)
        let expected = (0..<count).flatMap { r in (0..<counts[r]).map { make(value(r, $0)) } }
        try expect(gathered == expected, "gathered \(gathered.prefix(12)) instead of \(expected.prefix(12))")
    }
    let single = try communicator.allGather(make(rank))
    try expect(single == (0..<count).map(make), "gathered \(single)")
    try expect(try communicator.allReduce(make(rank), .maximum) == make(count - 1), "maximum of the ranks")
    try expect(try communicator.broadcast(make(rank), from: count - 1) == make(count - 1), "broadcast of one value")
}

/// Messages between all pairs of ranks, empty ones and ones of many pieces among them.
func checkMessages(_ communicator: Communicator) throws {
    let rank = communicator.rank, count = communicator.count
    for pieceBytes in [1 << 30, 40] {
        let communicator = try communicator.duplicate(pieceBytes: pieceBytes)
        for length in [0, 1, 10, 11, 101] {
            func values(_ from: Int, _ to: Int, _ length: Int) -> [Float] { (0..<length).map { Float($0 + 1000 * from + 10_000 * to) } }
            for from in 0..<count {
                for to in 0..<count where to != from {
                    if rank == from { try values(from, to, length).withUnsafeBufferPointer { try communicator.send($0, to: to) } }
                    if rank != to { continue }
                    var received = [Float](repeating: -1, count: length)
                    try received.withUnsafeMutableBufferPointer { try communicator.receive($0, from: from) }
                    try expect(received == values(from, to, length), "\(length) floats from \(from) to \(to): \(received.prefix(12))")
                }
            }
            // Around the ring at every distance; the length depends on the sender, so the two directions differ.
            for distance in 1..<max(count, 1) {
                let to = (rank + distance) % count, from = (rank + count - distance) % count
                let out = values(rank, to, length * rank)
                var received = [Float](repeating: -1, count: length * from)
                try out.withUnsafeBufferPointer { out in
                    try received.withUnsafeMutableBufferPointer { try communicator.sendReceive(out, to: to, $0, from: from) }
                }
                try expect(received == values(from, rank, length * from), "ring at distance \(distance): \(received.prefix(12))")
            }
        }
    }
}

/// A message of more bytes than a 32-bit count can hold, from the first rank to the last.
func checkLargeMessage(_ communicator: Communicator) throws {
    try expect(communicator.count > 1, "needs two ranks")
    let count = 1 << 31 + 12_345
    let marks = [0, 1 << 30 - 1, 1 << 30, 1 << 31 - 1, 1 << 31, count - 1]
    let last = communicator.count - 1
    if communicator.rank == 0 {
        // Zeros that were never written take no memory.
        let memory = UnsafeMutableRawPointer.allocateZeros(count)
        defer { memory.deallocate() }
        let values = UnsafeMutableBufferPointer(start: memory.assumingMemoryBound(to: UInt8.self), count: count)
        for (index, mark) in marks.enumerated() { values[mark] = UInt8(index + 1) }
        try communicator.send(UnsafeBufferPointer(values), to: last)
    } else if communicator.rank == last {
        let values = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: count)
        defer { values.deallocate() }
        try communicator.receive(values, from: 0)
        for (index, mark) in marks.enumerated() { try expect(values[mark] == index + 1, "byte \(mark) is \(values[mark])") }
        for index in stride(from: 2, to: count - 1, by: 65_521) where !marks.contains(index) {
            try expect(values[index] == 0, "byte \(index) is \(values[index])")
        }
    }
    try communicator.barrier()
}

/// The place of each rank on its host, for ranks that all run on one host.
func checkPlacement(_ world: borrowing World) throws {
    let communicator = world.communicator
    let placement = communicator.placement
    try expect(placement.localRank == communicator.rank && placement.localCount == communicator.count, "\(placement)")
    let hosts = try communicator.allGather(placement.hostName)
    try expect(hosts == [String](repeating: communicator.hostName, count: communicator.count), "hosts \(hosts)")
    try expect(!communicator.hostName.isEmpty, "no host name")
    try expect(world.threadLevel >= .funneled, "thread level \(world.threadLevel)")
}
