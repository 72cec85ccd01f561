import Synchronization

/// Ends the process when the ranks do not come together at the start, before there are heartbeats to tell why: one of them may be stopped, or out of
/// reach. Waiting inside of `MPI_Init` cannot be left in any other way.
final class StartupTimeout: Sendable {
    private let isOver = Atomic<Bool>(false)

    private init() {}

    /// Calls `body`, in which the ranks meet for the first time (`place`). When it does not return for `limits.startup` seconds, a line says so and this
    /// process ends with status 76. The launcher ends the others then, or they come to the same end.
    static func during<Result>(
        _ place: String, _ limits: Watchdog.Limits, _ body: () throws(MPIError) -> Result
    ) throws(MPIError) -> Result {
        let timeout = StartupTimeout(), rank = Launcher.declaredRank
        // One speaks for all, the first that is able to: it ends the job before the others' time has come.
        let limit = limits.startup + min(Double(rank ?? 0) * delay, longestDelay)
        WatchingThread.start {
            var clock = WatchingThread.Clock()
            while !timeout.isOver.load(ordering: .sequentiallyConsistent) {
                guard clock.tick() > limit, !timeout.isOver.load(ordering: .sequentiallyConsistent) else { continue }
                writeLine(
                    "\(rank.map { "rank \($0) (\(Communicator.currentHostName))" } ?? Communicator.currentHostName): \(place) has not returned for "
                        + "\(Int(limits.startup.rounded())) s: another rank has not begun, is stopped, or cannot be reached. The job ends; the same command "
                        + "goes on from the last checkpoint")
                Watchdog.endProcess()
            }
        }
        defer { timeout.isOver.store(true, ordering: .sequentiallyConsistent) }
        return try body()
    }

    /// Seconds by which a rank leaves the word to the one before it, which is about what a launcher needs to end a job, and at most.
    private static let delay = 3.0, longestDelay = 6.0
}
