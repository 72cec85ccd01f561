import Glibc

/// Ends the process as a crash does, so that the fuzzer keeps the input, when an input has taken more processor time than it may: libFuzzer itself
/// counts in whole seconds, of which a library that loops for ever would take most.
struct ProcessorTimeLimit {
    /// The environment variable that says how many milliseconds an input may take.
    static let variable = "UNET_FUZZ_MILLISECONDS"

    /// The first one's is null.
    private var timer: timer_t?
    private var limit = itimerspec()

    /// The limit that the environment gives; nil if it gives none.
    init?() {
        guard let milliseconds = getenv(Self.variable).flatMap({ Int(String(cString: $0)) }), milliseconds > 0 else { return nil }
        var event = sigevent()
        (event.sigev_notify, event.sigev_signo) = (Int32(SIGEV_SIGNAL), SIGABRT)
        guard timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) == 0 else {
            fatalError("no timer: \(String(cString: strerror(errno)))")
        }
        limit.it_value = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
    }

    /// Lets an input begin.
    mutating func start() { timer_settime(timer, 0, &limit, nil) }

    /// Lets what follows take its time.
    func stop() {
        var none = itimerspec()
        timer_settime(timer, 0, &none, nil)
    }
}
