import Foundation
import Synchronization

/// Asks a run to save and stop: SIGUSR1 and SIGTERM. The handler only notes the signal; the ranks agree on it at the end of a step.
public enum StopRequest {
    private static let signal = Atomic<Int32>(0)

    /// Catches the signals. First thing in the program: until then SIGUSR1 would kill it.
    public static func install() {
        received = 0
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGUSR1, SIGTERM] {
            sigaddset(&signals, number)
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { StopRequest.received = $0 }
            action.sa_flags = SA_RESTART
            sigaction(number, &action, nil)
        }
        // Whoever started this program may have blocked them.
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }

    /// Stands for a signal where the run's time is over.
    static let timeLimit: Int32 = 1000

    /// Stands for a signal where the run folder asks for the end. Higher than all others: such a run is not to be started again by itself.
    static let halt: Int32 = 1001

    /// The signal received last, 0 for none.
    package static var received: Int32 {
        get { signal.load(ordering: .relaxed) }
        set { signal.store(newValue, ordering: .relaxed) }
    }

    /// The signal's name.
    static func name(_ number: Int32) -> String {
        switch number {
        case SIGUSR1: "SIGUSR1"
        case SIGTERM: "SIGTERM"
        case timeLimit: "the time limit"
        case halt: "unet-mpi stop"
        default: "signal \(number)"
        }
    }
}
