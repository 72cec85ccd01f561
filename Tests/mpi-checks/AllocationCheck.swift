import DataParallel
import Glibc

extension UnsafeMutableRawPointer {
    /// Memory of zeros that takes no room before it is written.
    static func allocateZeros(_ bytes: Int) -> UnsafeMutableRawPointer { calloc(bytes, 1)! }
}

/// Counts the objects that Swift puts on the heap, through the hook that the Swift runtime has for instruments. What MPI allocates inside
/// itself is not counted.
private enum ObjectCounter {
    typealias Allocate = @convention(c) (UnsafeRawPointer?, Int, Int) -> UnsafeMutableRawPointer?

    nonisolated(unsafe) static var count = 0
    nonisolated(unsafe) static var original: Allocate?

    /// The objects allocated by `body`.
    static func count(_ body: () throws -> Void) throws -> Int {
        guard let hook = dlsym(nil, "_swift_allocObject"),
            let switchOn = dlsym(nil, "_swift_enableSwizzlingOfAllocationAndRefCountingFunctions_forInstrumentsOnly")
        else { throw CheckFailure("this Swift runtime has no hook for allocations") }
        let pointer = hook.assumingMemoryBound(to: Allocate?.self)
        original = pointer.pointee
        count = 0
        pointer.pointee = {
            ObjectCounter.count += 1
            return ObjectCounter.original!($0, $1, $2)
        }
        switchOn.storeBytes(of: true, as: Bool.self)
        defer {
            switchOn.storeBytes(of: false, as: Bool.self)
            pointer.pointee = original
        }
        try body()
        return count
    }
}

/// A steady reduction allocates nothing, with balanced and with other parts; nor do the heartbeats that travel meanwhile.
func checkAllocation(_ communicator: Communicator) throws {
    try communicator.watchdog.arm(.standard, communicator: communicator)
    final class Object { var value = 0 }
    var kept: [Object] = []
    let proof = try ObjectCounter.count { for _ in 0..<3 { kept.append(Object()) } }
    try expect(proof >= 3, "the counter saw \(proof) of 3 objects")

    let beating = try ObjectCounter.count {
        for step in 1...100 {
            communicator.watchdog.enter(.forward, step: step)
            for _ in 0..<5 {
                usleep(1000)
                communicator.watchdog.worked()
            }
        }
    }
    try expect(beating == 0, "\(beating) objects in half a second of heartbeats")

    for batch in [communicator.count, communicator.count * 2 + 1] {
        let count = 300_000
        let plan = ReductionPlan(try BatchPartition(batch: batch, ranks: communicator.count))
        var reducers = try GradientReducer.Route.allCases.filter { plan.isBalanced || $0 != .halving }.map {
            try GradientReducer(communicator: communicator, plan: plan, count: count, route: $0)
        }
        for method in [ReductionMethod.fast, .fastBF16] {
            reducers.append(try GradientReducer(communicator: communicator, batch: batch, count: count, method: method))
        }
        for reducer in reducers {
            let memory = UnsafeMutablePointer<Float>.allocate(capacity: reducer.blocks.count * count)
            defer { memory.deallocate() }
            memory.initialize(repeating: 1, count: reducer.blocks.count * count)
            func reduce() throws {
                try reducer.reduce(memory, stride: count, range: 100_000..<count)
                try reducer.reduce(memory, stride: count, range: 0..<100_000)
                for start in stride(from: 200_000, through: 0, by: -100_000) {
                    reducer.enqueue(memory, stride: count, range: start..<start + 100_000)
                    _ = try reducer.advance()
                }
                try reducer.finish()
            }
            try reduce()
            let objects = try ObjectCounter.count { for _ in 0..<5 { try reduce() } }
            try expect(objects == 0, "batch \(batch): \(objects) objects in 5 reductions")
        }
    }
}
