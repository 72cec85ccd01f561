import DataParallel
import Glibc

/// Ranks of one host share memory without being told; where one of them gets none, all exchange messages, say why, and have the same bits.
func checkSharedMemory(_ communicator: Communicator) throws {
    let batch = communicator.count + 1, count = 200_001, last = communicator.count - 1
    func names() -> [String] {
        guard let folder = opendir("/dev/shm") else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            names.append(withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        return names.filter { $0.hasPrefix("unet-mpi-") && $0.hasSuffix("-\(communicator.rank)") }
    }
    func check(_ reducer: GradientReducer) throws {
        var memory = reducer.blocks.flatMap { block in (0..<count).map { specifiedSum(block, $0) } }
        try memory.withUnsafeMutableBufferPointer { try reducer.reduce($0.baseAddress!, stride: count, range: 0..<count) }
        for element in 0..<count where memory[element].bitPattern != specifiedSum(0..<batch, element).bitPattern {
            throw CheckFailure("element \(element) is \(memory[element]) instead of \(specifiedSum(0..<batch, element))")
        }
    }
    let before = Set(names())
    let sharing = try GradientReducer(communicator: communicator, batch: batch, count: count)
    try expect(sharing.sharedMemoryProblem == nil, "\(sharing.sharedMemoryProblem ?? "")")
    try expect(Set(names()).isSubset(of: before), "names are left: \(names())")
    try check(sharing)

    // One rank may make no file as large as its region; the signal that would end it instead is ignored.
    if communicator.rank == last {
        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit(rlim_cur: 100_000, rlim_max: rlim_t.max)
        try expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0, "no limit")
    }
    let plan = ReductionPlan(try BatchPartition(batch: batch, ranks: communicator.count))
    let messages = try GradientReducer(communicator: communicator, plan: plan, count: count)
    if communicator.count > 1 {
        let problem = messages.sharedMemoryProblem ?? ""
        try expect(problem.contains("rank \(last) (") && problem.contains("posix_fallocate"), "all is well? \(problem)")
        try expect(Set(try communicator.allGather(problem)).count == 1, "the ranks say different things")
    }
    try check(messages)
    do {
        _ = try GradientReducer(communicator: communicator, plan: plan, count: count, route: .sharedMemory)
        throw CheckFailure("shared memory that is not there")
    } catch let error as CheckFailure {
        throw error
    } catch {
        try expect("\(error)".contains("posix_fallocate"), "\(error)")
    }
    try expect(Set(names()).isSubset(of: before), "names are left: \(names())")
}
