import CSIMD
import Glibc
import Synchronization

/// The threads of one rank. They run the tasks of one kernel call at a time and never touch MPI.
///
/// Which thread runs which task is left to chance: tasks write disjoint outputs, or parts that are summed in a fixed
/// order afterwards, so results do not depend on it. Waiting threads spin for a moment, then sleep.
public final class ThreadPool: @unchecked Sendable {
    /// Threads that work, the calling one included.
    public let count: Int

    /// Called on the calling thread after each task that it ran itself: for work that cannot wait for the end of a kernel. It must be short
    /// and must not run tasks. Set by the thread that calls `run`, between calls.
    public var betweenTasks: (() -> Void)?

    // The current job. Written by the caller while the gate is closed, read by the workers after they entered it.
    private var task: csimd_task?
    private var arguments: UnsafeRawPointer?
    private var taskCount = 0

    /// Which job it is (counted from 1), whether workers may still join it, and how many are at it, in one word. The caller
    /// waits for those that joined, not for those that the system has not let run yet.
    private let gate = Atomic<Int>(Gate.closed)
    private enum Gate {
        static let closed = 1 << 16, nextJob = 1 << 17
        static func workers(_ gate: Int) -> Int { gate & (closed - 1) }
        static func job(_ gate: Int) -> Int { gate >> 17 }
        static func isOpen(_ gate: Int) -> Bool { gate & closed == 0 }
    }
    private let next = Atomic<Int>(0)
    private let sleeping = Atomic<Int>(0)
    private let ended = Atomic<Bool>(false)
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var threads: [pthread_t] = []

    /// How long a thread spins before it sleeps: longer than the gaps between the kernels of a step, shorter than a time slice.
    private static let spins = 4000

    /// Starts `count` − 1 threads.
    public init(count: Int) {
        precondition(count >= 1 && count <= Gate.closed, "ThreadPool: \(count) threads")
        self.count = count
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
        for index in 1..<max(count, 1) {
            let start = UnsafeMutablePointer<(pool: Unmanaged<ThreadPool>, index: Int)>.allocate(capacity: 1)
            start.initialize(to: (Unmanaged.passUnretained(self), index))
            var thread = pthread_t()
            let status = pthread_create(
                &thread, nil,
                { raw in
                    let start = raw!.assumingMemoryBound(to: (pool: Unmanaged<ThreadPool>, index: Int).self)
                    let (pool, index) = start.move()
                    start.deallocate()
                    pool._withUnsafeGuaranteedRef { $0.work(index) }
                    return nil
                }, start)
            precondition(status == 0, "ThreadPool: cannot start thread \(index) of \(count): error \(status)")
            threads.append(thread)
        }
    }

    deinit {
        ended.store(true, ordering: .sequentiallyConsistent)
        open()
        for thread in threads { pthread_join(thread, nil) }
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(condition)
        mutex.deallocate()
        condition.deallocate()
    }

    /// Runs tasks 0 ..< `tasks` of `task` and returns when all are done. Calls from one thread only; allocates nothing.
    public func run<Arguments: BitwiseCopyable>(_ tasks: Int, _ arguments: Arguments, _ task: csimd_task) {
        withUnsafePointer(to: arguments) { run(tasks, raw: UnsafeRawPointer($0), task) }
    }

    func run(_ tasks: Int, raw: UnsafeRawPointer, _ task: csimd_task) {
        if count == 1 || tasks <= 1 {
            let betweenTasks = betweenTasks
            for i in 0..<tasks {
                task(raw, i, 0)
                betweenTasks?()
            }
            return
        }
        self.task = task
        self.arguments = raw
        taskCount = tasks
        next.store(0, ordering: .relaxed)
        open()
        takeTasks(thread: 0, betweenTasks)
        var spins = 0
        while true {
            let now = gate.load(ordering: .acquiring)
            if Gate.workers(now) == 0, gate.compareExchange(expected: now, desired: now | Gate.closed, ordering: .acquiring).exchanged {
                return
            }
            spins += 1
            if spins > ThreadPool.spins { sched_yield() } else { csimd_pause() }
        }
    }

    private func takeTasks(thread: Int, _ betweenTasks: (() -> Void)? = nil) {
        let task = self.task!, arguments = self.arguments!, count = taskCount
        while true {
            let i = next.wrappingAdd(1, ordering: .relaxed).oldValue
            if i >= count { break }
            task(arguments, i, thread)
            betweenTasks?()
        }
        // What tasks wrote past the caches must be seen by whoever sees this thread done.
        csimd_stream_fence()
    }

    /// Opens the gate to the next job and wakes those who sleep.
    private func open() {
        let job = Gate.job(gate.load(ordering: .relaxed)) + 1
        gate.store(job * Gate.nextJob, ordering: .sequentiallyConsistent)
        if sleeping.load(ordering: .sequentiallyConsistent) > 0 {
            pthread_mutex_lock(mutex)
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
    }

    private func work(_ index: Int) {
        /// The last job that this thread was at.
        var last = 0
        func isNew(_ gate: Int) -> Bool { Gate.isOpen(gate) && Gate.job(gate) != last }
        while true {
            var now = gate.load(ordering: .acquiring), spins = 0
            while !isNew(now) {
                spins += 1
                if spins < ThreadPool.spins {
                    csimd_pause()
                } else {
                    pthread_mutex_lock(mutex)
                    sleeping.wrappingAdd(1, ordering: .sequentiallyConsistent)
                    while !isNew(gate.load(ordering: .sequentiallyConsistent)) { pthread_cond_wait(condition, mutex) }
                    sleeping.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                    pthread_mutex_unlock(mutex)
                }
                now = gate.load(ordering: .acquiring)
            }
            if ended.load(ordering: .acquiring) { return }
            guard gate.compareExchange(expected: now, desired: now + 1, ordering: .acquiring).exchanged else { continue }
            last = Gate.job(now)
            takeTasks(thread: index)
            gate.wrappingSubtract(1, ordering: .releasing)
        }
    }
}
