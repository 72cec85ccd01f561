import Foundation
import TestSupport
import Testing

/// What becomes of a job on three hosts when a rank is killed or stopped, or when a host's link goes down.
@Suite(.serialized, .enabled(if: VirtualCluster.isTestable, "\(VirtualCluster.reason)"))
struct VirtualHostFaultTests {
    let volume = try! SmallVolume()

    /// The bits of a run of 20 steps.
    func state(_ output: String) throws -> [String: String] {
        try Program.info(volume.checkpoint(output, step: 20)).filter { ["parameters_sha256", "optimizer_sha256"].contains($0.key) }
    }

    /// On the same hosts: from another one, whether the owner of the run folder's lock is gone is for a person or the batch system to say.
    func expectResumption(on cluster: VirtualCluster, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let resumed = try Program.run(volume.training("run"), ranks: 2, on: cluster)
        #expect(resumed.status == 0 && resumed.errors.contains("going on from "), "\(resumed.errors)", sourceLocation: sourceLocation)
        #expect(try Program.run(volume.training("undisturbed")).status == 0)
        #expect(try state("run") == state("undisturbed"), sourceLocation: sourceLocation)
    }

    /// The ranks that are still there, on any host.
    func ranks(of cluster: VirtualCluster) throws -> Int {
        try (1...cluster.hosts).flatMap { try cluster.processes(onHost: $0) }.filter { process in
            (try? String(contentsOfFile: "/proc/\(process)/comm", encoding: .utf8))?.hasPrefix("unet-mpi") ?? false
        }.count
    }

    @Test(arguments: ["forward", "backward", "reduction"]) func killed(phase: String) throws {
        let cluster = try VirtualCluster(hosts: 3, rate: "1gbit")
        let outcome = try Program.run(
            volume.training("run"), ranks: 3, on: cluster, limit: 30, environment: ["UNET_TEST_FAULT": "2:12:\(phase):kill"])
        #expect(outcome.status != 0 && outcome.seconds < 10 * ProgramRun.patience, "\(outcome.seconds) s: \(outcome.errors)")
        // A rank that is sending to the dead one may be ended by Open MPI before mpirun hears of the death: then Open MPI names the host.
        let text = outcome.output + outcome.errors
        let isHostNamed = text.contains("has unexpectedly disconnected") && text.contains("Peer host:  10.77.0.3")
        #expect(MPILauncher.tells(text, thatRankDied: 2) || isHostNamed, "\(outcome.errors)")
        #expect(try ranks(of: cluster) == 0)
        try expectResumption(on: cluster)
    }

    @Test func stopped() throws {
        let cluster = try VirtualCluster(hosts: 3, rate: "1gbit")
        let outcome = try Program.run(
            volume.training("run") + ["--stall-timeout", "4s"], ranks: 3, on: cluster, limit: 30,
            environment: ["UNET_TEST_FAULT": "1:12:backward:stop"])
        #expect(outcome.status == 76 && outcome.seconds < 15 * ProgramRun.patience, "\(outcome.seconds) s: \(outcome.errors)")
        let line = outcome.errors.split(separator: "\n").first { $0.hasPrefix("warning: rank 1 (") } ?? ""
        #expect(line.contains("-2), last heard of") && line.contains("at step 12, backward"), "\(outcome.errors)")
        #expect(try ranks(of: cluster) == 0)
        try expectResumption(on: cluster)
    }

    /// All ranks end by themselves, those that are cut off too. mpirun ends when it notices that a host is out of reach, which takes it
    /// eight minutes unless told otherwise; MPICH's cannot be told.
    @Test(arguments: MPILauncher.isMPICH ? [false] : [true, false]) func linkDown(launcherNotices: Bool) throws {
        let cluster = try VirtualCluster(hosts: 3, rate: "1gbit")
        let errors = Pipe(), keepalive = ["time": "2", "intvl": "1", "probes": "2"].map { ("OMPI_MCA_oob_tcp_keepalive_\($0)", $1) }
        let process = try Program.start(
            // The link is to go down in a step: checkpoints and validation, which may take longer, are far from each other.
            volume.training("run", steps: 1_000_000) + [
                "--stall-timeout", "6s", "--checkpoint-every", "300", "--validate-every", "100000",
            ],
            ranks: 3, on: cluster, errors: errors, output: Pipe(),
            environment: launcherNotices ? Dictionary(uniqueKeysWithValues: keepalive) : [:])
        let reader = Program.Reader(errors), log = volume.folder / "run/log.jsonl"
        while process.isRunning, (try? String(contentsOfFile: log, encoding: .utf8))?.contains("\"step\":312,") != true { usleep(20_000) }
        let began = ContinuousClock.now
        func elapsed() -> Double { (ContinuousClock.now - began) / .seconds(1) }
        try cluster.setLink(ofHost: 3, isUp: false)
        while try ranks(of: cluster) > 0, elapsed() < 40 { usleep(200_000) }
        #expect(try ranks(of: cluster) == 0 && elapsed() < 25, "\(elapsed()) s")
        if launcherNotices {
            while process.isRunning, elapsed() < 40 { usleep(100_000) }
            #expect(!process.isRunning)
        }
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
        try cluster.setLink(ofHost: 3, isUp: true)
        #expect(process.terminationStatus != 0)
        // What is cut off may still hold the pipe.
        for process in try (1...3).flatMap({ try cluster.processes(onHost: $0) }) { kill(process, SIGKILL) }
        let text = reader.text()
        let line = text.split(separator: "\n").first { $0.hasPrefix("warning: rank 2 (") } ?? ""
        #expect(line.contains("-3), last heard of") && line.contains("no progress for 3 s"), "\(text)")

        let last = try #require(
            try FileManager.default.contentsOfDirectory(atPath: volume.folder / "run/checkpoints").compactMap {
                $0.hasPrefix("step-") && $0.hasSuffix(".h5") ? Int($0.dropFirst(5).dropLast(3)) : nil
            }.max())
        let resumed = try Program.run(volume.training("run", steps: last + 2), ranks: 2, on: cluster)
        #expect(resumed.status == 0 && resumed.errors.contains("going on from "), "\(resumed.errors)")
        #expect(try Program.run(volume.training("undisturbed", steps: last + 2)).status == 0)
        func bits(_ output: String) throws -> String? { try Program.info(volume.checkpoint(output, step: last + 2))["parameters_sha256"] }
        #expect(try bits("run") != nil && bits("run") == bits("undisturbed"))
    }

    /// What doctor sees between hosts.
    @Test func doctor() throws {
        let cluster = try VirtualCluster(hosts: 3, rate: "1gbit")
        let outcome = try Program.run(["doctor", "--output", volume.folder.path], ranks: 3, on: cluster)
        #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("OK       hosts") && $0.contains("3: ") }, "\(outcome.output)")
        #expect(lines.filter { $0.contains(" network ") && $0.contains("-1 to ") && $0.contains("GB/s") }.count == 2, "\(outcome.output)")
        #expect(lines.contains { $0.contains(" clock ") } && lines.contains { $0.contains("all hosts see") }, "\(outcome.output)")
        #expect(MPILauncher.isMPICH || lines.contains { $0.hasPrefix("warning  mpirun") }, "\(outcome.output)")
    }
}
