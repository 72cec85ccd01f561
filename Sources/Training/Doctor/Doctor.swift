import DataParallel
import Foundation
import Kernels

/// Looks at everything outside of the program that a training depends on: MPI, hosts, cores, memory, clocks, the output folder, the network.
public struct Doctor {
    let communicator: Communicator
    let output: String?
    var report = DoctorReport()
    /// Of each rank.
    var hosts: [String] = []

    /// A doctor for all ranks; `output` is the folder that results are to go to.
    public init(communicator: Communicator, output: String?) { (self.communicator, self.output) = (communicator, output) }

    /// Looks at everything. A collective; the report is the same on all ranks.
    public static func examine(communicator: Communicator, threadLevel: ThreadLevel, output: String?) throws -> DoctorReport {
        var doctor = Doctor(communicator: communicator, output: output)
        try communicator.watchdog.arm(.standard, communicator: communicator)
        communicator.watchdog.enter(.startup)
        try doctor.checkLaunch(threadLevel)
        try doctor.checkPlacement()
        try doctor.checkMemory()
        try doctor.checkClocks()
        try doctor.checkNetwork()
        try doctor.checkOutput()
        doctor.checkTime()
        return doctor.report
    }

    /// What `doctor` says where the job cannot even begin: MPI does not start, or each rank believes that it is alone.
    public static func report(of error: any Error) -> DoctorReport {
        var report = DoctorReport()
        let isAlone = exitStatus(of: error) == 64
        report.add(
            isAlone ? "launcher" : "MPI", .error, "\(error)",
            cure: isAlone
                ? nil
                : "start with the mpirun that belongs to the MPI library that unet-mpi was built with; ldd \"$(command -v unet-mpi)\" names it"
        )
        return report
    }

    /// MPI, launcher, ranks and program.
    private mutating func checkLaunch(_ threadLevel: ThreadLevel) throws {
        let ranks = communicator.count
        guard let launcher = Launcher.current else {
            report.add("MPI", .ok, "not in use: one rank, started without a launcher; \(World.libraryVersion) is there")
            hosts = [communicator.hostName]
            return
        }
        let library = World.libraryVersion, libraries = Set(try communicator.allGather(library))
        if libraries.count == 1 {
            report.add("MPI", .ok, "\(library), threads: \(threadLevel)")
        } else {
            report.add(
                "MPI", .error, "the ranks have different libraries: \(libraries.sorted().joined(separator: " and "))",
                cure: "install the same MPI on all hosts, and make LD_LIBRARY_PATH the same (mpirun -x LD_LIBRARY_PATH)")
        }
        report.add("launcher", .ok, "\(launcher.rawValue), \(ranks) rank\(ranks == 1 ? "" : "s") that know of each other")
        let program = try communicator.agree("reading the program") { try RankComparison.programFingerprint() }
        let programs = try communicator.allGather("\(programVersion), build \(program)")
        if Set(programs).count == 1 {
            report.add("program", .ok, programs[0])
        } else {
            let others = programs.indices.filter { programs[$0] != programs[0] }.map(String.init).joined(separator: ", ")
            report.add(
                "program", .error, "ranks \(others) run another program than rank 0 (\(programs[0]))",
                cure: "install the same build on all hosts; train refuses to begin otherwise")
        }
        hosts = try communicator.allGather(communicator.hostName)
        let names = hosts.indices.filter { hosts.firstIndex(of: hosts[$0]) == $0 }.map { hosts[$0] }
        let counts = names.map { name in hosts.filter { $0 == name }.count }
        let list = zip(names, counts).prefix(16).map { "\($0) (\($1))" }.joined(separator: ", ")
        checkLossOfHosts(library, launcher, hosts: names.count)
        let isEven = Set(counts).count <= 1
        report.add(
            "hosts", isEven ? .ok : .warning, "\(names.count): \(list)\(names.count > 16 ? ", …" : "")",
            cure: isEven ? nil : "give each host as many ranks: all wait for the busiest")
    }

    /// Whether mpirun notices soon that a host is out of reach. Ranks end by themselves then; but mpirun waits for the host's daemon.
    private mutating func checkLossOfHosts(_ library: String, _ launcher: Launcher, hosts: Int) {
        let name = "OMPI_MCA_oob_tcp_keepalive"
        guard launcher == .openMPI, library.contains("v4."), hosts > 1, ProcessInfo.processInfo.environment["\(name)_time"] == nil else {
            return
        }
        report.add(
            "mpirun", .warning, "takes eight minutes or more to notice that a host is out of reach",
            cure: "export \(name)_time=20 \(name)_intvl=5 \(name)_probes=5 before mpirun: 45 seconds")
    }

