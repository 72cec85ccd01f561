import Foundation
import TestSupport
import Testing
import Training

/// What a loss of power may leave of the checkpoints. Killing processes shows nothing of it: what they wrote outlives them.
@Suite struct CrashTests {
    let checkpoints = CheckpointTests()

    func store(_ disk: CrashingDisk) -> CheckpointStore { CheckpointStore(folder: "/run/checkpoints", keep: 2, files: disk) }

    /// A disk on which steps 0 (the best) and 1 are safe, and where step 2, the new best, has just been saved.
    func saved(_ honesty: CrashingDisk.Honesty = .all) throws -> CrashingDisk {
        let before = CrashingDisk()
        _ = try store(before).save(checkpoints.checkpoint(step: 0), isBest: true)
        _ = try store(before).save(checkpoints.checkpoint(step: 1), isBest: false)
        let disk = CrashingDisk(before.state, honesty: honesty)
        #expect(try store(disk).save(checkpoints.checkpoint(step: 2), isBest: true) == [])
        return disk
    }

    /// Whether a state holds whole checkpoints only: the newest that of step 1 or 2, and the best of before or after.
    func isOldOrNew(_ state: CrashingDisk.State, newest steps: Set<Int> = [1, 2], best: Set<Int> = [0, 2]) -> Bool {
        let store = store(CrashingDisk(state))
        guard let found = try? store.newest(), found.warnings.isEmpty, steps.contains(found.checkpoint.progress.step) else { return false }
        let expected = checkpoints.checkpoint(step: found.checkpoint.progress.step)
        guard found.checkpoint.parameters == expected.parameters, found.checkpoint.progress == expected.progress else { return false }
        guard let bestOne = try? Checkpoint(path: store.bestPath, files: CrashingDisk(state)) else { return false }
        return best.contains(bestOne.progress.step)
    }

    @Test func everyStateIsOldOrNew() throws {
        let disk = try saved()
        let states = disk.crashStates()
        #expect(states.count > 20, "only \(states.count) states")
        for state in states {
            #expect(isOldOrNew(state), "\(state.mapValues(\.count))")
            // What lies there is cleared away by the next run, which can save.
            let next = CrashingDisk(state)
            try store(next).removeLeftovers()
            _ = try store(next).save(checkpoints.checkpoint(step: 3), isBest: false)
            #expect(next.state.keys.allSatisfy { $0.hasSuffix(".h5") } && isOldOrNew(next.state, newest: [3]))
        }
        // A save that has ended is never undone.
        for state in disk.crashStates(atEnd: true) { #expect(isOldOrNew(state, newest: [2], best: [2])) }
    }

    /// A crash while the leftovers of a crash are cleared away.
    @Test func aSecondCrashDuringTheCleaning() throws {
        let leftovers = try saved().crashStates().filter { $0.keys.contains { !$0.hasSuffix(".h5") } }
        #expect(!leftovers.isEmpty)
        for state in leftovers {
            let disk = CrashingDisk(state)
            try store(disk).removeLeftovers()
            for state in disk.crashStates() { #expect(isOldOrNew(state)) }
        }
    }

    /// The tests above would notice if something was not forced to the disk.
    @Test func whatIsNotForcedIsNoticed() throws {
        #expect(try !saved(.noFiles).crashStates().allSatisfy { isOldOrNew($0) })
        #expect(try !saved(.noFolders).crashStates(atEnd: true).allSatisfy { isOldOrNew($0, newest: [2], best: [2]) })
    }
}
