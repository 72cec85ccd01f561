import Foundation
import Imaging
import Testing

/// The path of a file in `Fixtures`, which `write_fixtures.py` there wrote.
func fixture(_ name: String) -> String { Bundle.module.bundlePath + "/Fixtures/" + name }

/// Runs `body` with the path of a new empty folder, which is removed afterwards.
func withTemporaryFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.path + "/imaging-tests-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try body(folder)
}

/// What every volume of `write_fixtures.py` holds at a place.
func pattern(page: Int, y: Int, x: Int, channel: Int = 0) -> Float { Float((page * 50 + y * 7 + x * 3 + channel * 20) % 251) }

/// Expects `body` to throw an `ImagingError` of this kind whose one-line description holds all of `parts`.
func expectError(
    _ kind: ImagingError.Kind, _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("no error was thrown", sourceLocation: sourceLocation)
    } catch let error as ImagingError {
        #expect(error.kind == kind, "\(error)", sourceLocation: sourceLocation)
        for part in parts { #expect(error.description.contains(part), "\(error)", sourceLocation: sourceLocation) }
        #expect(!error.description.contains("\n"), "\(error)", sourceLocation: sourceLocation)
    } catch {
        Issue.record("not an ImagingError: \(error)", sourceLocation: sourceLocation)
    }
}
