import CMPI

/// Where a rank runs: its host, and its place among the ranks that share that host's memory.
public struct NodePlacement: Sendable, Equatable {
    /// The host's name.
    public let hostName: String
    /// This rank's number among the ranks on the host, 0 ..< `localCount`.
    public let localRank: Int
    /// How many ranks run on the host.
    public let localCount: Int
}

extension Communicator {
    /// Where this rank runs. A collective.
    public func nodePlacement() throws(MPIError) -> NodePlacement {
        guard count > 1 else { return NodePlacement(hostName: hostName, localRank: 0, localCount: 1) }
        var node = cmpi_comm(), localRank: CInt = 0, localCount: CInt = 0
        try check(cmpi_comm_split_shared(raw, CInt(rank), &node), "MPI_Comm_split_type")
        try check(MPI_Comm_rank(node.handle, &localRank), "MPI_Comm_rank")
        try check(MPI_Comm_size(node.handle, &localCount), "MPI_Comm_size")
        try check(cmpi_comm_free(&node), "MPI_Comm_free")
        return NodePlacement(hostName: hostName, localRank: Int(localRank), localCount: Int(localCount))
    }
}
