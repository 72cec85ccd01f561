import Model
import TestSupport
import Testing

@Suite struct MemoryPlanTests {
    @Test func buffersAliveTogetherNeverMeet() {
        for seed in 0..<50 {
            let numbers = testNumbers(90, seed: UInt64(seed)).map { ($0 + 1) / 2 }
            let requests = (0..<30).map { i in
                let first = Int(numbers[3 * i] * 40)
                return MemoryPlan.Request(count: Int(numbers[3 * i + 1] * 1000), lifetime: first...(first + Int(numbers[3 * i + 2] * 20)))
            }
            let plan = MemoryPlan(requests)
            for i in requests.indices {
                #expect(plan.offsets[i] % 16 == 0 && plan.offsets[i] + requests[i].count <= max(plan.count, requests[i].count))
                for j in 0..<i where requests[i].lifetime.overlaps(requests[j].lifetime) {
                    let apart =
                        plan.offsets[i] + requests[i].count <= plan.offsets[j] || plan.offsets[j] + requests[j].count <= plan.offsets[i]
                    #expect(apart || requests[i].count == 0 || requests[j].count == 0, "seed \(seed): \(i) meets \(j)")
                }
            }
            #expect(plan.count <= requests.map { ($0.count + 15) / 16 * 16 }.reduce(0, +))
        }
    }

    @Test func aChainNeedsTwoBuffers() {
        let chain = (0..<10).map { MemoryPlan.Request(count: 160, lifetime: $0...($0 + 1)) }
        #expect(MemoryPlan(chain).count == 320)
    }
}
