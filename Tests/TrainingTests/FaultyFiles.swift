import Foundation
import Synchronization
import Training

/// The system's file operations, of which the n-th fails.
final class FaultyFiles: FileOperations {
    enum Fault: CaseIterable { case inputOutput, noSpace, shortWrite }

    let fault: Fault
    let failing: Int
    /// Whether all later operations fail too, as on a disk that is gone.
    let forEver: Bool
    private let count = Atomic<Int>(0)
    private let files = SystemFiles()

    init(_ fault: Fault, at failing: Int, forEver: Bool) {
        (self.fault, self.failing, self.forEver) = (fault, failing, forEver)
    }

    /// Operations so far.
    var operations: Int { count.load(ordering: .relaxed) }

    private func isFault() -> Bool {
        let number = count.wrappingAdd(1, ordering: .relaxed).newValue
        return number == failing || forEver && number > failing
    }

    private func operation<T>(_ action: String, _ path: String, _ body: () throws -> T) throws -> T {
        if isFault() && fault != .shortWrite { throw TrainingError.system(action, path, code: fault == .noSpace ? ENOSPC : EIO) }
        return try body()
    }

    func create(_ path: String) throws -> Int32 { try operation("create", path) { try files.create(path) } }
    func open(_ path: String) throws -> Int32 { try operation("open", path) { try files.open(path) } }
    func size(of descriptor: Int32, _ path: String) throws -> Int {
        try operation("examine", path) { try files.size(of: descriptor, path) }
    }
    func read(_ descriptor: Int32, into bytes: UnsafeMutableRawBufferPointer, _ path: String) throws -> Int {
        try operation("read", path) { try files.read(descriptor, into: bytes, path) }
    }
    func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws -> Int {
        let isFault = isFault()
        let some = isFault ? UnsafeRawBufferPointer(rebasing: bytes[..<((bytes.count + 1) / 2)]) : bytes
        if isFault && fault != .shortWrite {
            // A full disk takes part of the data first.
            _ = try files.write(some, to: descriptor, path)
            throw TrainingError.system("write", path, code: fault == .noSpace ? ENOSPC : EIO)
        }
        return try files.write(some, to: descriptor, path)
    }
    func synchronize(_ descriptor: Int32, _ path: String) throws {
        try operation("force to disk", path) { try files.synchronize(descriptor, path) }
    }
    func close(_ descriptor: Int32, _ path: String) throws {
        let isFault = isFault()
        try files.close(descriptor, path)
        if isFault && fault != .shortWrite { throw TrainingError.system("close", path, code: EIO) }
    }
    func rename(_ path: String, to newPath: String) throws { try operation("rename", path) { try files.rename(path, to: newPath) } }
    func remove(_ path: String) throws { try operation("delete", path) { try files.remove(path) } }
    func synchronizeFolder(_ path: String) throws { try operation("force to disk", path) { try files.synchronizeFolder(path) } }
    func contents(of folder: String) throws -> [String] { try operation("list", folder) { try files.contents(of: folder) } }
}
