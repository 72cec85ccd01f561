import Foundation

/// A file of the run folder that grows: each line or record goes out in one call, so that a reader never sees half of it.
package final class AppendedFile {
    private let path: String
    private let descriptor: Int32
    private let files: any FileOperations

    /// Opens the file for appending; it is made if it is not there.
    package init(path: String, files: any FileOperations = SystemFiles()) throws {
        self.path = path
        self.files = files
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        if descriptor < 0 { throw TrainingError.system("open", path) }
    }

    deinit { close(descriptor) }

    /// Appends bytes.
    package func append(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { bytes in
            var written = 0
            while written < bytes.count {
                written += try files.write(UnsafeRawBufferPointer(rebasing: bytes[written...]), to: descriptor, path)
            }
        }
    }
}
