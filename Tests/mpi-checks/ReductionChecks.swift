import DataParallel

/// The gradient of one sample at one element: any sign, magnitudes over 16 binades, so that every association of a sum rounds
/// differently.
func sampleValue(_ sample: Int, _ element: Int) -> Float {
    var x = UInt64(truncatingIfNeeded: sample + 1) &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(truncatingIfNeeded: element) &* 0xD6E8_FEB8_6659_FD93
    x = (x ^ x >> 32) &* 0xBF58_476D_1CE4_E5B9
    x ^= x >> 29
    let mantissa = Float(Int32(truncatingIfNeeded: x >> 32) >> 8)
    return mantissa * Float(bitPattern: UInt32(111 + x & 15) << 23)
}

/// The specification: the sum over `samples` by the rule itself, one element at a time.
func specifiedSum(_ samples: Range<Int>, _ element: Int) -> Float {
    if samples.count == 1 { return sampleValue(samples.lowerBound, element) }
    var half = 1
    while 2 * half < samples.count { half *= 2 }
    let middle = samples.lowerBound + half
    return specifiedSum(samples.lowerBound..<middle, element) + specifiedSum(middle..<samples.upperBound, element)
}

/// One way to reduce one batch: its gradients, what comes out, and what must.
private struct ReductionCase {
    static let guardValue: Float = -12_345
    /// Floats between gradients that nothing may touch.
    static let gap = 3

    let communicator: Communicator
    let plan: ReductionPlan
    let batch: Int
    /// The specified sum of each element.
    let expected: [Float]
    /// The block sums of this rank, for all elements.
    let blockSums: [[Float]]

    init(_ communicator: Communicator, batch: Int, plan: ReductionPlan, longest: Int) {
        self.communicator = communicator
        self.plan = plan
        self.batch = batch
        expected = (0..<longest).map { specifiedSum(0..<batch, $0) }
        blockSums = plan.blocks(of: communicator.rank).map { block in (0..<longest).map { specifiedSum(block, $0) } }
    }

    /// Reduces gradients of `length` floats in the order of `ranges` and compares every bit. With `overlapped`, each range is written just
    /// before it is enqueued, as backward does, and between two of them each rank lets the reduction advance as often as its number says:
    /// the ranks are never at the same place.
    func check(_ reducer: GradientReducer, length: Int, ranges: [Range<Int>], overlapped: Bool = false) throws {
        let stride = reducer.count + Self.gap
        var memory = [Float](repeating: Self.guardValue, count: blockSums.count * stride)
        let sentBefore = reducer.bytesSent
        try memory.withUnsafeMutableBufferPointer { memory in
            func write(_ range: Range<Int>) {
                for (block, values) in blockSums.enumerated() { for i in range { memory[block * stride + i] = values[i] } }
            }
            if !overlapped { write(0..<length) }
            for (number, range) in ranges.enumerated() {
                if overlapped {
                    write(range)
                    reducer.enqueue(memory.baseAddress!, stride: stride, range: range)
                    for _ in 0..<(communicator.rank + number) % 4 { _ = try reducer.advance() }
                } else {
                    try reducer.reduce(memory.baseAddress!, stride: stride, range: range)
                }
            }
            try reducer.finish()
            try expect(try reducer.advance(), "not done after finish")
        }
        let name = "\(communicator.count) ranks, batch \(batch), \(length) floats in \(ranges.count) ranges"
        for element in 0..<length where memory[element].bitPattern != expected[element].bitPattern {
            throw CheckFailure("\(name): element \(element) is \(memory[element]) instead of \(expected[element])")
        }
        for block in blockSums.indices {
            let rest = memory[block * stride + length..<(block + 1) * stride]
            try expect(rest.allSatisfy { $0 == Self.guardValue }, "\(name): written behind the range in buffer \(block)")
        }
        if ranges == [0..<reducer.count] {
            let sent = reducer.bytesSent - sentBefore
            try expect(
                sent == reducer.traffic(of: communicator.rank),
                "\(name): sent \(sent), said \(reducer.traffic(of: communicator.rank)) bytes")
        }
    }
}

