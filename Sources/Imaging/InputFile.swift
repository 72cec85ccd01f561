import CTIFF
import Foundation

/// A file for reading at any offset, from any thread.
package final class InputFile: Sendable {
    /// As the user named it.
    package let path: String
    /// Bytes in the file when it was opened.
    package let size: Int
    private let content: Content

    private enum Content {
        case descriptor(Int32)
        case bytes([UInt8])
    }

    /// Opens the file at `path`.
    ///
    /// - Throws: `ImagingError` if it does not exist, is a folder, is empty, or may not be read.
    package init(_ path: String) throws {
        self.path = path
        // O_NONBLOCK is for pipes that have the name of a file: to open one waits for a writer.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let missing = errno == ENOENT || errno == ENOTDIR
            throw ImagingError(
                missing ? .missing : .inputOutput, path, missing ? "there is no such file" : "cannot open the file: \(systemError())")
        }
        content = .descriptor(descriptor)
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

    /// A file whose bytes are in memory, and which errors call `path`.
    ///
    /// - Throws: `ImagingError` if it is empty.
    package init(_ path: String, holding bytes: [UInt8]) throws {
        guard !bytes.isEmpty else { throw ImagingError(.invalid, path, "the file is empty") }
        (self.path, size, content) = (path, bytes.count, .bytes(bytes))
    }

    deinit { if case .descriptor(let descriptor) = content { close(descriptor) } }

    /// A new descriptor of the file, for a library that reads it by itself and closes it; −1 if the system has none.
    func newDescriptor() -> Int32 {
        switch content {
        case .descriptor(let descriptor): return dup(descriptor)
        case .bytes(let bytes): return tiff_memory_file(bytes, bytes.count)
        }
    }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// - Throws: `ImagingError` if the file ends before, or cannot be read.
    package func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
        var done = 0
        while done < buffer.count {
            let count = read(at: offset + done, UnsafeMutableRawBufferPointer(rebasing: buffer[done...]))
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw ImagingError(.inputOutput, path, "cannot read at byte \(offset + done): \(systemError())") }
            guard count > 0 else {
                throw ImagingError(.invalid, path, "the file ends at byte \(offset + done), \(buffer.count - done) bytes early")
            }
            done += count
        }
    }

    /// As `pread`.
    private func read(at offset: Int, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
        switch content {
        case .descriptor(let descriptor): return pread(descriptor, buffer.baseAddress!, buffer.count, off_t(offset))
        case .bytes(let bytes):
            let count = max(0, min(buffer.count, bytes.count - offset))
            if count > 0 { bytes[offset..<offset + count].withUnsafeBytes { buffer.copyMemory(from: $0) } }
            return count
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
