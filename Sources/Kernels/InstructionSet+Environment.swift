import Glibc

extension InstructionSet {
    /// The best instruction set, or the one that the environment variable `UNET_ISA` names.
    ///
    /// - Throws: `InstructionSetError` when the name is unknown or this CPU lacks it.
    public static func selected() throws -> InstructionSet {
        try selected(name: getenv("UNET_ISA").map { String(cString: $0) })
    }

    package static func selected(name: String?) throws -> InstructionSet {
        guard let name else { return .best }
        let known = allCases.map(\.description).joined(separator: ", ")
        guard let choice = InstructionSet(name: name) else {
            throw InstructionSetError(description: "UNET_ISA=\(name): expected one of \(known)")
        }
        guard choice <= .best else { throw InstructionSetError(description: "UNET_ISA=\(name): this CPU (\(cpuName)) has only \(best)") }
        return choice
    }
}

/// `UNET_ISA` names an instruction set that cannot be used.
public struct InstructionSetError: Error, CustomStringConvertible {
    /// One line: what was asked for and what there is.
    public let description: String
}
