import Foundation

/// A file that appears under its name whole or not at all: written under a temporary name in the same folder, then brought
/// to the disk and renamed by `commit()`. Without that it is removed when the last reference to it goes.
package final class AtomicFile {
    /// The name that the file will have.
    package let path: String
    /// The name that it has until `commit()`.
    package let temporaryPath: String
    /// Open for reading and writing.
    package let descriptor: Int32
    private let folder: String
    private var isOpen = true

    /// Creates the temporary file.
    ///
    /// - Throws: `ImagingError` if the folder does not exist or cannot be written to, or `path` is a folder.
    package init(_ path: String) throws {
        self.path = path
        let name = (path as NSString).lastPathComponent
        let parent = (path as NSString).deletingLastPathComponent
        folder = parent.isEmpty ? "." : parent
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
            throw ImagingError(.missing, path, "the folder \(folder) does not exist; create it first")
        }
        guard !FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) || !isFolder.boolValue else {
            throw ImagingError(.usage, path, "is a folder; name a file to write")
        }
        // Two processes with one number on two hosts may share the folder.
        var number = 0, candidate: String, opened: Int32
        repeat {
            candidate = "\(folder)/.\(name).\(getpid())-\(number).partial"
            opened = open(candidate, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            number += 1
        } while opened < 0 && errno == EEXIST
        guard opened >= 0 else { throw ImagingError(.inputOutput, path, "cannot create a file in the folder \(folder): \(systemError())") }
        (temporaryPath, descriptor) = (candidate, opened)
    }

    deinit {
        guard isOpen else { return }
        close(descriptor)
        unlink(temporaryPath)
    }

    /// Appends bytes.
    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        var done = 0
        while done < bytes.count {
            let count = Foundation.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw failure("write") }
            done += count
        }
    }

    /// Brings the file to the disk and gives it its name, in place of a file that had it.
    package func commit() throws {
        guard fsync(descriptor) == 0 else { throw failure("bring to the disk") }
        isOpen = false
        guard close(descriptor) == 0, rename(temporaryPath, path) == 0 else {
            let error = failure("finish")
            unlink(temporaryPath)
            throw error
        }
        // The new name is safe only once the folder is on the disk, too; file systems that cannot say so (EINVAL) need no telling.
        let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw failure("open the folder of") }
        defer { close(directory) }
        guard fsync(directory) == 0 || errno == EINVAL else { throw failure("bring the folder to the disk of") }
    }

    private func failure(_ action: String) -> ImagingError {
        ImagingError(.inputOutput, path, "cannot \(action) the file: \(systemError())")
    }
}