/// The reduction against its specification, bit for bit: all batches near the number of ranks, every length up to 300, cut into messages
/// and into ranges in several ways, along all routes, and blocks finer than they need be.
func checkReduction(_ communicator: Communicator) throws {
    let ranks = communicator.count, longest = 300
    let lengths = [0, 1, 2, 3, 7, 15, 16, 17, 33, 63, 128, 255, 299, 300]
    for batch in Array(ranks...max(9, ranks + 3)) + [16] {
        let partition = try BatchPartition(batch: batch, ranks: ranks)
        let plan = ReductionPlan(partition)
        let standard = ReductionCase(communicator, batch: batch, plan: plan, longest: longest)
        if batch > 2 {
            let sequential = (0..<longest).map { element in (0..<batch).reduce(Float(0)) { $0 + sampleValue($1, element) } }
            let differing = zip(sequential, standard.expected).count { $0 != $1 }
            // Otherwise the check would pass with any order.
            try expect(batch == 3 || differing > longest / 10, "batch \(batch): the order of the sum changes \(differing) elements only")
        }

        let chosen = try GradientReducer(communicator: communicator, batch: batch, count: longest)
        try expect(chosen.blocks == plan.blocks(of: communicator.rank), "blocks \(chosen.blocks)")
        for route in GradientReducer.Route.allCases where plan.isBalanced || route != .halving {
            let whole = try GradientReducer(communicator: communicator, plan: plan, count: longest, route: route)
            for length in 0...longest { try standard.check(whole, length: length, ranges: [0..<length]) }
            // Suffixes first, as backward finishes them.
            let suffixes = [200..<300, 77..<200, 77..<77, 76..<77, 0..<76]
            try standard.check(whole, length: longest, ranges: suffixes)
            for _ in 0..<3 { try standard.check(whole, length: longest, ranges: suffixes, overlapped: true) }
            for (pieceCount, depth) in [(1, 1), (16, 2), (16, 5), (100, 1), (1 << 16, 1)] {
                for length in lengths {
                    let reducer = try GradientReducer(
                        communicator: communicator, plan: plan, count: length, pieceCount: pieceCount, depth: depth, route: route)
                    try standard.check(reducer, length: length, ranges: [0..<length])
                    for bucket in [1, 37, 64] {
                        let ranges = stride(from: 0, to: length, by: bucket).map { max(0, length - $0 - bucket)..<length - $0 }
                        try standard.check(reducer, length: length, ranges: ranges, overlapped: true)
                    }
                }
            }
        }

        let single = (0..<ranks).map { partition.range(of: $0).map { $0..<$0 + 1 } }
        let fine = ReductionCase(communicator, batch: batch, plan: ReductionPlan(batch: batch, blocksOfRanks: single), longest: longest)
        for length in lengths {
            for route in [GradientReducer.Route.segments, .sharedMemory] {
                let reducer = try GradientReducer(communicator: communicator, plan: fine.plan, count: length, pieceCount: 16, route: route)
                try fine.check(reducer, length: length, ranges: [0..<length])
            }
        }
    }
}

/// More blocks than a piece of each can wait for in memory, and not the same number on all ranks: they still cut the messages alike.
func checkManyBlocks(_ communicator: Communicator) throws {
    let batch = 64 * communicator.count - 1, length = 70_000
    let partition = try BatchPartition(batch: batch, ranks: communicator.count)
    let single = (0..<communicator.count).map { partition.range(of: $0).map { $0..<$0 + 1 } }
    let many = ReductionCase(communicator, batch: batch, plan: ReductionPlan(batch: batch, blocksOfRanks: single), longest: length)
    for route in [GradientReducer.Route.segments, .sharedMemory] {
        let reducer = try GradientReducer(communicator: communicator, plan: many.plan, count: length, route: route)
        try many.check(reducer, length: length, ranges: [0..<length])
    }
}

