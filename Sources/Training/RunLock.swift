import Foundation

/// Keeps a second job, or ranks that each believe they are alone, out of a run folder.
///
/// The lock is a file `lock`, created exclusively, that names its owner (host, boot, process, time, batch job). On top of it the
/// owner holds an advisory `flock` for as long as it lives; where the file system knows `flock` the kernel lets go of it when the
/// process dies, however it dies. A lock left behind is taken over without asking when its owner is certainly gone:
/// - same host: the owner's `flock` is free; or, where `flock` does not work, no process with its number and start time exists,
///   or the host has been started anew since;
/// - another host: it was the same batch job before the scheduler started it again.
///
/// Otherwise the error names the owner, and a person decides. On a file system without `flock`, two jobs that find the same
/// left-over lock in the same instant are told apart by the exclusive creation that follows the deletion.
package final class RunLock {
    /// What the lock file says about the process that holds it.
    package struct Owner: Codable, Equatable {
        package var host: String
        package var boot: String
        package var process: Int32
        /// Clock ticks after boot (field 22 of /proc/PID/stat): tells a process from a later one with the same number.
        package var processStart: String
        package var since: String
        package var batchJob: String?
        package var batchRestarts: Int
        package var holdsFlock: Bool
    }

    private let path: String
    private var descriptor: Int32 = -1

    /// Takes the lock of `folder` for this process.
    package init(folder: String) throws {
        path = "\(folder)/lock"
        try take()
    }

    deinit {
        // In this order nobody can take over a file that is about to disappear: see the inode comparison in `take`.
        unlink(path)
        close(descriptor)
    }

    /// The process that holds the lock of `folder`, as far as can be told without touching it; nil if there is none, or it is certainly gone.
    package static func living(inFolder folder: String) -> Owner? {
        guard let text = try? SystemFiles().readAll("\(folder)/lock"), let owner = try? JSONDecoder().decode(Owner.self, from: Data(text))
        else { return nil }
        // On this host the process itself tells; trying its flock could keep out a run that is just starting.
        var asked = owner
        asked.holdsFlock = false
        return asked.isGone(flockIsFree: false) ? nil : owner
    }

    private func take() throws {
        // Every pass returns, throws, or follows a change that another process made in between.
        for _ in 0..<100 {
            descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
            let isNew = descriptor >= 0
            if !isNew {
                guard errno == EEXIST else { throw TrainingError.system("create", path) }
                descriptor = open(path, O_RDWR | O_CLOEXEC)
                if descriptor < 0 && errno == ENOENT { continue }  // just released
                if descriptor < 0 { throw TrainingError.system("open", path) }
            }
            let holdsFlock = flock(descriptor, LOCK_EX | LOCK_NB) == 0
            let refused = !holdsFlock && errno == EWOULDBLOCK
            if try isNew ? !refused : canTakeOver(flockIsFree: holdsFlock, refused: refused) {
                return try write(holdsFlock: holdsFlock)
            }
            close(descriptor)
            usleep(20_000)
        }
        throw TrainingError(.inputOutput, "\(path): held by another process that is just starting in this folder")
    }

    /// Whether the open, existing lock file is one that was left behind; false to look again, an error if its owner lives.
    private func canTakeOver(flockIsFree: Bool, refused: Bool) throws -> Bool {
        var opened = stat(), named = stat()
        guard fstat(descriptor, &opened) == 0, stat(path, &named) == 0, opened.st_ino == named.st_ino else { return false }
        guard let text = try? SystemFiles().readAll(path), let owner = try? JSONDecoder().decode(Owner.self, from: Data(text)) else {
            // Its creator is about to write, or died before it could (then nobody holds the flock; without flock, time tells).
            return flockIsFree || !refused && Date().timeIntervalSince1970 - Double(named.st_mtim.tv_sec) > 10
        }
        if !refused && owner.isGone(flockIsFree: flockIsFree) { return true }
        throw TrainingError(
            .inputOutput,
            "\(path): process \(owner.process) on \(owner.host) has been working in this folder since \(owner.since); "
                + "wait for it, or choose another --output\(owner.host == Owner.thisProcess(holdsFlock: false).host ? "" : " (delete the file if that process no longer exists)")"
        )
    }

    private func write(holdsFlock: Bool) throws {
        let bytes = try JSONEncoder().encode(Owner.thisProcess(holdsFlock: holdsFlock))
        let written = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress!, $0.count, 0) }
        guard written == bytes.count, ftruncate(descriptor, bytes.count) == 0, fsync(descriptor) == 0 else {
            throw TrainingError.system("write", path)
        }
    }
}

extension RunLock.Owner {
    /// This process.
    package static func thisProcess(holdsFlock: Bool) -> RunLock.Owner {
        let environment = ProcessInfo.processInfo.environment
        return RunLock.Owner(
            host: currentHost, boot: currentBoot, process: getpid(), processStart: start(of: getpid()) ?? "",
            since: Date().formatted(.iso8601),
            batchJob: environment["SLURM_JOB_ID"], batchRestarts: Int(environment["SLURM_RESTART_COUNT"] ?? "") ?? 0, holdsFlock: holdsFlock
        )
    }

    /// Whether the process that wrote the lock file certainly no longer runs.
    package func isGone(flockIsFree: Bool) -> Bool {
        let mine = Self.thisProcess(holdsFlock: false)
        if host == mine.host {
            if boot != mine.boot { return true }
            return holdsFlock ? flockIsFree : Self.start(of: process) != processStart
        }
        return batchJob != nil && batchJob == mine.batchJob && batchRestarts < mine.batchRestarts
    }

    private static var currentHost: String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, 255)
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    private static var currentBoot: String { (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? "" }

    private static func start(of process: Int32) -> String? {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8), let name = text.lastIndex(of: ")") else {
            return nil
        }
        let fields = text[name...].split(separator: " ")  // the program's name, field 2, may hold spaces
        return fields.count > 20 ? String(fields[20]) : nil
    }
}
