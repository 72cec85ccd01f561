import DataParallel
import Foundation

extension Doctor {
    /// The first rank of each host, beginning with rank 0; on a single host, ranks 0 and 1.
    private var partners: [Int] {
        let first = hosts.indices.filter { hosts.firstIndex(of: hosts[$0]) == $0 }
        return Array((first.count == 1 ? Array(hosts.indices.prefix(2)) : first).dropFirst().prefix(Self.mostPartners))
    }

    private static let mostPartners = 15

    /// How far the clocks of the hosts are from rank 0's.
    mutating func checkClocks() throws {
        guard communicator.count > 1, Set(hosts).count > 1 else { return }
        var worst = (host: "", seconds: 0.0)
        for partner in partners {
            let seconds = try clockDifference(partner)
            if abs(seconds) > abs(worst.seconds) { worst = (hosts[partner], seconds) }
        }
        let text =
            "the clock of \(worst.host) is \(fixed(abs(worst.seconds) * 1000, 1)) ms \(worst.seconds > 0 ? "ahead of" : "behind") that of \(hosts[0])"
        if abs(worst.seconds) > 1 {
            report.add("clock", .warning, text, cure: "let all hosts keep time with NTP: time limits and the dates of files rely on it")
        } else {
            report.add("clock", .ok, worst.host.isEmpty ? "the same on all hosts" : text)
        }
    }

    /// Seconds by which the clock of `partner`'s host is ahead of rank 0's: of twenty questions the one that was answered fastest counts. The
    /// same on all ranks.
    private func clockDifference(_ partner: Int) throws -> Double {
        var best = (trip: Double.infinity, difference: 0.0)
        var value = [0.0]
        for _ in 0..<20 {
            if communicator.rank == 0 {
                let asked = Date().timeIntervalSince1970
                try send(&value, to: partner)
                try receive(&value, from: partner)
                let answered = Date().timeIntervalSince1970
                if answered - asked < best.trip { best = (answered - asked, value[0] - (asked + answered) / 2) }
            } else if communicator.rank == partner {
                try receive(&value, from: 0)
                value[0] = Date().timeIntervalSince1970
                try send(&value, to: 0)
            }
        }
        return try communicator.broadcast(best.difference, from: 0)
    }

    /// How long messages take from rank 0's host to the others, and how much they carry.
    mutating func checkNetwork() throws {
        guard communicator.count > 1 else { return }
        var links: [(name: String, latency: Double, bandwidth: Double)] = []
        for partner in partners {
            let latency = try seconds(partner, count: 1, rounds: 200) / 2
            // A long message both ways.
            let bandwidth = 2 * 4 * Double(Self.longMessage) / (try seconds(partner, count: Self.longMessage, rounds: 5))
            links.append((hosts[partner] == hosts[0] ? "within \(hosts[0])" : "\(hosts[0]) to \(hosts[partner])", latency, bandwidth))
        }
        let isLocal = Set(hosts).count == 1
        let median = links.map(\.bandwidth).sorted()[links.count / 2]
        for link in links {
            let text = "\(link.name): \(fixed(link.latency * 1e6, link.latency < 1e-5 ? 1 : 0)) us, \(fixed(link.bandwidth / 1e9, 2)) GB/s"
            // 124 MB of gradients go to and fro in the default network; at less than 1 Gbit/s that outlasts most steps.
            if !isLocal && link.bandwidth < 100e6 {
                report.add(
                    "network", .warning, "\(text): slower than 1 Gbit/s",
                    cure:
                        "choose the fast network (mpirun --mca btl_tcp_if_include 10.0.0.0/24), or give each rank more samples: a larger --batch-size"
                )
            } else if !isLocal && link.bandwidth < median / 2 {
                report.add(
                    "network", .warning, "\(text): less than half of what the others have",
                    cure: "look at its cable and its settings, or leave the host out")
            } else if link.latency > (isLocal ? 1e-4 : 1e-3) {
                report.add(
                    "network", .warning, "\(text): messages take long",
                    cure: isLocal
                        ? "do not start more ranks than there are cores"
                        : "see whether mpirun uses the network that is meant, and whether the hosts are busy")
            } else {
                report.add("network", .ok, text)
            }
        }
    }

    private static let longMessage = 1 << 20

    /// The median of the seconds that `count` floats take from rank 0 to `partner` and back. The same on all ranks.
    private func seconds(_ partner: Int, count: Int, rounds: Int) throws -> Double {
        var values = [Float](repeating: 0, count: count), times: [Double] = []
        for _ in 0..<rounds + 2 {
            let start = ContinuousClock.now
            if communicator.rank == 0 {
                try send(&values, to: partner)
                try receive(&values, from: partner)
            } else if communicator.rank == partner {
                try receive(&values, from: 0)
                try send(&values, to: 0)
            }
            times.append((ContinuousClock.now - start) / .seconds(1))
        }
        return try communicator.broadcast(times.dropFirst(2).sorted()[rounds / 2], from: 0)
    }

    private func send<T: MPIDatatype>(_ values: inout [T], to rank: Int) throws {
        try values.withUnsafeBufferPointer { try communicator.send($0, to: rank) }
    }

    private func receive<T: MPIDatatype>(_ values: inout [T], from rank: Int) throws {
        try values.withUnsafeMutableBufferPointer { try communicator.receive($0, from: rank) }
    }
}
