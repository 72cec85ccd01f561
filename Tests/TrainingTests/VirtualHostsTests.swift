import Foundation
import TestSupport
import Testing

/// Training on several hosts with a TCP network between them.
@Suite(.serialized, .enabled(if: VirtualCluster.isTestable, "\(VirtualCluster.reason)"))
struct VirtualHostsTests {
    let volume = try! SmallVolume()

    private func state(_ output: String) throws -> [String: String] {
        try Program.info(volume.checkpoint(output, step: 20)).filter {
            ["parameters_sha256", "optimizer_sha256", "loss", "validation_loss"].contains($0.key)
        }
    }

    /// 20 steps on 2 and 4 hosts, with parts of the batch that are whole blocks of its tree and with others: the bits of one rank. The
    /// gradients are several buckets.
    @Test(arguments: [4, 6]) func sameBitsAsOneRank(batch: Int) throws {
        let network = ["--base-channels", "24", "--depth", "3", "--batch-size", "\(batch)"]
        let alone = try Program.run(volume.training("alone") + network)
        #expect(alone.status == 0, "\(alone.errors)")
        let expected = try state("alone")
        #expect(expected.count == 4)
        for hosts in [2, 4] {
            let cluster = try VirtualCluster(hosts: hosts, rate: "1gbit")
            let outcome = try Program.run(volume.training("hosts\(hosts)") + network, ranks: hosts, on: cluster)
            #expect(outcome.status == 0, "\(outcome.errors)")
            // Each rank names a host of its own in the table that the run begins with.
            #expect(outcome.count(": rank ") == hosts, "\(outcome.errors)")
            #expect(try state("hosts\(hosts)") == expected, "\(hosts) hosts")
        }
    }
}
