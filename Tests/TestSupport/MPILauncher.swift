import Foundation

/// How ranks are started on this machine, by the MPI that the package was built with: see `UNET_MPI_LIBRARY` in Package.swift.
public enum MPILauncher {
    /// Whether it is MPICH, otherwise Open MPI.
    public static let isMPICH = ProcessInfo.processInfo.environment["UNET_MPI_LIBRARY"] == "mpich"

    /// The launcher's name, as Debian, where several may be installed, and others call it.
    public static let name = isMPICH ? isInstalled("mpiexec.mpich") ? "mpiexec.mpich" : "mpiexec" : "mpirun"

    /// The command that starts what follows it on `ranks` ranks, however few cores there are, each free to run on any of them.
    public static func command(ranks: Int) -> [String] {
        [name, "-n", "\(ranks)"] + (isMPICH ? [] : ["--oversubscribe", "--bind-to", "none"])
    }

    /// What it wants in the environment: Open MPI's does not start for root otherwise.
    public static let environment = isMPICH ? [:] : ["OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"]

    /// Whether the launcher says in `text` that a rank was killed: Open MPI's names rank and host, on standard error, MPICH's process and
    /// host, on standard output.
    public static func tells(_ text: String, thatRankDied rank: Int) -> Bool {
        isMPICH
            ? text.contains("PID ") && text.contains(" RUNNING AT ") && text.contains("EXIT CODE: 9")
            : text.contains("process rank \(rank) with PID") && text.contains("on node")
    }

    /// What makes ranks talk by TCP: shared memory is in files, and tests limit the size of those.
    public static let withoutFiles = isMPICH ? ["UCX_TLS": "tcp,self"] : ["OMPI_MCA_btl": "tcp,self"]

    /// What a launcher may return where ranks have not come together and one ended itself: MPICH's kills the others, and may return that.
    public static let startupTimeoutStatuses: Set<Int32> = isMPICH ? [76, 9] : [76]

    /// Whether a launcher that was sent SIGUSR1 may return `status` when its ranks have ended with `expected`: MPICH's mostly returns 0 when
    /// it has passed a signal on.
    public static func mayReturn(_ status: Int32, forRanksThatEndWith expected: Int32) -> Bool {
        status == expected || isMPICH && status == 0
    }

    private static func isInstalled(_ tool: String) -> Bool {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/\(tool)")
        }
    }
}
