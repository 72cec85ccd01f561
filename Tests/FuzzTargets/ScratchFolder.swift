import Foundation

/// A folder of its own for files that are read and forgotten, in memory where the system has such a place.
public final class ScratchFolder: Sendable {
    /// Where it lies.
    public let path: String

    /// A new empty folder.
    public init() throws {
        let memory = "/dev/shm"
        let parent = access(memory, W_OK) == 0 ? memory : FileManager.default.temporaryDirectory.path
        path = "\(parent)/unet-mpi-fuzz-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    deinit { remove() }

    /// Deletes it with what is in it.
    public func remove() { try? FileManager.default.removeItem(atPath: path) }

    /// Makes these bytes the content of the file `name`, and returns its path.
    func file(_ bytes: some Collection<UInt8>, _ name: String = "input") throws -> String {
        let path = "\(path)/\(name)", descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FuzzFailure("\(path): cannot be opened: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        let isWhole = bytes.withContiguousStorageIfAvailable { write(descriptor, $0.baseAddress, $0.count) == $0.count }
        guard isWhole ?? false else { throw FuzzFailure("\(path): cannot be written: \(String(cString: strerror(errno)))") }
        return path
    }
}
