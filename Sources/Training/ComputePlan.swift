import DataParallel
import Kernels

/// What each rank computes with: threads from the affinity masks of all ranks, and the instruction set that all of them have.
package struct ComputePlan {
    /// This rank's kernels and threads.
    package let device: Device
    /// The host of each rank.
    package let hosts: [String]
    /// The threads of each rank.
    package let threads: [Int]
    /// The processors of each rank.
    package let placements: [ThreadPlacement]
    /// What is wrong with the placement, with its cure.
    package let warnings: [String]

    /// A collective. `threads` is the user's wish; `nil` to work it out.
    package init(communicator: Communicator, threads wish: Int?) throws {
        let own = try communicator.agree("choosing the instruction set") { try InstructionSet.selected() }
        let common = try communicator.allReduce(own.rawValue, .minimum)
        hosts = try communicator.allGather(communicator.hostName)
        let placements = try communicator.allGather(ThreadPlacement.current().encoded).map { ThreadPlacement(encoded: $0) }
        self.placements = placements
        let hosts = hosts
        threads = placements.indices.map { wish ?? ThreadPlacement.threads(of: $0, hosts: hosts, placements: placements) }
        warnings = ThreadPlacement.warnings(launched: Launcher.isPresent, hosts: hosts, placements: placements, threads: threads)
        device = Device(threads: threads[communicator.rank], instructionSet: InstructionSet(rawValue: common) ?? .baseline)
    }

    /// One line for each host: its ranks and their threads.
    package var table: [String] {
        var lines: [String] = []
        for host in hosts.indices.filter({ hosts.firstIndex(of: hosts[$0]) == $0 }).map({ hosts[$0] }) {
            let ranks = hosts.indices.filter { hosts[$0] == host }
            let counts = Set(ranks.map { threads[$0] }).sorted().map(String.init).joined(separator: " or ")
            let numbers = ranks.count == 1 ? "rank \(ranks[0])" : "\(ranks.count) ranks (\(ranks[0]) to \(ranks.last!))"
            lines.append(
                "\(host): \(numbers), \(counts) thread\(counts == "1" ? "" : "s")\(ranks.count == 1 ? "" : " each"), \(device.instructionSet)"
            )
        }
        return lines
    }
}
