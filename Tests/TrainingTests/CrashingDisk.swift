import Foundation
import Training

/// A folder on a disk in memory that knows which of its changes have been forced to the disk, and so every state in which a loss of power can
/// leave it: the changes that were forced are there; of the others any may be there or not, and a write may be there in half. (The model of
/// Pillai et al., All File Systems Are Not Created Equal, OSDI 2014.)
final class CrashingDisk: FileOperations, @unchecked Sendable {
    /// What forcing to the disk really does, to see that the tests would notice if it was left out.
    enum Honesty { case all, noFiles, noFolders }

    /// A change of a file's content or of the folder. Files are numbered: names are the folder's.
    private enum Change {
        case write(file: Int, at: Int, bytes: [UInt8])
        case create(name: String, file: Int)
        case rename(file: Int, from: String, to: String)
        case remove(file: Int, name: String)
    }

    private enum Event {
        case change(Change)
        case synchronizeFile(Int)
        case synchronizeFolder
    }

    /// The content of each name.
    typealias State = [String: [UInt8]]

    private let honesty: Honesty
    private var events: [Event] = []
    private var entries: [String: Int] = [:]
    private var contents: [Int: [UInt8]] = [:]
    private var descriptors: [Int32: (file: Int, offset: Int)] = [:]
    private var nextDescriptor: Int32 = 3
    private let beginning: (entries: [String: Int], contents: [Int: [UInt8]])

    init(_ state: State = [:], honesty: Honesty = .all) {
        for (number, (name, bytes)) in state.sorted(by: { $0.key < $1.key }).enumerated() {
            (entries[name], contents[number]) = (number, bytes)
        }
        beginning = (entries, contents)
        self.honesty = honesty
    }

    /// What is there while the power is on.
    var state: State { entries.mapValues { contents[$0]! } }

    /// Every state in which a loss of power may leave the disk, at any moment since the beginning; after all has been done, if `atEnd`.
    func crashStates(atEnd: Bool = false) -> Set<State> {
        var states: Set<State> = []
        for moment in atEnd ? events.count...events.count : 0...events.count {
            // How much of each change is on the disk: nothing, half (writes only), all.
            var choices: [(change: Change, parts: [Int])] = []
            for (index, event) in events[..<moment].enumerated() {
                guard case .change(let change) = event else { continue }
                let isOnDisk = events[index..<moment].contains { isForced(change, by: $0) }
                if case .write = change {
                    choices.append((change, isOnDisk ? [2] : [0, 1, 2]))
                } else {
                    choices.append((change, isOnDisk ? [2] : [0, 2]))
                }
            }
            let count = choices.map(\.parts.count).reduce(1, *)
            precondition(count <= 100_000, "\(count) states at one moment: something was not forced to the disk for long")
            for number in 0..<count {
                var (entries, contents) = beginning, number = number
                for (change, parts) in choices {
                    apply(change, part: parts[number % parts.count], &entries, &contents)
                    number /= parts.count
                }
                states.insert(entries.mapValues { contents[$0] ?? [] })
            }
        }
        return states
    }

    private func isForced(_ change: Change, by event: Event) -> Bool {
        switch (change, event) {
        case (.write(let file, _, _), .synchronizeFile(let forced)): file == forced && honesty != .noFiles
        case (.write, _): false
        case (_, .synchronizeFolder): honesty != .noFolders
        default: false
        }
    }

    private func apply(_ change: Change, part: Int, _ entries: inout [String: Int], _ contents: inout [Int: [UInt8]]) {
        guard part > 0 else { return }
        switch change {
        case .write(let file, let offset, let bytes):
            let bytes = part == 2 ? bytes[...] : bytes[..<(bytes.count / 2)]
            var content = contents[file] ?? []
            content += [UInt8](repeating: 0, count: max(0, offset + bytes.count - content.count))
            content.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            contents[file] = content
        case .create(let name, let file): entries[name] = file
        case .rename(let file, let from, let to):
            if entries[from] == file { entries[from] = nil }
            entries[to] = file
        case .remove(let file, let name): if entries[name] == file { entries[name] = nil }
        }
    }

    private func perform(_ change: Change) {
        events.append(.change(change))
        apply(change, part: 2, &entries, &contents)
    }

    // MARK: FileOperations

    private func name(_ path: String) -> String { (path as NSString).lastPathComponent }

    private func open(file: Int) -> Int32 {
        nextDescriptor += 1
        descriptors[nextDescriptor] = (file, 0)
        return nextDescriptor
    }

    func create(_ path: String) throws -> Int32 {
        if entries[name(path)] != nil { throw TrainingError.system("create", path, code: EEXIST) }
        let file = contents.count
        contents[file] = []
        perform(.create(name: name(path), file: file))
        return open(file: file)
    }
    func open(_ path: String) throws -> Int32 {
        guard let file = entries[name(path)] else { throw TrainingError.system("open", path, code: ENOENT) }
        return open(file: file)
    }
    func size(of descriptor: Int32, _ path: String) -> Int { contents[descriptors[descriptor]!.file]!.count }
    func read(_ descriptor: Int32, into bytes: UnsafeMutableRawBufferPointer, _ path: String) -> Int {
        let (file, offset) = descriptors[descriptor]!
        let part = contents[file]![offset...].prefix(bytes.count)
        bytes.copyBytes(from: part)
        descriptors[descriptor]!.offset += part.count
        return part.count
    }
    func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) -> Int {
        let (file, offset) = descriptors[descriptor]!
        perform(.write(file: file, at: offset, bytes: Array(bytes)))
        descriptors[descriptor]!.offset += bytes.count
        return bytes.count
    }
    func synchronize(_ descriptor: Int32, _ path: String) { events.append(.synchronizeFile(descriptors[descriptor]!.file)) }
    func close(_ descriptor: Int32, _ path: String) { descriptors[descriptor] = nil }
    func rename(_ path: String, to newPath: String) throws {
        guard let file = entries[name(path)] else { throw TrainingError.system("rename", path, code: ENOENT) }
        perform(.rename(file: file, from: name(path), to: name(newPath)))
    }
    func remove(_ path: String) throws {
        guard let file = entries[name(path)] else { throw TrainingError.system("delete", path, code: ENOENT) }
        perform(.remove(file: file, name: name(path)))
    }
    func synchronizeFolder(_ path: String) { events.append(.synchronizeFolder) }
    func contents(of folder: String) -> [String] { Array(entries.keys) }
}
