import DataParallel
import Foundation
import Imaging

/// Finds ranks that were not started alike, before they do anything together: another program, or other options.
///
/// With each step the ranks compare what decides the bits once more (`StepAgreement`); but ranks that, say, validate at different steps
/// would not even get to compare that.
enum RankComparison {
    /// Options that each rank may have to itself. Paths may lead to the same files by other names on other hosts.
    private static let ownOptions: Set<String> = [
        "images", "labels", "validation-images", "validation-labels", "output", "threads", "memory",
    ]

    /// A collective. Throws `TrainingError` (`disagreement`) on all ranks, with every rank's value of all that differs.
    static func run(_ configuration: TrainingConfiguration, communicator: Communicator) throws {
        guard communicator.count > 1 else { return }
        let own = try communicator.agree("reading the program") { try items(configuration) }
        let text = own.map { "\($0.name)\t\($0.value)" }.joined(separator: "\n")
        let fingerprint = Array(text.utf8).withUnsafeBytes { UInt64(SHA256.hash($0).prefix(16), radix: 16)! }
        if Set(try communicator.allGather(fingerprint)).count == 1 { return }

        let ranks = try communicator.allGather(text).map { text in
            Dictionary(
                text.split(separator: "\n").map { line in
                    let parts = line.split(separator: "\t", maxSplits: 1, omittingEmptySubsequences: false)
                    return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
                }, uniquingKeysWith: { first, _ in first })
        }
        try communicator.agree("comparing the ranks") { throw TrainingError(.disagreement, description(ranks)) }
    }

    /// What must be the same on all ranks.
    private static func items(_ configuration: TrainingConfiguration) throws -> [(name: String, value: String)] {
        [("program", "\(programVersion), build \(try programFingerprint())")]
            + TrainingOption.all.filter { !ownOptions.contains($0.name) }.map { ($0.name, $0.text(of: configuration)) }
    }

    /// `the ranks were not started alike: seed is 0 on ranks 0 and 2, 5 on rank 1`
    package static func description(_ ranks: [[String: String]]) -> String {
        let differences = Set(ranks.flatMap(\.keys)).sorted().compactMap { name -> String? in
            let values = ranks.map { $0[name] ?? "unknown" }
            let distinct = values.indices.filter { values.firstIndex(of: values[$0]) == $0 }
            if distinct.count == 1 { return nil }
            return "\(name) is "
                + distinct.map { first in
                    let ranks = values.indices.filter { values[$0] == values[first] }
                    let value = values[first].isEmpty ? "not set" : values[first]
                    return "\(value) on rank\(ranks.count == 1 ? "" : "s") \(ranks.map(String.init).joined(separator: ", "))"
                }.joined(separator: " and ")
        }
        return "the ranks were not started alike: \(differences.joined(separator: "; ")). Start all with the same program and options"
    }

    /// 16 hexadecimal digits that tell this program's file from another build's.
    static func programFingerprint() throws -> String {
        let path = "/proc/self/exe"
        guard let file = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped) else {
            throw TrainingError.system("read", path)
        }
        // Not a cryptographic hash: it tells builds apart at the speed of memory.
        let hash = file.withUnsafeBytes { bytes in
            var hash = UInt64(bytes.count)
            for offset in stride(from: 0, to: bytes.count & ~7, by: 8) {
                hash = (hash ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) &* 0x9E37_79B9_7F4A_7C15
                hash ^= hash >> 29
            }
            for byte in bytes.suffix(bytes.count & 7) { hash = (hash ^ UInt64(byte)) &* 0x9E37_79B9_7F4A_7C15 }
            return hash ^ hash >> 32
        }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
