import CMallocCounter
import Kernels
import Model
import TestSupport
import Testing

@Suite struct AllocationTests {
    /// Once a network stands, forward, loss, backward and update never call malloc, with one block of samples or several, however much
    /// memory it may take.
    @Test(arguments: [1, 2], [[0..<4], [0..<2, 2..<3]]) func aStepCallsNoMalloc(_ threads: Int, _ blocks: [Range<Int>]) throws {
        for (memory, accumulation) in [(MemoryMode.fast, 1), (.low, 1), (.fast, 2)] {
            try check("unet-keras", .init(baseChannels: 8, depth: 2), threads, blocks, memory, accumulation, .crossEntropy) {
                Adam(count: $0, learningRate: 1e-3)
            }
        }
        let loss = Loss(crossEntropy: 1, dice: 1, focus: 2, classWeights: .balanced, hasPixelWeights: true)
        try check("unet-keras", .init(baseChannels: 8, depth: 2), threads, blocks, .fast, 1, loss) {
            StochasticGradientDescent(count: $0, learningRate: 1e-3)
        }
        let batch = ArchitectureOptions(baseChannels: 8, depth: 2, decoder: .transpose, normalization: .batch)
        try check("attention-unet", batch, threads, blocks, .fast, 1, .crossEntropy) { Adam(count: $0, learningRate: 1e-3) }
        let group = ArchitectureOptions(baseChannels: 8, depth: 2, normalization: .group)
        try check("unet-residual", group, threads, blocks, .fast, 2, .crossEntropy) { Adam(count: $0, learningRate: 1e-3) }
    }

    private func check(
        _ architecture: String, _ options: ArchitectureOptions, _ threads: Int, _ blocks: [Range<Int>], _ memory: MemoryMode,
        _ accumulation: Int, _ loss: Loss, makeOptimizer: (Int) -> any Optimizer
    ) throws {
        malloc_count_start()
        let node = try Architecture.named(architecture).graph(channels: 1, height: 32, width: 32, options: options)
        let network = Network(
            node, purpose: .training(blocks: blocks, split: treeSplit), device: Device(threads: threads), memory: memory,
            accumulation: accumulation, loss: loss)
        network.randomizeParameters(seed: 1)
        let pixels = network.batch * 1024
        let images = testNumbers(pixels, seed: 2)
        network.fill(images: images, targets: testLabels(pixels, seed: 3))
        let optimizer = makeOptimizer(network.trainableCount), check = BufferCheck(count: network.trainableCount)
        let average = WeightAverage(count: network.arenaCount, decay: 0.9),
            rates = LearningRateSchedule(
                peak: 1e-3, warmupSteps: 3, decay: .cosine(steps: 9, final: 0))
        #expect(malloc_count() > 0)
        func step() {
            images.withUnsafeBufferPointer { for s in 0..<network.batch { network.setInput(sample: s, $0.baseAddress! + s * 1024) } }
            network.forward(training: true, seed: 1, firstPosition: 8)
            network.evaluateLoss(scale: 1 / Float(pixels))
            network.backward(training: true, seed: 1, firstPosition: 8)
            let gradients = UnsafePointer(network.gradientValues.baseAddress!), parameters = network.parameterValues.baseAddress!
            optimizer.learningRate = rates.rate(at: optimizer.step + 1)
            _ = optimizer.update(
                on: network.device, parameters: parameters, gradients: gradients,
                gradientScale: Float(1 / (1 + check.norm(on: network.device, gradients))))
            average.update(on: network.device, parameters: parameters, step: optimizer.step)
            network.updateState()
        }
        step()
        let before = malloc_count()
        for _ in 0..<5 { step() }
        #expect(malloc_count() == before, "\(architecture), \(memory), \(accumulation)")
    }
}
