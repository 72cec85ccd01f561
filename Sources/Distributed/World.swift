import CMPI
import Glibc

/// What the MPI library allows threads to do, from least to most.
public enum ThreadLevel: Int, Comparable, Sendable {
    /// The process must have one thread.
    case single
    /// Only the thread that initialised MPI may call it.
    case funneled
    /// Any thread may call MPI, one at a time.
    case serialized
    /// Any thread may call MPI at any time.
    case multiple

    /// Orders levels by what they allow.
    public static func < (a: ThreadLevel, b: ThreadLevel) -> Bool { a.rawValue < b.rawValue }

    init(mpi level: CInt) {
        self =
            level >= cmpi_thread_multiple()
            ? .multiple : level >= cmpi_thread_serialized() ? .serialized : level >= cmpi_thread_funneled() ? .funneled : .single
    }
}

/// The job that this process is a rank of, from MPI's initialisation to its finalisation.
///
/// One is made per process, on the main thread, in a function's scope (a global's `deinit` never runs): at the end of that
/// scope MPI is finalised, which waits for every rank. An error must therefore not leave the scope: it would wait for ranks
/// that wait for it. `run` takes care of that.
public struct World: ~Copyable {
    /// All ranks of the job.
    public let communicator: Communicator
    /// What MPI granted; `multiple` is asked for. Without MPI it is `multiple`.
    public let threadLevel: ThreadLevel
    private let isFinalizedHere: Bool

    /// Joins the job that a launcher started, or makes a job of this process alone, without MPI, when none did.
    ///
    /// When it takes longer than `limits` allow the start of a job, this process ends with status 76: a rank that is stopped, or whose host is out of
    /// reach, would hold all others in `MPI_Init`.
    ///
    /// Throws `MPIError` when MPI cannot start, or when the launcher says it started several processes but each finds itself
    /// alone, as happens with another MPI's `mpirun` and with `srun --mpi=none`: N processes would do the same work N times.
    public init(limits: Watchdog.Limits = .standard) throws(MPIError) {
        guard Launcher.isPresent else {
            try Self.requireOneProcess("the MPI library is not in use")
            communicator = Communicator()
            threadLevel = .multiple
            isFinalizedHere = false
            return
        }
        precondition(!Self.isInitialized, "World: MPI is initialised once per process, and it already is")
        var granted: CInt = 0
        let communicator = try StartupTimeout.during("MPI_Init_thread", limits) { () throws(MPIError) in
            try MPIError.check(MPI_Init_thread(nil, nil, cmpi_thread_multiple(), &granted), "MPI_Init_thread", rank: 0)
            // Errors of calls that belong to no communicator are raised on this one.
            try MPIError.check(cmpi_comm_return_errors(cmpi_comm_world()), "MPI_Comm_set_errhandler", rank: 0)
            return try Communicator(duplicating: cmpi_comm_world())
        }
        if communicator.count == 1 {
            do throws(MPIError) {
                try Self.requireOneProcess(Self.libraryVersion)
            } catch {
                try MPIError.check(MPI_Finalize(), "MPI_Finalize", rank: 0)
                throw error
            }
        }
        self.communicator = communicator
        threadLevel = ThreadLevel(mpi: granted)
        isFinalizedHere = true
    }

    deinit {
        if isFinalizedHere {
            do throws(MPIError) {
                try communicator.watchdog.disarm()
                if !communicator.isOnOneHost, Self.isMPICH { usleep(Self.silence) }
                try MPIError.check(MPI_Finalize(), "MPI_Finalize", rank: communicator.rank)
            } catch {
                communicator.fail(error)
            }
        }
        communicator.watchdog.rest()
    }

    /// Microseconds for which ranks on several hosts do nothing before they finalise MPICH.
    ///
    /// MPICH 4.0 over UCX closes its connections in `MPI_Finalize` without letting the ranks meet first (later versions do): each waits for
    /// an answer of every peer, and then for the launcher, and answers nobody any more. A rank that still moves messages when another one
    /// begins to close gives its answer too early, and never gets one. When all are silent for a moment nobody answers before it closes itself.
    private static let silence: UInt32 = 250_000

    /// Runs the whole program: joins the job, calls `body`, finalises. An error, of `body` or of MPI, ends the job on all
    /// ranks with one line on standard error and the error's exit status (see `Communicator.fail`). Where the job cannot be joined
    /// `cannotBegin` is called instead, if it is given; it is `limits.end` that decides for how long that is tried.
    public static func run(
        limits: Watchdog.Limits = .standard, _ body: (borrowing World) throws -> Void, cannotBegin: ((MPIError) -> Never)? = nil
    ) {
        do throws(MPIError) {
            let world = try World(limits: limits)
            world.call(body)
        } catch {
            if let cannotBegin { cannotBegin(error) } else { fail(error) }
        }
    }

    /// Calls `body`; its error ends the job while the world still exists, as the end of the world waits for all ranks.
    private borrowing func call(_ body: (borrowing World) throws -> Void) {
        do { try body(self) } catch { communicator.fail(error) }
    }

    /// Ends the job on all ranks at once: flushes standard output, says nothing, and does not return.
    ///
    /// `status` (1 … 255) is what `mpirun` returns. Without MPI the process just exits with it.
    public static func abort(_ status: Int32) -> Never {
        precondition((1...255).contains(status), "World.abort: exit status \(status) is not in 1...255")
        fflush(nil)
        if isInitialized && !isFinalized {
            if isMPICH { usleep(lastWordsTime) }
            // Does not return where it works; where it fails this process must end all the same.
            _ = MPI_Abort(cmpi_comm_world(), status)
            _exit(status)
        }
        exit(status)
    }

    /// Microseconds that MPICH's launcher is left to read what a rank has written: once it hears that the job is to end, it throws the rest away.
    private static let lastWordsTime: UInt32 = 100_000

    private static var isMPICH: Bool { libraryVersion.hasPrefix("MPICH") }

    /// Ends the job because of an error outside of any communicator.
    private static func fail(_ error: any Error) -> Never {
        writeLine(oneLine(error))
        abort(exitStatus(of: error))
    }

    /// Whether MPI has been initialised in this process.
    public static var isInitialized: Bool {
        var flag: CInt = 0
        return MPI_Initialized(&flag) == cmpi_success() && flag != 0
    }

    private static var isFinalized: Bool {
        var flag: CInt = 0
        return MPI_Finalized(&flag) == cmpi_success() && flag != 0
    }

    /// The MPI library and its version, on one line: `Open MPI v4.1.4, package: …`, `MPICH 4.0.2`.
    public static var libraryVersion: String {
        let text = MPIError.string(capacity: cmpi_max_library_version_string()) { MPI_Get_library_version($0, $1) } ?? "unknown MPI library"
        // MPICH goes on with how it was configured, at length.
        let words = text.split { $0 == " " || $0 == "\t" }
        return words.count > 2 && words[0] == "MPICH" && words[1] == "Version:" ? "MPICH \(words[2])" : text
    }

    private static func requireOneProcess(_ library: String) throws(MPIError) {
        guard let declared = Launcher.declaredCount, declared > 1 else { return }
        throw MPIError(
            call: "MPI_Init_thread",
            text: "this is one of \(declared) processes, but each finds itself alone (\(library)): start them with the mpirun that "
                + "belongs to this MPI library, or with srun --mpi=pmix or --mpi=pmi2",
            exitStatus: 64)
    }
}

/// Writes one line to standard error in one system call, so that lines of several ranks do not mix.
func writeLine(_ line: String) {
    var text = line + "\n"
    text.withUTF8 { bytes in _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
}
