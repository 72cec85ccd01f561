import DataParallel
import Testing

struct LauncherTests {
    @Test(
        arguments: [
            ([:], nil, nil),
            (["OMPI_COMM_WORLD_SIZE": "4", "PMIX_RANK": "1"], .openMPI, 4),
            (["PMIX_RANK": "0"], .pmix, nil),
            (["PMI_RANK": "0", "PMI_SIZE": "2"], .pmi, 2),
            // A batch script, which is no rank although it has a number; with a site's default for srun.
            (["SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_NTASKS": "8"], nil, nil),
            (["SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_MPI_TYPE": "pmix"], nil, nil),
            // An interactive shell in an allocation.
            (["SLURM_STEP_ID": "4294967290", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1", "SLURM_MPI_TYPE": "pmix"], nil, nil),
            // srun with PMIx, with a plugin of its own, and without any.
            (["SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4", "PMIX_RANK": "3"], .pmix, 4),
            (["SLURM_STEP_ID": "1", "SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4", "SLURM_MPI_TYPE": "cray_shasta"], .slurm, 4),
            (["SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4", "SLURM_MPI_TYPE": "none"], nil, 4),
            (["SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4"], nil, 4),
            // mpirun in a Slurm job: the step is that of its daemons, one a node.
            (["SLURM_STEP_ID": "0", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "OMPI_COMM_WORLD_SIZE": "16"], .openMPI, 16),
        ] as [([String: String], Launcher?, Int?)])
    func isRecognised(environment: [String: String], launcher: Launcher?, count: Int?) {
        #expect(Launcher.detect { environment[$0] } == launcher)
        #expect(Launcher.declaredCount { environment[$0] } == count)
    }
}
