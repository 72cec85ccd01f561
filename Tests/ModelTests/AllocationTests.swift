import CMallocCounter
import Kernels
import Model
import TestSupport
import Testing

@Suite struct AllocationTests {
    /// Once a network stands, forward, loss, backward and update never call malloc, with one block of samples or several, however much
    /// memory it may take.
    @Test(arguments: [1, 2], [[0..<4], [0..<2, 2..<3]]) func aStepCallsNoMalloc(_ threads: Int, _ blocks: [Range<Int>]) throws {
        for (memory, accumulation) in [(MemoryMode.fast, 1), (.low, 1), (.fast, 2)] { try check(threads, blocks, memory, accumulation) }
    }

    private func check(_ threads: Int, _ blocks: [Range<Int>], _ memory: MemoryMode, _ accumulation: Int) throws {
        malloc_count_start()
        let node = try Architecture.named("unet-keras").graph(channels: 1, height: 32, width: 32, options: .init(baseChannels: 8, depth: 2))
        let network = Network(
            node, purpose: .training(blocks: blocks, split: treeSplit), device: Device(threads: threads), memory: memory,
            accumulation: accumulation)
        network.randomizeParameters(seed: 1)
        let pixels = network.batch * 1024
        let images = testNumbers(pixels, seed: 2)
        network.fill(images: images, targets: testLabels(pixels, seed: 3))
        let adam = Adam(count: network.arenaCount, learningRate: 1e-3)
        #expect(malloc_count() > 0)
        func step() {
            images.withUnsafeBufferPointer { for s in 0..<network.batch { network.setInput(sample: s, $0.baseAddress! + s * 1024) } }
            network.forward(training: true, seed: 1, firstPosition: 8)
            network.evaluateLoss(scale: 1 / Float(pixels))
            network.backward(training: true, seed: 1, firstPosition: 8)
            adam.update(
                on: network.device, parameters: network.parameterValues.baseAddress!,
                gradients: UnsafePointer(network.gradientValues.baseAddress!))
        }
        step()
        let before = malloc_count()
        for _ in 0..<5 { step() }
        #expect(malloc_count() == before, "\(memory), \(accumulation)")
    }
}
