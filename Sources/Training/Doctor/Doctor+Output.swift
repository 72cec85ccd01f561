import DataParallel
import Foundation
import Imaging

extension Doctor {
    /// What the folder for results can do: whether rank 0 can write there, force to disk and rename, whether HDF5 can work there, how fast it
    /// is, how much room is left, and who else sees it.
    mutating func checkOutput() throws {
        guard let output else {
            report.add("output", .ok, "not looked at; --output FOLDER does")
            return
        }
        let name = String(decoding: try communicator.broadcast(Array(".doctor-\(UUID().uuidString)".utf8), from: 0), as: UTF8.self)
        var found = DoctorReport()
        if communicator.rank == 0 { found = Self.examine(folder: output, probe: name) }
        let encoded = try communicator.broadcast(Array(try JSONEncoder().encode(found)), from: 0)
        found = try JSONDecoder().decode(DoctorReport.self, from: Data(encoded))
        for finding in found.findings { report.add(finding.subject, finding.severity, finding.text, cure: finding.cure) }

        if communicator.count > 1, Set(hosts).count > 1, found.verdict != .error {
            // File systems may take a moment to show it to others.
            var isSeen = 0
            for _ in 0..<20 where isSeen == 0 {
                isSeen = FileManager.default.fileExists(atPath: "\(output)/\(name)") ? 1 : 0
                if isSeen == 0 { usleep(100_000) }
            }
            let blind = Set(zip(hosts, try communicator.allGather(isSeen)).filter { $1 == 0 }.map(\.0)).sorted()
            if blind.isEmpty {
                report.add("sharing", .ok, "all hosts see \(output)")
            } else {
                report.add(
                    "sharing", .warning, "\(blind.joined(separator: ", ")): does not see what \(hosts[0]) writes to \(output)",
                    cure: "choose a folder that all hosts share: rank 0 alone writes, but after a restart it may be on another host")
            }
        }
        if communicator.rank == 0 { unlink("\(output)/\(name)") }
        try communicator.barrier()
    }

    /// Tries the folder out; leaves a file called `probe` for the others to look for.
    package static func examine(folder: String, probe: String) -> DoctorReport {
        var report = DoctorReport()
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
            let parent = (folder as NSString).deletingLastPathComponent
            report.add(
                "output", .error, "\(folder) \(FileManager.default.fileExists(atPath: folder) ? "is a file" : "does not exist")",
                cure: "create it, or name its parent (\(parent.isEmpty ? "." : parent)): train makes the last folder itself")
            return report
        }
        let path = "\(folder)/\(probe)", files = SystemFiles()
        let block = [UInt8](unsafeUninitializedCapacity: 16 << 20) { buffer, count in
            for i in buffer.indices { buffer[i] = UInt8(truncatingIfNeeded: i &* 31 &+ i >> 11) }
            count = buffer.count
        }
        do {
            // Just as a checkpoint is written: to a temporary file, forced to disk, read again, renamed, the folder forced to disk.
            let start = ContinuousClock.now
            try block.withUnsafeBytes { try files.writeAtomically([$0], to: path) }
            let seconds = (ContinuousClock.now - start) / .seconds(1), speed = Double(block.count) / seconds / 1e6
            let text = "\(folder) (\(fileSystem(folder))): written, forced to disk, read again and renamed at \(fixed(speed, 0)) MB/s"
            if speed < 20 {
                report.add(
                    "output", .warning, text,
                    cure:
                        "a checkpoint of the default network, 372 MB, takes \(fixed(372 / speed, 0)) s: raise --checkpoint-every, or choose a faster file system"
                )
            } else {
                report.add("output", .ok, text)
            }
            // A second time over the first: the rename must replace it.
            try Array("probe".utf8).withUnsafeBytes { try files.writeAtomically([$0], to: path) }
            if try files.readAll(path) != Array("probe".utf8) {
                report.add(
                    "rename", .error, "\(folder): after a rename over an old file its old content is read",
                    cure: "choose another file system: a checkpoint could not be told from the one before it")
            }
        } catch {
            report.add("output", .error, "\(error)", cure: "choose a folder that you may write to, and that has room")
            return report
        }
        checkLocks(path, &report)
        checkHDF5(folder, probe, &report)
        checkRoom(folder, &report)
        if ["tmpfs", "ramfs"].contains(fileSystem(folder)) {
            report.add(
                "output", .warning, "\(folder) is in memory: everything in it is lost with the host", cure: "choose a folder on a disk")
        }
        return report
    }

    private static func checkLocks(_ path: String, _ report: inout DoctorReport) {
        let first = open(path, O_RDWR | O_CLOEXEC), second = open(path, O_RDWR | O_CLOEXEC)
        defer { for descriptor in [first, second] where descriptor >= 0 { close(descriptor) } }
        let isHeld = first >= 0 && flock(first, LOCK_EX | LOCK_NB) == 0
        let code = errno
        let isExclusive = isHeld && second >= 0 && flock(second, LOCK_EX | LOCK_NB) != 0
        if isExclusive {
            report.add("locks", .ok, "flock works: a second job is kept out of a run folder, and a dead job's lock is taken over")
        } else {
            let text = isHeld ? "flock locks nothing out" : "flock does not work: \(String(cString: strerror(code)))"
            report.add(
                "locks", .warning, text,
                cure: "after a crash on another host delete the file lock in the run folder by hand; on Lustre the mount option is flock")
        }
    }

    /// Checkpoints are made in memory and need no lock of HDF5; predictions to .h5 are written by the library itself.
    private static func checkHDF5(_ folder: String, _ probe: String, _ report: inout DoctorReport) {
        let path = "\(folder)/\(probe).h5"
        defer { unlink(path) }
        do {
            let writer = try makeVolumeWriter(path: path, shape: VolumeShape(pages: 1, height: 2, width: 2), pixelType: .float32)
            try [Float](repeating: 0.5, count: 4).withUnsafeBufferPointer { try writer.append($0) }
            try writer.close()
            _ = try VolumeReader(path)
            report.add("HDF5", .ok, "writes and reads there, with its own file locking")
        } catch {
            report.add(
                "HDF5", .warning, "\(error)",
                cure: "set HDF5_USE_FILE_LOCKING=FALSE in the environment of all ranks; only HDF5 volumes need it, checkpoints do not")
        }
    }

    private static func checkRoom(_ folder: String, _ report: inout DoctorReport) {
        var status = statvfs()
        guard statvfs(folder, &status) == 0 else { return }
        let free = Double(status.f_bavail) * Double(status.f_frsize) / 1e9
        // Four of the newest, the best, and one being written, of the default network.
        if free < 2.5 {
            report.add(
                "room", .warning, "\(fixed(free, 1)) GB are free",
                cure: "checkpoints of the default network take 0.37 GB each: clear up, or lower --keep")
        } else {
            report.add("room", .ok, "\(fixed(free, 0)) GB are free (a quota may allow less)")
        }
    }

    /// The type of the file system that `folder` is on, as mounted.
    private static func fileSystem(_ folder: String) -> String {
        guard let real = realpath(folder, nil) else { return "unknown" }
        defer { free(real) }
        let path = String(cString: real)
        var best = (length: -1, type: "unknown")
        for line in ((try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 2 else { continue }
            let mount = fields[1].replacingOccurrences(of: "\\040", with: " ")
            let isAbove = mount == "/" || path == mount || path.hasPrefix(mount + "/")
            if isAbove && mount.count >= best.length { best = (mount.count, String(fields[2])) }
        }
        return best.type
    }
}
