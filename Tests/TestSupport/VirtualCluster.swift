import Foundation

/// Hosts on this machine with a real TCP network between them, each a network namespace: what `Tests/virtual-cluster` makes, until the end
/// of this object. Any number of them may exist at once.
///
///     @Suite(.serialized, .enabled(if: VirtualCluster.isTestable, "\(VirtualCluster.reason)"))
///     struct NetworkTests {
///         @Test func twoHosts() throws {
///             let cluster = try VirtualCluster(hosts: 2, rate: "1gbit")
///             let run = try ProgramRun.run("unet-mpi", ["bench", "allreduce"], ranks: 2, on: cluster)
///
/// Namespaces need root. Where they cannot be made a test is left out and says why, unless `CI` is `true`: there it fails.
public final class VirtualCluster: Sendable {
    /// How many hosts there are, numbered from 1. mpirun runs on host 1.
    public let hosts: Int
    private let folder: String

    /// Makes hosts. Throws `ProgramRun.Failure` with what the tools said.
    ///
    /// - Parameter rate: the most that each host sends, as `tc` reads it: `1gbit`.
    public init(hosts: Int, rate: String? = nil) throws {
        self.hosts = hosts
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("cluster-\(UUID().uuidString)").path
        let run = try ProgramRun.run(command: [Self.script, "up", folder, "\(hosts)"] + (rate.map { [$0] } ?? []))
        if run.status != 0 { throw ProgramRun.Failure(description: "no virtual hosts here: \(run)") }
    }

    deinit { _ = try? ProgramRun.run(command: [Self.script, "down", folder]) }

    /// What stands before a program so that `ranks` of it run on the hosts, rank r on host 1 + r mod `hosts`. The process that it starts
    /// becomes mpirun: what it is sent, mpirun gets.
    public func launcher(ranks: Int) -> [String] { [Self.script, "run", folder, "\(ranks)"] }

    /// Runs a command on a host.
    @discardableResult
    public func run(_ command: [String], onHost host: Int) throws -> ProgramRun {
        try ProgramRun.run(command: [Self.script, "on", folder, "\(host)"] + command)
    }

    /// Plugs a host's network cable in, or pulls it out.
    public func setLink(ofHost host: Int, isUp: Bool) throws {
        let run = try ProgramRun.run(command: [Self.script, "link", folder, "\(host)", isUp ? "up" : "down"])
        if run.status != 0 { throw ProgramRun.Failure(description: "\(run)") }
    }

    /// The processes on a host: mpirun or its daemon, and the ranks.
    public func processes(onHost host: Int) throws -> [Int32] {
        try ProgramRun.run(command: [Self.script, "pids", folder, "\(host)"]).output.split(separator: "\n").compactMap { Int32($0) }
    }

    /// Whether tests that need virtual hosts are to run: where they can be made, and in CI in any case.
    public static let isTestable = unavailable == nil || ProcessInfo.processInfo.environment["CI"] == "true"
    /// Why not, for the condition of a test.
    public static var reason: String { unavailable ?? "" }

    /// Why there can be no virtual hosts here: found by making one.
    private static let unavailable: String? = {
        do {
            _ = try VirtualCluster(hosts: 1, rate: "1gbit")
            return nil
        } catch { return "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ") }
    }()

    private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("virtual-cluster").path
}
