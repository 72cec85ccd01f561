import Foundation
import Testing
import Training

@Suite struct ThreadPlacementTests {
    func placement(_ cores: Int..., quota: Double? = nil, host: Int = 8) -> ThreadPlacement {
        ThreadPlacement(processors: cores, cores: cores, quota: quota, hostProcessors: host)
    }

    @Test func coresAreSharedWithRanksWhoseMasksOverlap() {
        let all = placement(0, 1, 2, 3, 4, 5, 6, 7)
        func threads(_ placements: [ThreadPlacement], hosts: [String]? = nil) -> [Int] {
            placements.indices.map { ThreadPlacement.threads(of: $0, hosts: hosts ?? placements.map { _ in "a" }, placements: placements) }
        }
        #expect(threads([all]) == [8])
        #expect(threads([all, all]) == [4, 4])
        #expect(threads([all, all, all]) == [3, 3, 2])
        #expect(threads([all, all], hosts: ["a", "b"]) == [8, 8])
        #expect(threads([placement(0), placement(1)]) == [1, 1])
        #expect(threads([placement(0, 1, 2, 3), placement(4, 5, 6, 7)]) == [4, 4])
        #expect(threads(Array(repeating: placement(0, 1), count: 4)) == [1, 1, 1, 1])
        #expect(threads([placement(0, 1, 2, 3, quota: 2.5)]) == [2])
        #expect(threads([placement(0, 1, 2, 3, quota: 3), placement(0, 1, 2, 3, quota: 3)]) == [1, 1])
        // Two hardware threads of one core are one thread of ours.
        #expect(threads([ThreadPlacement(processors: [0, 1, 2, 3], cores: [0, 1, 0, 1], quota: nil, hostProcessors: 4)]) == [2])
    }

    @Test func warningsNameTheCure() {
        let one = placement(0), all = placement(0, 1, 2, 3, 4, 5, 6, 7)
        func warnings(_ placements: [ThreadPlacement], _ threads: [Int], launched: Bool = true) -> [String] {
            ThreadPlacement.warnings(launched: launched, hosts: placements.map { _ in "a" }, placements: placements, threads: threads)
        }
        #expect(warnings([all, all], [4, 4]).isEmpty)
        #expect(warnings([one], [1], launched: false).isEmpty)
        #expect(warnings([one, placement(1)], [1, 1]).first?.contains("--bind-to none, or --map-by slot:PE=4") == true)
        #expect(warnings([all, all], [8, 8]).first?.contains("16 threads of 2 ranks share 8 cores") == true)
        #expect(warnings(Array(repeating: placement(0, 1, host: 2), count: 3), [1, 1, 1]).first?.contains("fewer ranks") == true)
    }

    @Test func quotasOfControlGroups() throws {
        let folder = TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder / "job/step", withIntermediateDirectories: true)
        _ = folder.file("job/cpu.max", "250000 100000\n")
        _ = folder.file("job/step/cpu.max", "max 100000\n")
        #expect(ThreadPlacement.controlGroupQuota(root: folder.path, membership: "0::/job/step\n") == 2.5)
        #expect(ThreadPlacement.controlGroupQuota(root: folder.path, membership: "0::/\n") == nil)
        try FileManager.default.createDirectory(atPath: folder / "cpu/job", withIntermediateDirectories: true)
        _ = folder.file("cpu/job/cpu.cfs_quota_us", "50000\n")
        _ = folder.file("cpu/job/cpu.cfs_period_us", "100000\n")
        #expect(ThreadPlacement.controlGroupQuota(root: folder.path, membership: "4:cpu,cpuacct:/job\n0::/\n") == 0.5)
    }

    @Test func placementsTravelAsText() {
        for placement in [ThreadPlacement.current(), placement(3, 9, quota: 1.5)] {
            #expect(ThreadPlacement(encoded: placement.encoded) == placement)
        }
        #expect(ThreadPlacement.list("0-3,8, 10-11") == [0, 1, 2, 3, 8, 10, 11])
    }
}
