import Foundation

/// A program that was started to work for this one, and the socket to it, which is its standard input. It ends, whatever it does, when
/// this object does.
///
/// It knows nothing of the job that this process is a rank of: the variables of MPI launchers are not handed down, nor any file but the socket.
/// Signals to this process's group do not reach it. `posix_spawn` runs no handlers of `fork`, which MPI libraries use to warn.
final class ChildProcess: ReaderConnection {
    private let identifier: pid_t
    private let socket: Int32

    /// Variables by which a process takes itself for a rank of a job, by their beginnings.
    private static let launcherVariables = [
        "OMPI_", "PMIX_", "PMI_", "PRTE_", "SLURM_", "MPI_", "MPICH_", "HYDI_", "HYDRA_", "MPIR_", "I_MPI_",
    ]

    /// Starts `program`.
    ///
    /// - Throws: `ImagingError` (`inputOutput`) with the system's reason.
    init(_ program: String, _ arguments: [String]) throws {
        var sockets: [Int32] = [0, 0]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &sockets) == 0 else {
            throw ImagingError(.inputOutput, program, "socketpair: \(systemError())")
        }
        defer { close(sockets[1]) }
        var actions = posix_spawn_file_actions_t(), attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_adddup2(&actions, sockets[1], 0)
        // What C libraries write when they crash is no message for a user.
        for stream in [1, 2] as [Int32] { posix_spawn_file_actions_addopen(&actions, stream, "/dev/null", O_WRONLY, 0) }
        var none = sigset_t(), all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var environment = ProcessInfo.processInfo.environment.filter { name, _ in !Self.launcherVariables.contains(where: name.hasPrefix) }
        // OpenBLAS starts threads as soon as it is loaded, and Swift's runtime a debugger where it crashes.
        environment.merge(["OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "SWIFT_BACKTRACE": "enable=no"]) { $1 }
        let words = ["unet-mpi"] + arguments, variables = environment.map { "\($0)=\($1)" }
        var argumentPointers = words.map { strdup($0) } + [nil], variablePointers = variables.map { strdup($0) } + [nil]
        defer { for pointer in argumentPointers + variablePointers { free(pointer) } }
        var identifier: pid_t = 0
        let status = posix_spawn(&identifier, program, &actions, &attributes, &argumentPointers, &variablePointers)
        guard status == 0 else {
            close(sockets[0])
            throw ImagingError(.inputOutput, program, String(cString: strerror(status)))
        }
        (self.identifier, socket) = (identifier, sockets[0])
    }

    deinit {
        close(socket)
        kill(identifier, SIGKILL)
        var status: Int32 = 0
        while waitpid(identifier, &status, 0) < 0 && errno == EINTR {}
    }

    /// Sends all of `bytes`.
    func send(_ bytes: UnsafeRawBufferPointer, until deadline: ContinuousClock.Instant) throws {
        var done = 0
        while done < bytes.count {
            try wait(for: POLLOUT, until: deadline)
            let count = Glibc.send(socket, bytes.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            if count > 0 { done += count } else if errno != EINTR && errno != EAGAIN { throw ReaderFailure.ended }
        }
    }

    /// Fills `bytes`.
    func receive(into bytes: UnsafeMutableRawBufferPointer, until deadline: ContinuousClock.Instant) throws {
        var done = 0
        while done < bytes.count {
            try wait(for: POLLIN, until: deadline)
            let count = recv(socket, bytes.baseAddress! + done, bytes.count - done, Int32(MSG_DONTWAIT))
            if count > 0 { done += count } else if count == 0 || (errno != EINTR && errno != EAGAIN) { throw ReaderFailure.ended }
        }
    }

    private func wait(for event: Int32, until deadline: ContinuousClock.Instant) throws {
        while true {
            let left = (deadline - ContinuousClock.now) / .milliseconds(1)
            guard left > 0 else { throw ReaderFailure.timeOut }
            var descriptor = pollfd(fd: socket, events: Int16(event), revents: 0)
            let count = poll(&descriptor, 1, Int32(min(left.rounded(.up), 1e6)))
            if count > 0 { return }
            if count < 0 && errno != EINTR { throw ReaderFailure.ended }
        }
    }

    /// The signal that ended it, if one did; it has closed the socket, and gets a second to end.
    var endingSignal: Int32? {
        for _ in 0..<100 {
            var information = siginfo_t()
            // It stays to be waited for at the end.
            let status = waitid(P_PID, id_t(identifier), &information, WEXITED | WNOHANG | WNOWAIT)
            if status == 0 && information.si_signo == SIGCHLD {
                return [Int32(CLD_KILLED), Int32(CLD_DUMPED)].contains(information.si_code) ? information._sifields._sigchld.si_status : nil
            }
            usleep(10_000)
        }
        return nil
    }
}