/// The sums that do not promise the bits: in one piece, in several and in suffixes while the ranks are out of step, all ranks get the same
/// bits, within the stated error of the exact sum; and infinities and what is not a number arrive.
func checkFastReduction(_ communicator: Communicator) throws {
    let ranks = communicator.count, batch = 2 * ranks + 1, count = 700_001
    let partition = try BatchPartition(batch: batch, ranks: ranks), parts = (0..<ranks).map { partition.range(of: $0) }
    let part = parts[communicator.rank]
    for method in [ReductionMethod.fast, .fastBF16] {
        let reducer = try GradientReducer(communicator: communicator, batch: batch, count: count, method: method)
        try expect(reducer.blocks == [part], "blocks \(reducer.blocks)")
        let memory = UnsafeMutablePointer<Float>.allocate(capacity: count + 1)
        defer { memory.deallocate() }
        for (length, bucket) in [(0, 1), (1, 1), (ranks, 1), (1000, 37), (count, count), (count, 99_999)] {
            let name = "\(method.rawValue), \(ranks) ranks, \(length) floats in ranges of \(bucket)"
            // As backward does it: each range is written just before it is enqueued.
            memory.update(repeating: -12_345, count: count + 1)
            let sent = reducer.bytesSent
            for (number, end) in stride(from: length, to: 0, by: -bucket).enumerated() {
                let range = max(0, end - bucket)..<end
                for i in range { memory[i] = specifiedSum(part, i) }
                reducer.enqueue(memory, stride: count, range: range)
                for _ in 0..<(communicator.rank + number) % 4 { _ = try reducer.advance() }
            }
            try reducer.finish()
            if length == count && bucket == count {
                try expect(reducer.bytesSent - sent == reducer.traffic(of: communicator.rank), "\(name): sent other than said")
            }
            let bound = method.errorBound(ranks: ranks)
            var largest = 0.0
            for i in 0..<length {
                var exact = 0.0, magnitude = 0.0
                for part in parts {
                    let value = Double(specifiedSum(part, i))
                    exact += value
                    magnitude += abs(value)
                }
                let error = abs(Double(memory[i]) - exact)
                try expect(error <= bound * magnitude, "\(name): element \(i) is \(memory[i]) instead of \(exact)")
                if magnitude > 0 { largest = max(largest, error / magnitude) }
            }
            // The bound is not a hundred times what happens, so that it would notice another rounding.
            try expect(length < 1000 || ranks == 1 || largest > bound / 100, "\(name): the error is \(largest), its bound \(bound)")
            try expect(memory[length] == -12_345, "\(name): written behind the range")
            var hash: UInt64 = 0
            for i in 0..<length { hash = (hash ^ UInt64(memory[i].bitPattern)) &* 0x100_0000_01B3 }
            try expect(Set(try communicator.allGather(hash)).count == 1, "\(name): the ranks hold different bits")
        }
        let special: [Float] = [.infinity, -.infinity, .nan, Float(bitPattern: 0x7F80_0001), .greatestFiniteMagnitude, 0x1p-140, -0.0]
        for i in special.indices { memory[i] = communicator.rank == ranks - 1 ? special[i] : 0 }
        try reducer.reduce(memory, stride: count, range: 0..<special.count)
        let isRounded = method == .fastBF16 && ranks > 1
        try expect(memory[0] == .infinity && memory[1] == -.infinity && memory[2].isNaN && memory[3].isNaN, "\(memory[0]) … \(memory[3])")
        try expect(memory[4] == (isRounded ? .infinity : .greatestFiniteMagnitude), "\(memory[4])")
        try expect(abs(memory[5] - 0x1p-140) <= 0x1p-134 && memory[6] == 0, "\(memory[5]), \(memory[6])")
    }
}

/// The gradient of the full U-Net, 31,031,685 floats, in one range and with the standard messages, along all routes that the plan has.
func checkFullReduction(_ communicator: Communicator) throws {
    let count = 31_031_685, batch = communicator.count + 1
    let plan = ReductionPlan(try BatchPartition(batch: batch, ranks: communicator.count))
    let blocks = plan.blocks(of: communicator.rank)
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: blocks.count * count)
    defer { memory.deallocate() }
    for route in GradientReducer.Route.allCases where plan.isBalanced || route != .halving {
        let reducer = try GradientReducer(communicator: communicator, plan: plan, count: count, route: route)
        for (buffer, block) in blocks.enumerated() {
            for element in 0..<count { memory[buffer * count + element] = specifiedSum(block, element) }
        }
        try reducer.reduce(memory, stride: count, range: 0..<count)
        for element in 0..<count where memory[element].bitPattern != specifiedSum(0..<batch, element).bitPattern {
            throw CheckFailure("element \(element) is \(memory[element]) instead of \(specifiedSum(0..<batch, element))")
        }
    }
}

/// Per-sample values arrive in the order of the batch on every rank, and their sum has the bits of the specification.
func checkSamples(_ communicator: Communicator) throws {
    for batch in communicator.count...communicator.count + 9 {
        let partition = try BatchPartition(batch: batch, ranks: communicator.count)
        let losses = (0..<batch).map { 1 / Double($0 + 3) }
        let own = Array(losses[partition.range(of: communicator.rank)])
        let all = try communicator.gatherPerSample(own, of: partition)
        try expect(all == losses, "gathered \(all) instead of \(losses)")
        func specified(_ samples: Range<Int>) -> Double {
            if samples.count == 1 { return losses[samples.lowerBound] }
            var half = 1
            while 2 * half < samples.count { half *= 2 }
            return specified(samples.lowerBound..<samples.lowerBound + half) + specified(samples.lowerBound + half..<samples.upperBound)
        }
        try expect(BatchTree.sum(all) == specified(0..<batch), "the sum of \(batch) is \(BatchTree.sum(all))")
    }
}
