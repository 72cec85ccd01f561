import Foundation

/// Which cores a rank may use, and how many threads that makes.
package struct ThreadPlacement: Equatable {
    /// Logical processors of the process's affinity mask.
    package var processors: [Int]
    /// The physical core of each of them, as any number that tells cores apart.
    package var cores: [Int]
    /// Processors that the control group's quota grants, if it has one.
    package var quota: Double?
    /// Logical processors that the host has online.
    package var hostProcessors: Int

    package init(processors: [Int], cores: [Int], quota: Double?, hostProcessors: Int) {
        (self.processors, self.cores, self.quota, self.hostProcessors) = (processors, cores, quota, hostProcessors)
    }

    /// This process's placement.
    package static func current() -> ThreadPlacement {
        // Glibc shows sched_getaffinity to C with _GNU_SOURCE only; the kernel says the same in text.
        let mask = text("/proc/self/status")?.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
        let processors = list(String(mask?.split(separator: ":").last ?? ""))
        precondition(!processors.isEmpty, "/proc/self/status names no allowed processors")
        let cores = processors.map { processor in
            let siblings = text("/sys/devices/system/cpu/cpu\(processor)/topology/thread_siblings_list")
            return siblings.flatMap { Int($0.prefix { $0.isNumber }) } ?? processor  // the first sibling stands for the core
        }
        return ThreadPlacement(
            processors: processors, cores: cores, quota: controlGroupQuota(), hostProcessors: sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    }

    /// The placement as text that travels between ranks.
    package var encoded: String {
        [processors, cores].map { $0.map(String.init).joined(separator: ",") }.joined(separator: ";") + ";\(quota ?? 0);\(hostProcessors)"
    }

    /// A placement from its text.
    package init(encoded: String) {
        let fields = encoded.split(separator: ";", omittingEmptySubsequences: false)
        precondition(fields.count == 4, "ThreadPlacement: \(encoded)")
        let lists = fields.prefix(2).map { $0.split(separator: ",").compactMap { Int($0) } }
        let quota = Double(fields[2]) ?? 0
        self.init(processors: lists[0], cores: lists[1], quota: quota > 0 ? quota : nil, hostProcessors: Int(fields[3]) ?? 0)
    }

    /// Threads of rank `rank` by `--threads auto`: one for each physical core of its mask, shared evenly with the ranks of the
    /// same host whose masks overlap it (the first ranks take what is left over), and no more than its part of the quota.
    package static func threads(of rank: Int, hosts: [String], placements: [ThreadPlacement]) -> Int {
        let mine = placements[rank], cores = Set(mine.cores)
        let neighbours = placements.indices.filter { hosts[$0] == hosts[rank] }
        let sharing = neighbours.filter { !cores.isDisjoint(with: placements[$0].cores) }
        let place = sharing.firstIndex(of: rank)!
        var threads = cores.count / sharing.count + (place < cores.count % sharing.count ? 1 : 0)
        if let quota = mine.quota { threads = min(threads, Int(quota / Double(neighbours.count))) }
        return max(1, threads)
    }

    /// What is wrong with the placement of all ranks, with the `mpirun` flags that cure it; one line each.
    package static func warnings(launched: Bool, hosts: [String], placements: [ThreadPlacement], threads: [Int]) -> [String] {
        var warnings: [String] = []
        for host in Set(hosts).sorted() {
            let ranks = hosts.indices.filter { hosts[$0] == host }
            let used = Set(ranks.flatMap { placements[$0].cores })
            let total = ranks.map { threads[$0] }.reduce(0, +)
            let capacity = ranks.compactMap { placements[$0].quota.map { max(1, Int($0)) } }.min().map { min($0, used.count) } ?? used.count
            if total > capacity {
                warnings.append(
                    "\(host): \(total) threads of \(ranks.count) \(ranks.count == 1 ? "rank" : "ranks") share \(capacity) \(capacity == 1 ? "core" : "cores"); "
                        + (ranks.count > capacity
                            ? "start fewer ranks a host"
                            : "give a smaller --threads, or bind each rank to its own cores with mpirun --map-by slot:PE=\(max(1, capacity / ranks.count)) --bind-to core")
                )
            }
            let processors = Set(ranks.flatMap { placements[$0].processors }).count, available = placements[ranks[0]].hostProcessors
            if launched, processors < available, placements[ranks[0]].quota == nil {
                warnings.append(
                    "\(host): the launcher binds the ranks to \(processors) of \(available) processors, the others lie idle; "
                        + "use mpirun --bind-to none, or --map-by slot:PE=\(max(1, available / ranks.count)) --bind-to core")
            }
        }
        return warnings
    }

    /// The tightest processor quota on the way from this process's control group to the root (version 2, then version 1).
    package static func controlGroupQuota(
        root: String = "/sys/fs/cgroup", membership: String? = try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)
    ) -> Double? {
        var tightest: Double?
        for line in (membership ?? "").split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3, fields[1].isEmpty || fields[1].split(separator: ",").contains("cpu") else { continue }
            var path = String(fields[2])
            while true {
                let quota =
                    fields[1].isEmpty ? version2(root + path) : version1("\(root)/cpu\(path)") ?? version1("\(root)/cpu,cpuacct\(path)")
                if let quota { tightest = min(tightest ?? quota, quota) }
                if path.isEmpty || path == "/" { break }
                path = String(path[..<path.lastIndex(of: "/")!])
            }
        }
        return tightest
    }

    private static func version2(_ folder: String) -> Double? {
        guard let fields = text("\(folder)/cpu.max")?.split(whereSeparator: \.isWhitespace), fields.count == 2 else { return nil }
        guard let quota = Double(fields[0]), let period = Double(fields[1]), period > 0 else { return nil }  // "max": no quota
        return quota / period
    }

    private static func version1(_ folder: String) -> Double? {
        func number(_ name: String) -> Double? {
            text("\(folder)/cpu.cfs_\(name)_us").flatMap { Double($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
        }
        guard let quota = number("quota"), let period = number("period"), quota > 0, period > 0 else { return nil }
        return quota / period
    }

    /// The processors as a list such as `0-3,8`.
    package var processorList: String {
        var runs: [ClosedRange<Int>] = []
        for processor in processors.sorted() {
            if let last = runs.last, last.upperBound + 1 == processor {
                runs[runs.count - 1] = last.lowerBound...processor
            } else {
                runs.append(processor...processor)
            }
        }
        return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
    }

    /// The numbers of a list such as `0-3,8`.
    package static func list(_ text: String) -> [Int] {
        text.split(separator: ",").flatMap { part in
            let ends = part.split(separator: "-").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
            return ends.isEmpty ? [] : Array(ends[0]...ends[ends.count - 1])
        }
    }

    private static func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }
}