    /// Threads, binding, instruction sets.
    private mutating func checkPlacement() throws {
        let plan = try ComputePlan(communicator: communicator, threads: nil)
        for line in plan.table { report.add("threads", .ok, line) }
        for warning in plan.warnings {
            let parts = warning.split(separator: ";", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            report.add("binding", .warning, parts[0], cure: parts.count > 1 ? parts[1] : nil)
        }
        let sets = try communicator.allGather(InstructionSet.best.rawValue), best = sets.max()!, least = sets.min()!
        if best == least {
            report.add("instructions", .ok, "\(InstructionSet.best) (\(InstructionSet.cpuName))")
        } else {
            let slow = Set(sets.indices.filter { sets[$0] < best }.map { hosts[$0] }).sorted().joined(separator: ", ")
            report.add(
                "instructions", .warning, "\(slow): older CPUs than the others, so that all ranks use \(plan.device.instructionSet)",
                cure: "use hosts of one kind, or leave the older ones out")
        }
        let warnings = try communicator.allGather(OpenBLAS.warning ?? "")
        if let first = warnings.firstIndex(where: { !$0.isEmpty }) {
            let parts = warnings[first].split(separator: ";", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            report.add(
                "OpenBLAS", .warning, "\(hosts[first]): \(parts[0]); only --convolution direct and unusual kernel sizes use it",
                cure: parts.count > 1 ? parts[1] : nil)
        } else {
            report.add("OpenBLAS", .ok, "kernels for \(OpenBLAS.coreName)")
        }
    }

    /// Memory that is free on each host, within the limits of the ranks' control groups.
    private mutating func checkMemory() throws {
        let own = MemoryLimit.current()
        let free = try communicator.allGather(own.available), limits = try communicator.allGather(own.limit ?? 0)
        let pages = try communicator.allGather(MemoryLimit.hugePages == "never" ? 1 : 0)
        var text: [String] = [], least = Int.max
        for first in hosts.indices where hosts.firstIndex(of: hosts[first]) == first {
            let ranks = hosts.filter { $0 == hosts[first] }.count, share = free[first] / ranks
            least = min(least, share)
            let limit = limits[first] > 0 ? ", of which its control group allows \(gibibytes(limits[first]))" : ""
            text.append("\(hosts[first]): \(gibibytes(free[first])) free\(limit), \(gibibytes(share)) a rank")
        }
        let list = text.prefix(8).joined(separator: "; ") + (text.count > 8 ? "; …" : "")
        // The default network on its default crops: parameters, moments, gradients, and two samples' activations.
        if least < 3 << 30 {
            report.add(
                "memory", .warning, "\(list); the default network with two samples a rank takes about 1.5 GiB",
                cure: "start fewer ranks a host, ask for more memory, or train with --memory low, a smaller --crop or fewer --base-channels"
            )
        } else {
            report.add("memory", .ok, list)
        }
        if let rank = pages.firstIndex(of: 1) {
            report.add(
                "huge pages", .warning, "\(hosts[rank]): switched off in /sys/kernel/mm/transparent_hugepage/enabled",
                cure: "madvise or always makes large arrays faster to reach")
        }
    }

    private func gibibytes(_ bytes: Int) -> String { "\(fixed(Double(bytes) / Double(1 << 30), 1)) GiB" }

    /// When the batch system ends the job.
    private mutating func checkTime() {
        if let grant = BatchSystem.grantOfThisJob {
            let left = TimeSpan(seconds: max(0, (grant.end - Date().timeIntervalSince1970).rounded()))
            report.add("time limit", .ok, "\(left) left, says \(grant.origin); train saves and ends before")
        } else if ["SLURM_JOB_ID", "PBS_JOBID"].contains(where: { ProcessInfo.processInfo.environment[$0] != nil }) {
            report.add(
                "time limit", .warning, "the batch system does not tell when this job ends", cure: "give train a --time-limit of your own")
        }
    }
}

/// Memory of this host as the process sees it.
struct MemoryLimit {
    /// Bytes that can be had without swapping.
    var available: Int
    /// Bytes that the control group still allows, where that is less.
    var limit: Int?

    static func current() -> MemoryLimit {
        func number(_ path: String) -> Int? {
            (try? String(contentsOfFile: path, encoding: .utf8)).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
        }
        let lines = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8))?.split(separator: "\n") ?? []
        let line = lines.first { $0.hasPrefix("MemAvailable:") }
        let available = (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) << 10
        var limit: Int?
        for line in ((try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? "").split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let root: String, names: (limit: String, used: String)
            if fields[1].isEmpty {
                (root, names) = ("/sys/fs/cgroup", ("memory.max", "memory.current"))
            } else if fields[1].split(separator: ",").contains("memory") {
                (root, names) = ("/sys/fs/cgroup/memory", ("memory.limit_in_bytes", "memory.usage_in_bytes"))
            } else {
                continue
            }
            var path = String(fields[2])
            while true {
                if let most = number("\(root)\(path)/\(names.limit)"), let used = number("\(root)\(path)/\(names.used)") {
                    limit = min(limit ?? .max, max(0, most - used))
                }
                guard !path.isEmpty, path != "/", let slash = path.lastIndex(of: "/") else { break }
                path = String(path[..<slash])
            }
        }
        guard let limit, limit < available else { return MemoryLimit(available: available) }
        return MemoryLimit(available: limit, limit: limit)
    }

    /// `always`, `madvise` or `never`; nil where the system has no such setting.
    static var hugePages: String? {
        guard let text = try? String(contentsOfFile: "/sys/kernel/mm/transparent_hugepage/enabled", encoding: .utf8),
            let start = text.firstIndex(of: "["), let end = text.firstIndex(of: "]")
        else { return nil }
        return String(text[text.index(after: start)..<end])
    }
}
