import Foundation

/// The few file operations that checkpoints are made of. They go through this protocol so that a test can make any one of
/// them fail. An interrupted call is repeated by the implementation; `write` may write less than it was given.
package protocol FileOperations: Sendable {
    /// Creates a file that must not exist yet, and opens it for writing.
    func create(_ path: String) throws -> Int32
    /// Opens a file for reading.
    func open(_ path: String) throws -> Int32
    /// Size of an open file, in bytes.
    func size(of descriptor: Int32, _ path: String) throws -> Int
    /// Fills `bytes` as far as the file goes; returns the count, 0 at the end.
    func read(_ descriptor: Int32, into bytes: UnsafeMutableRawBufferPointer, _ path: String) throws -> Int
    /// Writes at most all of `bytes`; returns the count.
    func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws -> Int
    /// Forces an open file to the disk.
    func synchronize(_ descriptor: Int32, _ path: String) throws
    /// Closes; an error here means that data may be lost.
    func close(_ descriptor: Int32, _ path: String) throws
    /// Gives a file another name in the same folder, replacing what was there in one step.
    func rename(_ path: String, to newPath: String) throws
    /// Deletes a file.
    func remove(_ path: String) throws
    /// Forces a folder's entries to the disk.
    func synchronizeFolder(_ path: String) throws
    /// Names of a folder's entries, in no order.
    func contents(of folder: String) throws -> [String]
}

/// The operations of the system.
package struct SystemFiles: FileOperations {
    package init() {}

    package func create(_ path: String) throws -> Int32 {
        try Self.repeated("create", path) { Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644) }
    }

    package func open(_ path: String) throws -> Int32 {
        try Self.repeated("open", path) { Glibc.open(path, O_RDONLY | O_CLOEXEC) }
    }

    package func size(of descriptor: Int32, _ path: String) throws -> Int {
        var status = stat()
        _ = try Self.repeated("examine", path) { fstat(descriptor, &status) }
        return Int(status.st_size)
    }

    package func read(_ descriptor: Int32, into bytes: UnsafeMutableRawBufferPointer, _ path: String) throws -> Int {
        try Self.repeated("read", path) { Glibc.read(descriptor, bytes.baseAddress!, bytes.count) }
    }

    package func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws -> Int {
        try Self.repeated("write", path) { Glibc.write(descriptor, bytes.baseAddress!, bytes.count) }
    }

    package func synchronize(_ descriptor: Int32, _ path: String) throws {
        _ = try Self.repeated("force to disk", path) { fsync(descriptor) }
    }

    package func close(_ descriptor: Int32, _ path: String) throws {
        // Linux frees the descriptor even when close is interrupted: repeating could close someone else's.
        if Glibc.close(descriptor) != 0 && errno != EINTR { throw TrainingError.system("close", path) }
    }

    package func rename(_ path: String, to newPath: String) throws {
        _ = try Self.repeated("rename", path) { Glibc.rename(path, newPath) }
    }

    package func remove(_ path: String) throws {
        _ = try Self.repeated("delete", path) { unlink(path) }
    }

    package func synchronizeFolder(_ path: String) throws {
        let descriptor = try Self.repeated("open", path) { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        defer { _ = Glibc.close(descriptor) }
        // File systems that cannot force a folder say EINVAL, and need no telling.
        _ = try Self.repeated("force to disk", path) { fsync(descriptor) == 0 || errno == EINVAL ? 0 : -1 }
    }

    package func contents(of folder: String) throws -> [String] {
        guard let stream = opendir(folder) else { throw TrainingError.system("list", folder) }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        if errno != 0 { throw TrainingError.system("list", folder) }
        return names
    }

    /// What a system call returns, which is made again as long as a signal interrupts it. Throws what errno says where it is below 0.
    package static func repeated<T: SignedInteger>(_ action: String, _ path: String, _ call: () -> T) throws -> T {
        while true {
            let result = call()
            if result >= 0 { return result }
            if errno != EINTR { throw TrainingError.system(action, path) }
        }
    }
}

extension FileOperations {
    /// The whole of a file, or its first `limit` bytes.
    package func readAll(_ path: String, atMost limit: Int = .max) throws -> [UInt8] {
        let descriptor = try open(path)
        return try closing(descriptor, path) {
            let size = min(limit, try size(of: descriptor, path))
            var bytes = [UInt8](repeating: 0, count: size)
            var count = 0
            while count < size {
                let got = try bytes.withUnsafeMutableBytes {
                    try read(descriptor, into: UnsafeMutableRawBufferPointer(rebasing: $0[count...]), path)
                }
                if got == 0 { break }  // shorter than it said
                count += got
            }
            bytes.removeLast(size - count)
            return bytes
        }
    }

    /// Writes a whole file so that `path` holds what it held before or all of the new bytes, whatever happens at any moment:
    /// a temporary file in the same folder, forced to disk, read again and compared, renamed, the folder forced to disk.
    /// After an error the temporary file is deleted if the system lets us; its name is never taken for that of a finished file.
    ///
    /// `beforeRename` is called when the temporary file is complete: the moment at which a killed writer leaves the most behind.
    package func writeAtomically(_ parts: [UnsafeRawBufferPointer], to path: String, beforeRename: () -> Void = {}) throws {
        let temporary = "\(path)\(temporaryInfix)\(getpid())"
        do {
            try write(parts, toNew: temporary)
            try verify(parts, temporary)
            beforeRename()
            try rename(temporary, to: path)
        } catch {
            try? remove(temporary)
            throw error
        }
        let folder = (path as NSString).deletingLastPathComponent
        try synchronizeFolder(folder.isEmpty ? "." : folder)
    }

    /// Deletes what writers that were killed left in `folder`. Only the one process that owns the folder may call this.
    package func removeTemporaries(in folder: String) throws {
        for name in try contents(of: folder) where name.contains(temporaryInfix) { try remove("\(folder)/\(name)") }
    }

    private func write(_ parts: [UnsafeRawBufferPointer], toNew path: String) throws {
        let descriptor = try create(path)
        try closing(descriptor, path) {
            for part in parts {
                var written = 0
                while written < part.count {
                    written += try write(UnsafeRawBufferPointer(rebasing: part[written...]), to: descriptor, path)
                }
            }
            try synchronize(descriptor, path)
        }
    }

    /// What was written must be what a reader gets.
    private func verify(_ parts: [UnsafeRawBufferPointer], _ path: String) throws {
        let descriptor = try open(path)
        let differs = TrainingError(.inputOutput, "\(path): reads back differently from what was written; the disk or the memory is faulty")
        try closing(descriptor, path) {
            try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 16) { (block: UnsafeMutableRawBufferPointer) throws -> Void in
                for part in parts {
                    var compared = 0
                    while compared < part.count {
                        let wanted = min(block.count, part.count - compared)
                        let count = try read(descriptor, into: UnsafeMutableRawBufferPointer(rebasing: block[..<wanted]), path)
                        guard count > 0, memcmp(block.baseAddress!, part.baseAddress! + compared, count) == 0 else { throw differs }
                        compared += count
                    }
                }
                if try read(descriptor, into: block, path) != 0 { throw differs }
            }
        }
    }

    /// Closes the file whatever `body` does, once.
    private func closing<T>(_ descriptor: Int32, _ path: String, _ body: () throws -> T) throws -> T {
        let result: T
        do {
            result = try body()
        } catch {
            try? close(descriptor, path)
            throw error
        }
        try close(descriptor, path)
        return result
    }
}

/// Stands between a file's name and the process number in the name of its unfinished version.
private let temporaryInfix = ".writing-"
