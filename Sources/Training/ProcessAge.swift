import Foundation

/// Seconds since the system started this process, to a hundredth: dynamic linking and all of our own start-up included. `nil` where
/// the system does not tell.
func processAge() -> Double? {
    // Field 22 of the process's status: the start in clock ticks since boot. The name before it may hold anything, but ends at ")".
    guard let status = FileManager.default.contents(atPath: "/proc/self/stat"), let nameEnd = status.lastIndex(of: UInt8(ascii: ")")) else {
        return nil
    }
    let fields = status[(nameEnd + 1)...].split(separator: UInt8(ascii: " "))
    guard fields.count > 19, let ticks = Double(String(decoding: fields[19], as: UTF8.self)) else { return nil }
    var now = timespec()
    guard clock_gettime(CLOCK_BOOTTIME, &now) == 0 else { return nil }
    return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9 - ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
}
