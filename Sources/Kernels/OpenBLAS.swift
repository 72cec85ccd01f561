import CBLAS

/// The library behind the general convolution.
public enum OpenBLAS {
    /// The kind of CPU that it chose its kernels for: `Haswell`, `SkylakeX`, `Prescott`, …
    public static var coreName: String { String(cString: openblas_get_corename()) }

    /// What is wrong with that choice on this CPU, with its cure. Releases that are older than a CPU take it for a very old one.
    public static var warning: String? { warning(coreName: coreName, best: .best) }

    package static func warning(coreName: String, best: InstructionSet) -> String? {
        let old = ["prescott", "core2", "penryn", "dunnington", "nehalem", "generic", "atom", "nano", "athlon", "opteron", "opteron_sse3"]
        guard best >= .avx2, old.contains(coreName.lowercased()) else { return nil }
        return
            "OpenBLAS does not know this CPU (\(InstructionSet.cpuName)) and uses its kernels for \(coreName), several times slower than need be; set OPENBLAS_CORETYPE=\(best == .avx512 ? "SkylakeX" : "Haswell") in the environment of all ranks"
    }
}
