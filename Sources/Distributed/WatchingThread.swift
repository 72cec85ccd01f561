import Glibc

/// A thread beside the main one, which keeps the time and never calls MPI.
enum WatchingThread {
    /// Calls `body` on a thread of its own, which gets no signals: the main thread is the one that they are for.
    static func start(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { raw in
                var all = sigset_t()
                sigfillset(&all)
                pthread_sigmask(SIG_SETMASK, &all, nil)
                Unmanaged<Body>.fromOpaque(raw!).takeRetainedValue().call()
                return nil
            }, Unmanaged.passRetained(Body(body)).toOpaque())
        if status != 0 { fatalError("WatchingThread: cannot be started: \(String(cString: strerror(status)))") }
        pthread_detach(thread)
    }

    private final class Body: Sendable {
        let call: @Sendable () -> Void
        init(_ call: @escaping @Sendable () -> Void) { self.call = call }
    }

    /// Counts the seconds for which this process has been running. What it was stopped for (a suspended job, a laptop asleep) does not count.
    struct Clock {
        private var last = ContinuousClock.now
        private var running = 0.0

        /// Sleeps for a tick, and returns the seconds since the clock was made.
        mutating func tick() -> Double {
            usleep(Self.microseconds)
            let now = ContinuousClock.now
            running += min((now - last) / .seconds(1), Self.longest)
            last = now
            return running
        }

        /// Of a tick.
        private static let microseconds: UInt32 = 50_000
        /// Seconds that a tick counts at most: a longer one means that the process did not run.
        private static let longest = 0.5
    }
}
