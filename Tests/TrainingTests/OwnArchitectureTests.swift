import Foundation
import TestSupport
import Testing

/// The package in `examples/own-architecture`.
@Suite struct OwnArchitectureTests {
    let folder = TemporaryFolder()

    /// Its program, built with ours from the same source, learns and predicts.
    @Test func learnsAndPredicts() throws {
        let run = try ProgramRun.run("own-architecture-example", [folder.path])
        #expect(run.status == 0, "\(run)")
        let words = run.output.split(whereSeparator: \.isWhitespace)
        let accuracy = try #require(words.last.flatMap { Double($0) })
        #expect(accuracy > 0.85 && run.output.contains("GroupNorm 8 + ReLU"), "\(run)")
        #expect(FileManager.default.fileExists(atPath: folder / "prediction.tif"))
    }

    /// The package itself: a whole build of the libraries it uses, minutes of it.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["UNET_TEST_ALL"] == "1", "long: it builds the libraries again"))
    func builds() throws {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../examples/own-architecture")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "swift", "build", "-c", "release", "--package-path", package.standardized.path, "--scratch-path", folder / "build",
        ]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(FileManager.default.isExecutableFile(atPath: folder / "build/release/own-architecture"))
    }
}
