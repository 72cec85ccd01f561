import Foundation
import Synchronization

/// A child process that reads one HDF5 file for this one, so that whatever the file makes libhdf5 do happens to the child.
///
/// libhdf5 is a large C library that trusts what stands in a file: damaged and crafted files make it crash, loop, or take all memory. The
/// child is this program again (`ReaderService`), with limits of memory and time, and ends with its file, which it reads piece by piece as
/// it is asked to: a volume may be larger than memory. It gets descriptions as JSON and numbers as float32 through a socket; what it says is
/// checked here as if the file itself said it. The alternative, to let a child read everything once and then to read it again here, would
/// cost every file twice and protect only from files that do the same thing twice.
///
/// Programs that use this module as a library have no such child and read in their own process, unless they set `program`.
package final class ReaderProcess: Sendable {
    /// The program that is started as a child: it must hand over to `ReaderService` when its first argument is `ReaderService.command`. With
    /// `nil`, HDF5 is read in this process.
    package static var program: String? {
        get { programPath.withLock { $0 } }
        set { programPath.withLock { $0 = newValue } }
    }
    private static let programPath = Mutex<String?>(nil)

    /// What the child may take.
    package struct Limits: Sendable {
        /// Bytes of address space beyond what the program has when it starts.
        package var memory = 2 << 30
        /// Seconds of processor time for each piece that is asked for.
        package var processorSeconds = 120
        /// Seconds until a piece must be there, whatever the child waits for.
        package var seconds = 600.0

        /// The limits of the program.
        package init() {}
    }

    /// At most this many children at once; the one that was started first makes room, and is started again when it is needed.
    private static let liveLimit = 16
    private static let live = Mutex<[Live]>([])

    private struct Live {
        weak var process: ReaderProcess?
    }

    /// What errors call the file.
    package let path: String
    private let limits: Limits
    private let connect: @Sendable () throws -> any ReaderConnection
    private let state: Mutex<State>

    private struct State {
        var child: (any ReaderConnection)?
        /// What the first child said when it had opened the file.
        var header: [UInt8]?
    }

    /// A process that reads a file, not yet started.
    ///
    /// - Parameters:
    ///   - program: the file to execute.
    ///   - service: which of the services of `ReaderService` is asked, and its arguments.
    ///   - path: what errors call the file.
    package init(program: String, service: [String], path: String, limits: Limits = Limits()) {
        (self.path, self.limits) = (path, limits)
        let arguments = [ReaderService.command, "\(limits.memory)", "\(limits.processorSeconds)"] + service
        connect = { try ChildProcess(program, arguments) }
        state = Mutex(State())
    }

    /// A process whose part `connect` plays.
    package init(path: String, limits: Limits = Limits(), connect: @escaping @Sendable () throws -> any ReaderConnection) {
        (self.path, self.limits, self.connect) = (path, limits, connect)
        state = Mutex(State())
    }

    /// What the service says about the file when it has opened it.
    ///
    /// - Throws: `ImagingError`, also if the child does not survive the file.
    package func description<Description: Decodable>(_ type: Description.Type) throws -> Description {
        let header = try state.withLock { state in
            try start(&state)
            return state.header!
        }
        guard let description = try? JSONDecoder().decode(type, from: Data(header)) else {
            throw ImagingError(.invalid, path, "the process that reads the file describes it in a way that makes no sense")
        }
        return description
    }

    /// The numbers that the service gives for `request`, which must be as many as `values` has room for.
    ///
    /// - Throws: `ImagingError`, also if the child does not survive the file.
    package func read(_ request: [Int], into values: UnsafeMutableBufferPointer<Float>) throws {
        try state.withLock { state in
            try start(&state)
            let deadline = ContinuousClock.now + .seconds(limits.seconds)
            do {
                let child = state.child!
                try request.withUnsafeBytes { try child.send($0, until: deadline) }
                let count = try length(child, deadline)
                guard count == values.count * MemoryLayout<Float>.size else { throw ReaderFailure.nonsense }
                try child.receive(into: UnsafeMutableRawBufferPointer(values), until: deadline)
            } catch {
                throw ended(error, &state)
            }
        }
    }

    /// Ends the child and forgets it.
    private func stop() { state.withLockIfAvailable { $0.child = nil } }

    /// Starts the child, unless it is there, and hears what it says of the file.
    private func start(_ state: inout State) throws {
        guard state.child == nil else { return }
        makeRoom()
        let deadline = ContinuousClock.now + .seconds(limits.seconds)
        let child: any ReaderConnection
        do {
            child = try connect()
        } catch let failure as ImagingError {
            throw ImagingError(.inputOutput, path, "cannot start a process that reads the file: \(failure.message)")
        }
        state.child = child
        do {
            let count = try length(child, deadline)
            guard count <= 1 << 26 else { throw ReaderFailure.nonsense }
            let header = try [UInt8](unsafeUninitializedCapacity: count) { bytes, initialized in
                try child.receive(
                    into: UnsafeMutableRawBufferPointer(start: bytes.baseAddress, count: count), until: deadline)
                initialized = count
            }
            guard state.header == nil || state.header == header else {
                throw ImagingError(.invalid, path, "the file has changed since it was opened")
            }
            state.header = header
        } catch {
            throw ended(error, &state)
        }
    }

    /// How many bytes follow; throws the error that follows instead.
    private func length(_ child: any ReaderConnection, _ deadline: ContinuousClock.Instant) throws -> Int {
        var length = 0
        try withUnsafeMutableBytes(of: &length) { try child.receive(into: $0, until: deadline) }
        guard length < 0 else { return length }
        guard length >= -(1 << 16) else { throw ReaderFailure.nonsense }
        var text = [UInt8](repeating: 0, count: -length)
        try text.withUnsafeMutableBytes { try child.receive(into: $0, until: deadline) }
        guard let failure = try? JSONDecoder().decode(ReaderService.Failure.self, from: Data(text)) else {
            throw ReaderFailure.nonsense
        }
        throw failure.error(path)
    }

    /// After an error the child is of no more use: the same error, or what the child's end tells.
    private func ended(_ error: any Error, _ state: inout State) -> any Error {
        let child = state.child!
        state.child = nil
        guard let failure = error as? ReaderFailure else { return error }
        let memory = "\(limits.memory >> 20) MiB of memory"
        let advice = "the file is damaged, or made to do harm"
        switch failure {
        case .timeOut:
            return ImagingError(
                .invalid, path, "libhdf5 has not read it within \(Int(limits.seconds)) seconds: \(advice), or its disk does not answer")
        case .nonsense:
            return ImagingError(.invalid, path, "the process that reads the file answers what it was not asked: \(advice)")
        case .ended:
            switch child.endingSignal {
            case SIGXCPU?:
                return ImagingError(
                    .invalid, path, "libhdf5 has not read it within \(limits.processorSeconds) seconds of processor time: \(advice)")
            case let signal?:
                return ImagingError(
                    .invalid, path,
                    "libhdf5 crashed on it (signal \(signal), \(String(cString: strsignal(signal)))): \(advice), or reading it takes more than \(memory)"
                )
            case nil:
                return ImagingError(
                    .invalid, path, "the process that reads the file ended early: \(advice), or reading it takes more than \(memory)")
            }
        }
    }

    /// Enters this process among those with a child, and ends another's child if there are too many.
    private func makeRoom() {
        let oldest = Self.live.withLock { live -> [ReaderProcess] in
            live.removeAll { $0.process == nil || $0.process === self }
            live.append(Live(process: self))
            return live.dropLast(Self.liveLimit).compactMap(\.process)
        }
        // One that is at work keeps its child: it is not waited for.
        for process in oldest { process.stop() }
    }
}
