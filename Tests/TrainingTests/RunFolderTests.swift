import Foundation
import Testing
import Training

@Suite struct RunFolderTests {
    let folder = TemporaryFolder()

    func refusal(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "accepted"
        } catch { return "\(error)" }
    }

    /// This process as an owner of a lock, changed.
    func owner(_ change: (inout RunLock.Owner) -> Void) -> RunLock.Owner {
        var owner = RunLock.Owner.thisProcess(holdsFlock: false)
        change(&owner)
        return owner
    }

    func write(_ owner: RunLock.Owner) throws {
        _ = folder.file("lock", String(decoding: try JSONEncoder().encode(owner), as: UTF8.self))
    }

    @Test func aLivingOwnerKeepsOthersOut() throws {
        var first: RunLock? = try RunLock(folder: folder.path)
        let text = refusal { _ = try RunLock(folder: folder.path) }
        #expect(text.contains("process \(getpid()) on ") && text.contains(folder / "lock"), "\(text)")
        #expect(first != nil)
        first = nil
        #expect(!FileManager.default.fileExists(atPath: folder / "lock"))
        #expect(throws: Never.self) { try RunLock(folder: folder.path) }
    }

    @Test func aKilledOwnersLockIsTakenOver() throws {
        try write(
            owner {
                $0.process = 999_999_999; $0.holdsFlock = true
            })
        let lock = try RunLock(folder: folder.path)
        #expect(refusal { _ = try RunLock(folder: folder.path) }.contains("process \(getpid()) on"))
        withExtendedLifetime(lock) {}
    }

    @Test func anEmptyLockThatNobodyHoldsIsTakenOver() throws {
        _ = folder.file("lock", "")
        #expect(throws: Never.self) { try RunLock(folder: folder.path) }
    }

    @Test func ownersThatAreGone() {
        #expect(!owner { _ in }.isGone(flockIsFree: false))
        #expect(!owner { _ in }.isGone(flockIsFree: true))  // it never had a flock, so a free one says nothing
        #expect(owner { $0.holdsFlock = true }.isGone(flockIsFree: true))
        #expect(!owner { $0.holdsFlock = true }.isGone(flockIsFree: false))
        #expect(owner { $0.processStart = "0" }.isGone(flockIsFree: false))
        #expect(owner { $0.boot = "before" }.isGone(flockIsFree: false))
        #expect(!owner { $0.host = "elsewhere" }.isGone(flockIsFree: true))
        #expect(
            !owner {
                $0.host = "elsewhere"; $0.boot = "other"
            }.isGone(flockIsFree: true))
    }

    @Test func anotherHostsLockNamesItAndSaysWhatToDo() throws {
        try write(
            owner {
                $0.host = "node07"; $0.process = 12
            })
        let text = refusal { _ = try RunLock(folder: folder.path) }
        #expect(text.contains("process 12 on node07") && text.contains("delete the file"), "\(text)")
    }

    @Test func foldersThatCannotBeMade() throws {
        _ = folder.file("plain", "a file")
        #expect {
            _ = try RunFolder(path: folder / "plain", keep: 3)
        } throws: { ($0 as? TrainingError)?.kind == .inputOutput && "\($0)".contains(folder / "plain") }
        #expect {
            _ = try RunFolder(path: "/proc/run", keep: 3)
        } throws: { ($0 as? TrainingError)?.kind == .inputOutput && "\($0)".contains("/proc/run") }
    }

    @Test func leftoversOfKilledWritersAreCleared() throws {
        try FileManager.default.createDirectory(atPath: folder / "checkpoints", withIntermediateDirectories: true)
        _ = folder.file("checkpoints/step-00000010.h5.writing-17", "half")
        _ = folder.file("log.jsonl.writing-17", "half")
        let run = try RunFolder(path: folder.path, keep: 3)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder / "checkpoints").isEmpty)
        #expect(try run.checkpoints.newest() == nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["checkpoints", "lock"])
    }

    @Test func theLogIsCutBackToTheCheckpoint() throws {
        let path = folder / "log.jsonl"
        do {
            let log = try TrainingLog(path: path, cutBackTo: 0)
            for step in 1...5 { try log.append(["step": .count(step), "loss": .number(Double(step) / 3), "bad": .number(.nan)]) }
        }
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(#"{"step":6,"lo"#.utf8))
        do {
            let log = try TrainingLog(path: path, cutBackTo: 3)
            try log.append(["step": 4])
        }
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 4 && lines[2] == #"{"step":3,"loss":1.0,"bad":null}"# && lines[3] == #"{"step":4}"#)
    }

    @Test func resumeAttempts() throws {
        var attempts = ResumeAttempts(folder: folder.path)
        try attempts.begin(from: 600)
        #expect(attempts.refusal(of: 600) == nil)
        attempts = ResumeAttempts(folder: folder.path)
        try attempts.begin(from: 600)
        let reason = try #require(ResumeAttempts(folder: folder.path).refusal(of: 600))
        #expect(reason.contains(folder / "resumes.json") && attempts.refusal(of: 500) == nil)
        try attempts.end()
        #expect(ResumeAttempts(folder: folder.path).refusal(of: 600) == nil)
        // A record that cannot be read must not keep a run from going on.
        try Data("{".utf8).write(to: URL(fileURLWithPath: folder / "resumes.json"))
        attempts = ResumeAttempts(folder: folder.path)
        try attempts.begin(from: 7)
        #expect(attempts.refusal(of: 7) == nil)
    }
}
