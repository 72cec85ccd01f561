import CSIMD
import KernelsAVX2
import KernelsAVX512
import KernelsBaseline

/// The instruction sets the kernels are compiled for, in one binary. One is chosen at start and never changes.
public enum InstructionSet: Int, CaseIterable, Comparable, Sendable, CustomStringConvertible {
    /// SSE2 on x86-64, NEON on arm64.
    case baseline = 0
    /// AVX2 with FMA.
    case avx2 = 1
    /// AVX-512 F, VL, DQ and BW.
    case avx512 = 2

    /// The best one this CPU offers.
    public static var best: InstructionSet { InstructionSet(rawValue: Int(csimd_instruction_set())) ?? .baseline }

    /// The CPU's name.
    public static var cpuName: String { String(cString: csimd_cpu_name()) }

    /// The one named `name` (`baseline`, `avx2`, `avx512`).
    public init?(name: String) {
        guard let match = InstructionSet.allCases.first(where: { $0.description == name }) else { return nil }
        self = match
    }

    /// The name by which `UNET_ISA` selects it.
    public var description: String {
        switch self {
        case .baseline: "baseline"
        case .avx2: "avx2"
        case .avx512: "avx512"
        }
    }

    /// Ordered by capability.
    public static func < (a: InstructionSet, b: InstructionSet) -> Bool { a.rawValue < b.rawValue }

    var kernels: csimd_kernels {
        switch self {
        case .baseline: kernelsBaseline
        case .avx2: kernelsAVX2
        case .avx512: kernelsAVX512
        }
    }
}
