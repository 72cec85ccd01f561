import Glibc

/// A fault that one rank brings upon itself, for tests: the environment variable `UNET_TEST_FAULT=RANK:STEP:PHASE:KIND`, as in
/// `1:12:backward:kill`. Without the variable nothing of this happens.
///
/// In `forward` and `backward` the fault strikes between two tasks of a kernel, in the middle of the pass; in `checkpoint` when the temporary
/// file is written and not yet renamed; elsewhere when the phase begins.
package struct TestFault: Sendable, Equatable {
    package enum Kind: String, Sendable {
        /// The process is gone, as if by SIGKILL from the system.
        case kill
        /// The process is stopped until it gets SIGCONT.
        case stop
        /// The rank goes on with a gradient of its own: from this step's update on its network is another one.
        case differ
        /// The phase never ends, though nothing is wrong with the process.
        case hang
        /// A bit of a parameter changes (`forward`), or of a gradient at a step that is verified (`backward`).
        case flip
        /// The loss of the rank's first sample is not a number (`forward`).
        case nan
        /// The rank throws an error, as it does when it cannot read a file (`forward`, `backward`).
        case error

        /// Whether the process itself suffers it; the others are for whoever asks `Watchdog.isPlanned`.
        var strikesProcess: Bool { [.kill, .stop, .hang].contains(self) }
    }

    package let rank: Int, step: Int, phase: Phase, kind: Kind

    /// The fault that `text` describes. A text that describes none is a mistake in a test, which must not pass for a run without fault.
    package init(_ text: String) {
        let fields = text.split(separator: ":").map(String.init)
        guard fields.count == 4, let rank = Int(fields[0]), let step = Int(fields[1]), let phase = Phase(name: fields[2]),
            let kind = Kind(rawValue: fields[3])
        else { fatalError("UNET_TEST_FAULT=\(text): expected RANK:STEP:PHASE:KIND, as in 1:12:backward:kill") }
        (self.rank, self.step, self.phase, self.kind) = (rank, step, phase, kind)
    }

    /// The fault that the environment plans for `rank`.
    static func planned(for rank: Int) -> TestFault? {
        guard let value = getenv("UNET_TEST_FAULT"), value.pointee != 0 else { return nil }
        let fault = TestFault(String(cString: value))
        return fault.rank == rank ? fault : nil
    }

    /// Brings the fault about, if it is one that the process itself suffers.
    func strike() {
        switch kind {
        case .kill: raise(SIGKILL)
        case .stop: raise(SIGSTOP)
        case .hang: while true { sleep(1) }
        case .differ, .flip, .nan, .error: break
        }
    }
}
