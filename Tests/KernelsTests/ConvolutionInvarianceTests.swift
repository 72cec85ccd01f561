import Kernels
import Testing

/// The same bits whatever else is computed beside a sample, and whoever computes it.
@Suite struct ConvolutionInvarianceTests {
    @Test("results do not depend on the number of threads", arguments: ConvolutionCase.table, KernelVariant.available)
    func threads(_ c: ConvolutionCase, _ variant: KernelVariant) {
        let one = ConvolutionResults(c, on: variant.device(threads: 1))
        for threads in 2...4 {
            expectSameBits(one, ConvolutionResults(c, on: variant.device(threads: threads)), c, "\(threads) threads") { $0 }
        }
    }

    @Test(
        "a sample's results do not depend on the others in its batch", arguments: ConvolutionCase.table.filter { $0.batch > 1 },
        KernelVariant.available)
    func batch(_ c: ConvolutionCase, _ variant: KernelVariant) {
        let device = variant.device(threads: 2)
        let together = ConvolutionResults(c, on: device)
        for sample in 0..<c.batch {
            expectSameBits(ConvolutionResults(c, on: device, order: [sample]), together, c, "alone") { _ in sample }
        }
        let order = Array((0..<c.batch).reversed())
        expectSameBits(ConvolutionResults(c, on: device, order: order), together, c, "in reversed order") { order[$0] }
    }

    /// Requires that each sample of `a` has the bits of sample `match(sample)` of `b`.
    private func expectSameBits(
        _ a: ConvolutionResults, _ b: ConvolutionResults, _ c: ConvolutionCase, _ what: String, match: (Int) -> Int
    ) {
        for sample in 0..<a.forward.tensor.shape.batch {
            for ((name, x), (_, y)) in zip(a.bits(sample: sample), b.bits(sample: match(sample))) {
                #expect(x == y, "\(name) of sample \(sample) of \(c.testDescription), \(what)")
            }
        }
    }
}
