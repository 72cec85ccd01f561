import Foundation
import TestSupport
import Testing

/// The programs of `Tests/faults`, each for a short while: what they are good for is to run them for long.
@Suite(.serialized, .enabled(if: !MPILauncher.isMPICH, "they speak the language of Open MPI's mpirun"))
struct FaultProgramsTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../faults").standardized

    private func run(_ name: String, _ arguments: String..., limit: Double) throws -> Program.Outcome {
        // Python's byte code is not to lie among the sources.
        try Program.run(
            arguments, through: [Self.folder.appendingPathComponent(name).path, "--program"], limit: limit,
            environment: ["PYTHONDONTWRITEBYTECODE": "1"])
    }

    @Test func campaign() throws {
        let outcome = try run("campaign", "--rounds", "6", "--seed", "4000", "--verbose", limit: 400)
        #expect(outcome.status == 0 && outcome.output.contains(" in 6 rounds, 0 rounds failed"), "\(outcome.output)\(outcome.errors)")
    }

    @Test func attribution() throws {
        let outcome = try run("attribution", "--only", "in backward on rank 1", limit: 200)
        #expect(outcome.status == 0 && outcome.output.hasSuffix("5 of 5 cells are right\n"), "\(outcome.output)\(outcome.errors)")
    }

    @Test func soak() throws {
        let outcome = try run("soak", "--minutes", "0.2", limit: 400)
        #expect(outcome.status == 0 && outcome.output.hasSuffix("one rank ends with the same bits\n"), "\(outcome.output)\(outcome.errors)")
    }
}
