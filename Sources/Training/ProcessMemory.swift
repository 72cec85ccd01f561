import CMalloc
import Foundation

/// The physical memory of this process, as Linux counts it.
package enum ProcessMemory {
    /// What it has now, in MiB.
    package static var resident: Double { field("VmRSS:") }
    /// The most that it has had since it began, or since `resetPeak`, in MiB.
    package static var peak: Double { field("VmHWM:") }

    /// Gives back what was freed, and lets the peak begin anew from what is in use. Returns whether the system allowed it.
    package static func resetPeak() -> Bool {
        malloc_trim(0)
        let descriptor = open("/proc/self/clear_refs", O_WRONLY)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return write(descriptor, "5", 1) == 1
    }

    private static func field(_ name: String) -> Double {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
            let kibibytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Double($0) })
        else { preconditionFailure("/proc/self/status has no \(name)") }
        return kibibytes / 1024
    }
}
