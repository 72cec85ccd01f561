import CMPI

/// Where a rank runs: its host, and its place among the ranks that share that host's memory.
public struct NodePlacement: Sendable, Equatable {
    /// The host's name.
    public let hostName: String
    /// This rank's number among the ranks on the host, 0 ..< `localCount`.
    public let localRank: Int
    /// How many ranks run on the host.
    public let localCount: Int

    init(hostName: String, localRank: Int, localCount: Int) {
        self.hostName = hostName
        self.localRank = localRank
        self.localCount = localCount
    }

    /// The place of `rank` of `communicator`. A collective.
    init(hostName: String, of rank: CInt, in communicator: MPI_Comm) throws(MPIError) {
        var node = cmpi_comm(), localRank: CInt = 0, localCount: CInt = 0
        try MPIError.check(cmpi_comm_split_shared(communicator, rank, &node), "MPI_Comm_split_type", rank: Int(rank))
        try MPIError.check(MPI_Comm_rank(node.handle, &localRank), "MPI_Comm_rank", rank: Int(rank))
        try MPIError.check(MPI_Comm_size(node.handle, &localCount), "MPI_Comm_size", rank: Int(rank))
        try MPIError.check(cmpi_comm_free(&node), "MPI_Comm_free", rank: Int(rank))
        self.init(hostName: hostName, localRank: Int(localRank), localCount: Int(localCount))
    }
}
