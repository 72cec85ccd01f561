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

    // The current job. Written by the caller between generations, read by the workers after they saw the new generation.
    private var task: csimd_task?
    private var arguments: UnsafeRawPointer?
    private var taskCount = 0

    private let generation = Atomic<Int>(0)
    private let next = Atomic<Int>(0)
    private let working = Atomic<Int>(0)
    private let sleeping = Atomic<Int>(0)
    private let ended = Atomic<Bool>(false)
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var threads: [pthread_t] = []

    /// How long a thread spins before it sleeps: longer than the gaps between the kernels of a step, shorter than a time slice.
    private static let spins = 4000

    /// Starts `count` − 1 threads.
    public init(count: Int) {
        precondition(count >= 1, "ThreadPool: \(count) threads")
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
        advance()
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
            for i in 0..<tasks { task(raw, i, 0) }
            return
        }
        self.task = task
        self.arguments = raw
        taskCount = tasks
        next.store(0, ordering: .relaxed)
        working.store(count - 1, ordering: .relaxed)
        advance()
        takeTasks(thread: 0)
        var spins = 0
        while working.load(ordering: .acquiring) > 0 {
            spins += 1
            if spins > ThreadPool.spins { sched_yield() } else { csimd_pause() }
        }
    }

    private func takeTasks(thread: Int) {
        let task = self.task!, arguments = self.arguments!, count = taskCount
        while true {
            let i = next.wrappingAdd(1, ordering: .relaxed).oldValue
            if i >= count { return }
            task(arguments, i, thread)
        }
    }

    /// Starts the next generation and wakes those who sleep.
    private func advance() {
        generation.wrappingAdd(1, ordering: .sequentiallyConsistent)
        if sleeping.load(ordering: .sequentiallyConsistent) > 0 {
            pthread_mutex_lock(mutex)
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
    }

    private func work(_ index: Int) {
        var seen = 0
        while true {
            var spins = 0
            while generation.load(ordering: .acquiring) == seen {
                spins += 1
                if spins < ThreadPool.spins {
                    csimd_pause()
                    continue
                }
                pthread_mutex_lock(mutex)
                sleeping.wrappingAdd(1, ordering: .sequentiallyConsistent)
                while generation.load(ordering: .sequentiallyConsistent) == seen { pthread_cond_wait(condition, mutex) }
                sleeping.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                pthread_mutex_unlock(mutex)
            }
            // The caller waits for every thread before it starts another generation, so none is ever missed.
            seen += 1
            if ended.load(ordering: .acquiring) { return }
            takeTasks(thread: index)
            working.wrappingSubtract(1, ordering: .acquiringAndReleasing)
        }
    }
}
