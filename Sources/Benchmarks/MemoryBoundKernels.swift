import DataParallel
import Kernels

/// The kernels of a step whose time is that of memory: on tensors of the network's first level, and buffers as long as its parameters.
final class MemoryBoundKernels {
    struct Result {
        let name: String
        let timing: Timing
        /// Bytes that are read or written, each once.
        let bytes: Int
        var gigabytesPerSecond: Double { Double(bytes) / timing.median / 1e9 }
    }

    private let device: Device
    private let large, largeCopy, largeGradient: Tensor
    private let small, smallGradient: Tensor
    private let logits, logitGradient: Tensor
    private let target: UnsafeMutablePointer<Float>
    private let lossWorkspace: LossWorkspace
    /// Parameters, gradients and two moments.
    private let flat: UnsafeMutablePointer<Float>
    private let flatCount: Int
    private let check: BufferCheck
    private let arena: Arena

    init(channels: Int, height: Int, width: Int, batch: Int, parameters: Int, device: Device) {
        self.device = device
        // A quarter of a gigabyte is beyond every cache.
        flatCount = min(parameters, 1 << 24)
        check = BufferCheck(count: flatCount)
        let shape = Shape(batch: batch, blocks: (channels + 15) / 16, height: height, width: width)
        let pooled = MaxPooling.outputShape(shape), head = Shape(batch: 1, blocks: 1, height: height, width: width)
        let counts = [shape, shape, shape, pooled, pooled, head, head].map { ($0.sampleCount * $0.batch + 15) / 16 * 16 }
        arena = Arena(count: counts.reduce(0, +) + head.pixels + 16 + 4 * flatCount)
        var next = arena.pointer
        func take(_ count: Int) -> UnsafeMutablePointer<Float> {
            defer { next += count }
            return next
        }
        large = Tensor(take(counts[0]), shape)
        largeCopy = Tensor(take(counts[1]), shape)
        largeGradient = Tensor(take(counts[2]), shape)
        small = Tensor(take(counts[3]), pooled)
        smallGradient = Tensor(take(counts[4]), pooled)
        logits = Tensor(take(counts[5]), head)
        logitGradient = Tensor(take(counts[6]), head)
        flat = take(4 * flatCount)
        target = take(head.pixels)
        lossWorkspace = LossWorkspace(channels: 1, height: height)
        // Every page is touched, and no number is denormal.
        for i in 0..<arena.count { arena.pointer[i] = Float(i & 1023) * 0x1p-10 + 0.5 }
        for i in 0..<head.pixels { target[i] = Float(i & 1) }
    }

    /// A collective.
    func measure(_ repetitions: Repetitions, _ communicator: Communicator) throws -> [Result] {
        let largeBytes = large.shape.sampleCount * large.shape.batch * 4, smallBytes = small.shape.sampleCount * small.shape.batch * 4
        let pixels = logits.shape.pixels
        let dropout = Dropout(rate: 0.5, key: SIMD2(1, 2), ordinalWord: 3, firstPosition: 0)
        let kernels: [(name: String, bytes: Int, body: () -> Void)] = [
            ("max pooling", largeBytes + smallBytes, { MaxPooling.forward(on: self.device, input: self.large, output: self.small) }),
            (
                "max pooling, gradient", 2 * largeBytes + 2 * smallBytes,
                {
                    MaxPooling.backward(
                        on: self.device, input: self.large, output: self.small, outputGradient: self.smallGradient,
                        inputGradient: self.largeGradient, accumulate: false, mask: true)
                }
            ),
            ("dropout", 2 * largeBytes, { dropout.apply(on: self.device, self.large, to: self.largeCopy) }),
            ("copy (concatenation out of place)", 2 * largeBytes, { Elementwise.copy(on: self.device, self.large, to: self.largeCopy) }),
            (
                "add (concatenation's gradient)", 3 * largeBytes,
                { Elementwise.copy(on: self.device, self.large, to: self.largeCopy, accumulate: true) }
            ),
            (
                // One lane in sixteen holds the logit, but whole cache lines travel.
                "loss and its gradient", pixels * (64 + 4 + 64),
                {
                    _ = Loss.crossEntropy.evaluate(
                        on: self.device, logits: self.logits, target: self.target, gradient: self.logitGradient, scale: 1,
                        workspace: self.lossWorkspace)
                }
            ),
            (
                "Adam", 7 * 4 * flatCount,
                {
                    _ = Elementwise.adam(
                        on: self.device, parameters: self.flat, gradients: self.flat + self.flatCount,
                        firstMoment: self.flat + 2 * self.flatCount,
                        secondMoment: self.flat + 3 * self.flatCount, count: self.flatCount, learningRate: 1e-3, beta1: 0.9, beta2: 0.999,
                        epsilon: 1e-8, step: 1, check: self.check)
                }
            ),
            (
                "add (gradients of samples)", 3 * 4 * flatCount,
                { Elementwise.add(on: self.device, self.flat + self.flatCount, to: self.flat, count: self.flatCount) }
            ),
        ]
        // All ranks have the largest part of the batch, so that all do the same.
        return try kernels.map { name, bytes, body in
            Result(name: name, timing: try Timing.measure(repetitions, communicator, body), bytes: bytes)
        }
    }
}
