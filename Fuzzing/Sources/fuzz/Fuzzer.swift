import FuzzTargets
import Glibc

/// What libFuzzer calls.
enum Fuzzer {
    /// The environment variable that names the target.
    static let variable = "UNET_FUZZ_TARGET"
    /// The target; nil if there is none of that name.
    static let target = getenv(variable).flatMap { FuzzTarget(rawValue: String(cString: $0)) }
    /// For the files of one run after the other.
    static let folder = try! ScratchFolder()
    /// What one run may take.
    nonisolated(unsafe) static let limit = ProcessorTimeLimit()

    /// One run; −1 for bytes that are not this target's.
    static func run(_ bytes: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
        limit?.start()
        defer { limit?.stop() }
        do {
            if case .skipped = try target!.run(UnsafeRawBufferPointer(start: bytes, count: size), in: folder) { return -1 }
            return 0
        } catch {
            // The fuzzer takes it for a crash, and keeps the input.
            fatalError("\(error)")
        }
    }
}

/// The name that libFuzzer's own main, which is not used, would call; a linker may look at it nevertheless.
@_cdecl("LLVMFuzzerTestOneInput")
func runOnce(_ bytes: UnsafePointer<UInt8>?, _ size: Int) -> Int32 { Fuzzer.run(bytes, size) }
