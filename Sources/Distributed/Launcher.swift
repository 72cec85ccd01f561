import Glibc

/// The program that started this process as one rank of a job, as far as the environment tells.
///
/// Without one, MPI is not initialised: a program started by hand must not depend on a working MPI installation, and must not
/// open sockets for a job of one.
public enum Launcher: String, Sendable {
    /// Open MPI's `mpirun` or `mpiexec`.
    case openMPI = "Open MPI"
    /// A launcher that speaks PMIx: `srun --mpi=pmix`, `prterun`.
    case pmix = "PMIx"
    /// A launcher that speaks PMI-1 or PMI-2: MPICH's and Intel's `mpiexec`, `srun --mpi=pmi2`.
    case pmi = "PMI"
    /// A task of a Slurm step with another MPI plugin.
    case slurm = "Slurm"

    /// The launcher of this process; `nil` when it was started by hand or by a batch script.
    public static var current: Launcher? { detect(environment) }

    /// Whether this process was started as a rank, so that MPI is to be initialised.
    public static var isPresent: Bool { current != nil }

    /// How many processes the launcher says it started, whether or not they can find each other; `nil` where nothing tells.
    public static var declaredCount: Int? { declaredCount(environment) }

    /// The number that the launcher gave this process; `nil` where nothing tells.
    public static var declaredRank: Int? {
        guard isPresent else { return nil }
        return ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"].lazy.compactMap { environment($0).flatMap { Int($0) } }
            .first
    }

    /// A variable of the process's environment; `nil` when it is absent or empty.
    private static func environment(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }

    /// The launcher that `variable` tells of.
    package static func detect(_ variable: (String) -> String?) -> Launcher? {
        if variable("OMPI_COMM_WORLD_SIZE") != nil { return .openMPI }
        if variable("PMIX_RANK") != nil { return .pmix }
        if variable("PMI_RANK") != nil || variable("PMI_SIZE") != nil { return .pmi }
        // SLURM_PROCID alone proves nothing, a batch script has it; SLURM_MPI_TYPE alone neither, sites set it at login.
        if isTaskOfStep(variable), let plugin = variable("SLURM_MPI_TYPE"), plugin != "none" { return .slurm }
        return nil
    }

    /// The number of processes that the innermost launcher in `variable` declares.
    package static func declaredCount(_ variable: (String) -> String?) -> Int? {
        let names = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"]
        if let name = names.first(where: { variable($0) != nil }) { return variable(name).flatMap { Int($0) } }
        // mpirun inside a Slurm job starts its daemons as a step of their own, so this comes last.
        return isTaskOfStep(variable) ? variable("SLURM_STEP_NUM_TASKS").flatMap { Int($0) } : nil
    }

    /// Whether the process is a task of a step that `srun` started. Slurm numbers the steps that are not (the batch script, an
    /// interactive shell) from the top of the 32-bit range.
    private static func isTaskOfStep(_ variable: (String) -> String?) -> Bool {
        guard let step = variable("SLURM_STEP_ID").flatMap({ UInt32($0) }), variable("SLURM_PROCID") != nil else { return false }
        return step < 0xFFFF_FFF0
    }
}
