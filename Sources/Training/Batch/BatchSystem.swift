import Foundation

/// What Slurm or PBS says about the time of this job.
public enum BatchSystem {
    /// When the job will be ended.
    package struct Grant: Equatable, Sendable {
        /// Seconds since 1970.
        package var end: Double
        /// Who says so, for the log.
        package var origin: String

        package init(end: Double, origin: String) { (self.end, self.origin) = (end, origin) }
    }

    /// What is granted to the job of this process, asked once. Asking starts another process, so do it before MPI is initialised.
    package static let grantOfThisJob: Grant? = grant()

    /// Asks now, on behalf of what will want to know later.
    public static func ask() { _ = grantOfThisJob }

    /// The end of this process's job; `nil` outside of one, and where it cannot be known for sure: then there is no limit.
    ///
    /// - Parameters:
    ///   - environment: the process's.
    ///   - output: what a command prints, nil when it fails.
    package static func grant(
        environment: [String: String] = ProcessInfo.processInfo.environment, output: ([String]) -> String? = BatchSystem.output
    ) -> Grant? {
        if let job = environment["SLURM_JOB_ID"] ?? environment["SLURM_JOBID"] {
            // A job whose time was changed since it began still has the old value.
            if let end = environment["SLURM_JOB_END_TIME"].flatMap(Double.init), end > 0 {
                return Grant(end: end, origin: "Slurm's SLURM_JOB_END_TIME")
            }
            if let text = output(["squeue", "--noheader", "--jobs", job, "--format", "%e"]), let end = slurmTime(text) {
                return Grant(end: end, origin: "Slurm's squeue")
            }
            return nil
        }
        guard let job = environment["PBS_JOBID"] else { return nil }
        return output(["qstat", "-f", job]).flatMap(pbs).map { Grant(end: $0, origin: "PBS's qstat") }
    }

    /// The end of the job that `qstat -f` describes: its start (`stime`) and the walltime that it was given. What it says of the time used
    /// is minutes old.
    private static func pbs(_ text: String) -> Double? {
        func value(_ name: String) -> String? {
            text.split(separator: "\n").lazy.compactMap { line -> String? in
                let parts = line.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
                return parts.count == 2 && parts[0] == name ? parts[1] : nil
            }.first
        }
        guard let walltime = value("Resource_List.walltime").flatMap({ TimeSpan($0) }),
            let start = (value("stime") ?? value("start_time")).flatMap(pbsTime)
        else { return nil }
        return start + walltime.seconds
    }

    /// `2026-03-04T12:00:00`, a local time, in seconds since 1970.
    private static func slurmTime(_ text: String) -> Double? {
        let halves = text.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: "T", omittingEmptySubsequences: false)
        guard halves.count == 2 else { return nil }
        return seconds(date: halves[0].split(separator: "-").map { Int32($0) }, clock: halves[1])
    }

    /// `Wed Mar  4 12:00:00 2026`, a local time, in seconds since 1970.
    private static func pbsTime(_ text: String) -> Double? {
        let parts = text.split(separator: " ")
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard parts.count == 5, let month = months.firstIndex(of: String(parts[1])) else { return nil }
        return seconds(date: [Int32(parts[4]), Int32(month + 1), Int32(parts[2])], clock: parts[3])
    }

    private static func seconds(date: [Int32?], clock: Substring) -> Double? {
        let date = date.compactMap { $0 }, clock = clock.split(separator: ":").compactMap { Int32($0) }
        guard date.count == 3, clock.count == 3 else { return nil }
        var fields = tm()
        (fields.tm_year, fields.tm_mon, fields.tm_mday) = (date[0] - 1900, date[1] - 1, date[2])
        (fields.tm_hour, fields.tm_min, fields.tm_sec) = (clock[0], clock[1], clock[2])
        fields.tm_isdst = -1
        let seconds = mktime(&fields)
        return seconds > 0 ? Double(seconds) : nil
    }

    /// Standard output of a command of the batch system; nil when it is missing, fails, or takes more than 10 seconds.
    package static func output(of command: [String]) -> String? {
        let process = Process(), pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        let identifier = process.processIdentifier
        let timer = DispatchSource.makeTimerSource()
        timer.schedule(deadline: .now() + 10)
        timer.setEventHandler { kill(identifier, SIGKILL) }
        timer.resume()
        defer { timer.cancel() }
        let text = (try? pipe.fileHandleForReading.readToEnd()).map { String(decoding: $0, as: UTF8.self) }
        process.waitUntilExit()
        return process.terminationStatus == 0 ? text : nil
    }
}
