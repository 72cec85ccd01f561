import Foundation

/// A file open for reading at any offset, from any thread.
package final class InputFile: Sendable {
    /// As the user named it.
    package let path: String
    let descriptor: Int32
    /// Bytes in the file when it was opened.
    package let size: Int

    /// Opens the file at `path`.
    ///
    /// - Throws: `ImagingError` if it does not exist, is a folder, is empty, or may not be read.
    package init(_ path: String) throws {
        self.path = path
        // O_NONBLOCK is for pipes that have the name of a file: to open one waits for a writer.
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let missing = errno == ENOENT || errno == ENOTDIR
            throw ImagingError(
                missing ? .missing : .inputOutput, path, missing ? "there is no such file" : "cannot open the file: \(systemError())")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let reason = systemError()
            close(descriptor)
            throw ImagingError(.inputOutput, path, "cannot examine the file: \(reason)")
        }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 else {
            close(descriptor)
            let kind = status.st_mode & S_IFMT
            throw ImagingError(
                .invalid, path,
                kind == S_IFREG ? "the file is empty" : kind == S_IFDIR ? "is a folder, not a file" : "is a pipe or a device, not a file")
        }
        size = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// - Throws: `ImagingError` if the file ends before, or cannot be read.
    package func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw ImagingError(.inputOutput, path, "cannot read at byte \(offset + done): \(systemError())") }
            guard count > 0 else {
                throw ImagingError(.invalid, path, "the file ends at byte \(offset + done), \(buffer.count - done) bytes early")
            }
            done += count
        }
    }

    /// The `count` bytes from `offset` on, which the caller has checked to be few and inside the file.
    package func bytes(at offset: Int, count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { bytes, initialized in
            try read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[..<count]))
            initialized = count
        }
    }
}

/// The text of the last failed system call's `errno`.
func systemError() -> String { String(cString: strerror(errno)) }
