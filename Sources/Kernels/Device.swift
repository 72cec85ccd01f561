import CSIMD

/// What computes: the kernels of one instruction set and the threads of one rank.
public final class Device: Sendable {
    /// The instruction set in use.
    public let instructionSet: InstructionSet
    /// The threads of this rank.
    public let threads: ThreadPool
    let kernels: csimd_kernels

    /// A device with `threads` threads. `instructionSet` must be one the CPU has.
    public convenience init(threads: Int = 1, instructionSet: InstructionSet = .best) {
        precondition(instructionSet <= .best, "Device: this CPU has no \(instructionSet)")
        self.init(threads: threads, instructionSet: instructionSet, kernels: instructionSet.kernels)
    }

    /// A device with kernels from elsewhere: tests run the blocking of one instruction set in the instructions of another.
    package init(threads: Int, instructionSet: InstructionSet, kernels: csimd_kernels) {
        self.instructionSet = instructionSet
        self.threads = ThreadPool(count: threads)
        self.kernels = kernels
    }

    /// Measured peak of fused multiply-adds on one thread, in GFLOP/s (two operations each): the limit that kernels are held against.
    public func measurePeak() -> Double {
        // Each measurement is shorter than a time slice; the best of many is one that nothing interrupted.
        let rounds = 80_000
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 64)
        defer { memory.deallocate() }
        let clock = ContinuousClock()
        var best = 0.0
        for _ in 0..<100 {
            memory.storeBytes(of: rounds, as: Int.self)
            (memory + 64).storeBytes(of: SIMD16<Float>(repeating: 0x1p-40), as: SIMD16<Float>.self)
            let time = clock.measure { kernels.fusedMultiplyAddPeak(memory, 0, 0) }
            let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18
            best = max(best, Double(rounds) * 12 * 16 * 2 / seconds / 1e9)
        }
        return best
    }
}
