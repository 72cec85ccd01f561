import Glibc

/// Ends the process as a crash does, so that the fuzzer keeps the input, when an input has taken more processor time than it may: libFuzzer itself
/// counts in whole seconds, of which a library that loops for ever would take most.
struct ProcessorTimeLimit {
    /// The environment variable that says how many milliseconds an input may take.
    static let variable = "UNET_FUZZ_MILLISECONDS"

    private let milliseconds: Int
    /// The first one's is null.
    private var timer: timer_t?

    /// The limit that the environment gives; nil if it gives none.
    init?() {
        guard let milliseconds = getenv(Self.variable).flatMap({ Int(String(cString: $0)) }), milliseconds > 0 else { return nil }
        self.milliseconds = milliseconds
        var event = sigevent()
        (event.sigev_notify, event.sigev_signo) = (Int32(SIGEV_SIGNAL), SIGABRT)
        guard timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) == 0 else {
            fatalError("no timer: \(String(cString: strerror(errno)))")
        }
    }

    /// Lets an input begin.
    func start() { set(milliseconds) }

    /// Lets what follows take its time.
    func stop() { set(0) }

    private func set(_ milliseconds: Int) {
        var time = itimerspec()
        time.it_value = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
        guard timer_settime(timer, 0, &time, nil) == 0 else { fatalError("the timer is not set: \(String(cString: strerror(errno)))") }
    }
}
