import CHDF5
import Foundation

/// The child's side of `ReaderProcess`: opens a file, says what it is, and reads what it is asked for until nobody asks any more.
///
/// Each answer is its length in bytes, as an Int in this machine's order, and as many bytes: first JSON that describes the file, then
/// float32 numbers for each request. A negative length announces the JSON text of an error.
package struct ReaderService {
    /// The first argument of a program that is to be a reader; then follow the limits, the service and its arguments.
    package static let command = "_read-hdf5"

    /// What a service says of its file, as JSON.
    let description: [UInt8]
    /// How many integers a request has.
    let requestCount: Int
    /// The numbers for a request.
    let answer: ([Int]) throws -> [Float]

    /// A service for an open file.
    ///
    /// - Parameters:
    ///   - description: what there is to say of the file.
    ///   - requestCount: how many integers a request has.
    ///   - answer: gives the numbers for a request.
    package init(describedBy description: some Encodable, requestCount: Int, answer: @escaping ([Int]) throws -> [Float]) throws {
        let encoder = JSONEncoder()
        // The same bytes from every process that reads the file.
        encoder.outputFormatting = .sortedKeys
        self.description = Array(try encoder.encode(description))
        (self.requestCount, self.answer) = (requestCount, answer)
    }

    /// An error on its way from the child.
    struct Failure: Codable {
        private let status: Int32
        private let path: String?
        private let message: String

        /// `error`, which a program would end because of with `status`.
        init(_ error: any Error, status: Int32) {
            self.status = status
            path = (error as? ImagingError)?.path
            message = String(((error as? ImagingError)?.message ?? "\(error)").prefix(4096))
        }

        /// As the reader itself would have thrown it, in one line whatever stands in the file; `path` is what it was asked for.
        func error(_ path: String) -> ImagingError {
            let kinds: [ImagingError.Kind] = [.missing, .invalid, .inputOutput, .usage]
            let kind = kinds.first { ImagingError($0, path, "").exitStatus == status } ?? .invalid
            let message = message.split(whereSeparator: \.isNewline).joined(separator: " "), prefix = "\(path): "
            return ImagingError(kind, self.path ?? path, message.hasPrefix(prefix) ? String(message.dropFirst(prefix.count)) : message)
        }
    }

    /// Serves the process that has started this one, through standard input, and ends.
    ///
    /// - Parameters:
    ///   - arguments: of the program, from `command` on.
    ///   - status: the exit status of an error, which says of what kind it is.
    ///   - open: makes the service that is asked for, of its name and arguments.
    package static func run(
        _ arguments: [String], status: (any Error) -> Int32, open: ([String]) throws -> ReaderService
    ) -> Never {
        guard arguments.count > 3, let memory = Int(arguments[1]), let seconds = Int(arguments[2]) else { exit(64) }
        restrict(memory: memory)
        func fail(_ error: any Error) -> Never {
            // An error has its text and status; nothing can be done if it does not get through.
            let text = (try? JSONEncoder().encode(Failure(error, status: status(error)))) ?? Data()
            send(-text.count)
            send(Array(text))
            exit(0)
        }
        do {
            limitProcessorTime(seconds)
            let service = try open(Array(arguments[3...]))
            send(service.description.count)
            send(service.description)
            while let request = receive(service.requestCount) {
                limitProcessorTime(seconds)
                let values = try service.answer(request)
                send(values.count * MemoryLayout<Float>.size)
                send(values)
            }
        } catch { fail(error) }
        exit(0)
    }

    /// Takes away, for good, the right to write files, to delete or rename them, to start anything, and to connect anywhere.
    ///
    /// - Returns: the version of Landlock by which the kernel sees to that; 0 where it has none (before Linux 5.13) and the limits of
    ///   `restrict` are all there is.
    @discardableResult package static func giveUpRights() -> Int { Int(hdf5_give_up_rights()) }

    /// Takes away what a reader of one file does not need: open files, memory, signals, and the right to write or to start anything.
    private static func restrict(memory: Int) {
        giveUpRights()
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? [] {
            if let descriptor = Int32(name), descriptor > 2 { close(descriptor) }
        }
        // The parent decides when this process ends: it does not ask any more, or kills it. A batch system may signal all processes.
        for number in [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE] { signal(number, SIG_IGN) }
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ").first.flatMap { Int($0) } ?? 0
        for (resource, value) in [
            (RLIMIT_AS, pages * sysconf(Int32(_SC_PAGESIZE)) + memory), (RLIMIT_CORE, 0), (RLIMIT_FSIZE, 0), (__RLIMIT_NPROC, 0),
        ] {
            var limit = rlimit(rlim_cur: rlim_t(value), rlim_max: rlim_t(value))
            setrlimit(__rlimit_resource_t(resource.rawValue), &limit)
        }
    }

    /// So much from now on.
    private static func limitProcessorTime(_ seconds: Int) {
        var usage = rusage(), limit = rlimit()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        getrlimit(__rlimit_resource_t(RLIMIT_CPU.rawValue), &limit)
        limit.rlim_cur = min(limit.rlim_max, rlim_t(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + seconds + 1))
        setrlimit(__rlimit_resource_t(RLIMIT_CPU.rawValue), &limit)
    }

    private static func send(_ number: Int) { send([number]) }

    private static func send<Element>(_ values: [Element]) {
        values.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = write(0, bytes.baseAddress! + done, bytes.count - done)
                if count > 0 { done += count } else if errno != EINTR { exit(0) }
            }
        }
    }

    /// A request of `count` integers; nil when nobody asks any more.
    private static func receive(_ count: Int) -> [Int]? {
        var request = [Int](repeating: 0, count: count)
        return request.withUnsafeMutableBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.read(0, bytes.baseAddress! + done, bytes.count - done)
                if count > 0 { done += count } else if count == 0 || errno != EINTR { return false }
            }
            return true
        } ? request : nil
    }
}
