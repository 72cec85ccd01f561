import Foundation

/// The Python environments with the programs that others read our files with (`scripts/readers` makes them).
public enum Readers {
    /// `.build/readers`: onnxruntime, safetensors, h5py, Keras, TensorBoard, tifffile.
    public static let usual = "readers"
    /// `.build/readers-all`: PyTorch and bioimageio.core, for the long tests.
    public static let all = "readers-all"

    /// Runs a Python script that lies beside a test; it says what is wrong and ends with another status than 0, or prints what it found.
    ///
    /// - Parameters:
    ///   - script: the file's name.
    ///   - arguments: its arguments.
    ///   - environment: which of the environments.
    ///   - variables: environment variables to add.
    ///   - timeout: seconds after which it is stopped.
    ///   - testFile: the test that asks; the script lies in its folder.
    /// - Returns: the run, whatever its status.
    /// - Throws: `ProgramRun.Failure` if the environment or the script is not there: a missing reader is a failure, not a test left out.
    public static func run(
        _ script: String, _ arguments: [String], in environment: String = usual, variables: [String: String] = [:], timeout: Double = 120,
        testFile: String = #filePath
    ) throws -> ProgramRun {
        let folder = URL(fileURLWithPath: testFile).deletingLastPathComponent()
        let package = folder.deletingLastPathComponent().deletingLastPathComponent()
        let python = package.appendingPathComponent(".build/\(environment)/bin/python").path
        guard FileManager.default.isExecutableFile(atPath: python) else {
            let option = environment == all ? " --all" : ""
            throw ProgramRun.Failure(description: "\(python) is not there: run scripts/readers\(option)")
        }
        let file = folder.appendingPathComponent(script).path
        guard FileManager.default.fileExists(atPath: file) else { throw ProgramRun.Failure(description: "\(file) is not there") }
        return try ProgramRun.run(command: [python, file] + arguments, variables: variables, timeout: timeout)
    }
}
