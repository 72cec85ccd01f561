import CMallocCounter
import Foundation
import Kernels
import Synchronization
import Testing

/// The kernel's number of this thread (glibc's gettid is not visible from Swift).
private func threadIdentifier() -> Int32 {
    var name = [CChar](repeating: 0, count: 64)  // "<process>/task/<thread>"
    let length = readlink("/proc/thread-self", &name, name.count - 1)
    return name[..<length].split(separator: CChar(UInt8(ascii: "/"))).last.flatMap {
        Int32(String(decoding: $0.map { UInt8($0) }, as: UTF8.self))
    }!
}

@Suite struct ThreadPoolTests {
    /// What the tasks of a test write to.
    private struct Arguments: BitwiseCopyable, @unchecked Sendable {
        /// One count for each task.
        var runs: UnsafeMutablePointer<Int32>
        /// The kernel's number of the thread that ran as each index, or 0.
        var threads: UnsafeMutablePointer<Int32>
        var threadCount: Int
        /// Counts what must not happen: an index out of range, two threads with one index.
        var faults: UnsafeMutablePointer<Int32>
    }

    private final class Record {
        let arguments: Arguments
        private let memory: UnsafeMutablePointer<Int32>
        init(tasks: Int, threads: Int) {
            memory = .allocate(capacity: tasks + threads + 1)
            memory.initialize(repeating: 0, count: tasks + threads + 1)
            arguments = Arguments(runs: memory, threads: memory + tasks, threadCount: threads, faults: memory + tasks + threads)
        }
        deinit { memory.deallocate() }
    }

    @Test("work between tasks runs on the calling thread, after each of its tasks", arguments: 1...3)
    func betweenTasks(_ threads: Int) {
        let pool = ThreadPool(count: threads), caller = threadIdentifier(), record = Record(tasks: 50, threads: threads)
        var calls = 0, strangers = 0
        pool.betweenTasks = {
            calls += 1
            if threadIdentifier() != caller { strangers += 1 }
        }
        pool.run(50, record.arguments) { raw, task, _ in raw!.assumingMemoryBound(to: Arguments.self).pointee.runs[task] += 1 }
        #expect(strangers == 0 && (threads == 1 ? calls == 50 : (0...50).contains(calls)))
        pool.betweenTasks = nil
        calls = 0
        pool.run(50, record.arguments) { raw, task, _ in raw!.assumingMemoryBound(to: Arguments.self).pointee.runs[task] += 1 }
        #expect(calls == 0 && (0..<50).allSatisfy { record.arguments.runs[$0] == 2 })
    }

    @Test("every task runs once, on a thread of the pool", arguments: 1...4)
    func everyTaskOnce(_ threads: Int) {
        let pool = ThreadPool(count: threads)
        #expect(pool.count == threads)
        for tasks in [0, 1, 2, 3, 4, 5, 7, 64, 1000] {
            let record = Record(tasks: tasks, threads: threads), rounds = 20
            for _ in 0..<rounds {
                pool.run(tasks, record.arguments) { raw, task, thread in
                    let a = raw!.load(as: Arguments.self)
                    a.runs[task] += 1
                    guard thread >= 0 && thread < a.threadCount else {
                        a.faults.pointee += 1
                        return
                    }
                    let id = threadIdentifier()
                    if a.threads[thread] == 0 { a.threads[thread] = id }
                    if a.threads[thread] != id { a.faults.pointee += 1 }
                }
            }
            #expect((0..<tasks).allSatisfy { record.arguments.runs[$0] == rounds }, "\(tasks) tasks")
            #expect(record.arguments.faults.pointee == 0)
            if tasks > 0 { #expect((0..<threads).contains { record.arguments.threads[$0] == threadIdentifier() }, "the caller works too") }
        }
    }

    /// What a run wrote is seen by the next one, over very many short generations: each task adds one to what its neighbour
    /// left in the generation before, so a missed, doubled or late generation changes the end.
    @Test(arguments: [2, 4]) func generations(_ threads: Int) {
        struct Step: BitwiseCopyable {
            var from, to: UnsafeMutablePointer<Int>
        }
        let width = 4, pool = ThreadPool(count: threads)
        let memory = UnsafeMutablePointer<Int>.allocate(capacity: 2 * width)
        memory.initialize(repeating: 0, count: 2 * width)
        defer { memory.deallocate() }
        let rounds = 100_000
        for round in 0..<rounds {
            let a = memory + round % 2 * width, b = memory + (1 - round % 2) * width
            pool.run(width, Step(from: a, to: b)) { raw, task, _ in
                let step = raw!.load(as: Step.self)
                step.to[task] = step.from[(task + 1) % 4] + 1
            }
        }
        #expect((0..<width).allSatisfy { memory[rounds % 2 * width + $0] == rounds })
    }

    @Test("threads end with their pool") func teardown() {
        /// The kernel wakes who waits for a thread's end before it takes the thread out of /proc.
        func hasEnded(_ thread: Int32) -> Bool {
            (0..<1000).contains { _ in
                if !FileManager.default.fileExists(atPath: "/proc/self/task/\(thread)") { return true }
                usleep(1000)
                return false
            }
        }
        for _ in 0..<50 {
            let record = Record(tasks: 64, threads: 3)
            do {
                let pool = ThreadPool(count: 3)
                // Long enough for all threads to take part.
                pool.run(64, record.arguments) { raw, _, thread in
                    raw!.load(as: Arguments.self).threads[thread] = threadIdentifier()
                    usleep(50)
                }
            }
            for thread in 0..<3 where record.arguments.threads[thread] != 0 && record.arguments.threads[thread] != threadIdentifier() {
                #expect(hasEnded(record.arguments.threads[thread]))
            }
        }
    }

    @Test("a pool that never ran ends too") func idle() {
        for threads in 1...4 { _ = ThreadPool(count: threads) }
    }
}

/// Frees memory whose address somebody might have seen: otherwise the compiler leaves both calls out.
private func release(_ memory: UnsafeMutableRawPointer?) {
    lastReleased.store(UInt(bitPattern: memory), ordering: .relaxed)
    free(memory)
}
private let lastReleased = Atomic<UInt>(0)

/// The counter that shows that a step allocates nothing, and what it shows of the kernels.
@Suite struct AllocationTests {
    @Test("the counter sees this thread's allocations and those of the threads it starts") func counter() {
        malloc_count_start()
        // #expect itself allocates, so the counts are taken first.
        let none = malloc_count()
        release(malloc(10))
        let one = malloc_count()
        release(calloc(1, 10))
        release(realloc(malloc(10), 20))
        let four = malloc_count()
        var p: UnsafeMutableRawPointer?
        let status = posix_memalign(&p, 64, 100), address = UInt(bitPattern: p)
        release(p)
        release(aligned_alloc(128, 256))
        let six = malloc_count()
        #expect(none == 0 && one == 1 && four == 4 && six == 6 && status == 0 && address % 64 == 0)
        let before = malloc_count()
        let array = Array(0..<before + 1000), swift = malloc_count()
        #expect(array.count == before + 1000 && swift > before)

        // Threads started after the start count here; each of the pool's tasks allocates once.
        let pool = ThreadPool(count: 4), start = malloc_count()
        for _ in 0..<10 { pool.run(64, 0) { _, _, _ in release(malloc(1)) } }
        let after = malloc_count()
        #expect(after - start == 640)
    }

    @Test("other threads' allocations do not count") func isolation() {
        var thread = pthread_t()
        let stop = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
        stop.pointee = 0
        pthread_create(
            &thread, nil,
            { raw in
                for _ in 0..<10000 { release(malloc(8)) }
                return nil
            }, stop)
        malloc_count_start()
        for _ in 0..<1000 { sched_yield() }
        let count = malloc_count()
        pthread_join(thread, nil)
        stop.deallocate()
        #expect(count == 0)
    }

    @Test("no operation allocates", arguments: [1, 3]) func kernels(_ threads: Int) {
        let cases: [ConvolutionCase] = [
            ConvolutionCase(.winograd4, [20], [33], 13, 9, batch: 2), ConvolutionCase(.winograd4, [512], [528], 4, 4),
            ConvolutionCase(.winograd6, [20], [33], 130, 99, batch: 2), ConvolutionCase(.winograd6, [512], [528], 6, 4),
            ConvolutionCase(.upsampled, [20], [33], 5, 9, batch: 2), ConvolutionCase(.pointwise, [20], [33], 5, 9, batch: 2),
            ConvolutionCase(.gathered, [2], [33], 5, 9, batch: 2), ConvolutionCase(.gathered, [1], [33], 5, 9, batch: 2, kernel: (5, 5)),
            ConvolutionCase(.general, [20], [33], 5, 9, batch: 2, kernel: (5, 3)),
        ]
        for c in cases {
            // The pool's threads must start after the counter.
            malloc_count_start()
            let device = Device(threads: threads), plan = c.plan()
            let input = TestTensor(c.inputs, c.x), gradient = TestTensor(c.outputs, c.gradient)
            let output = TestTensor(c.outputs, batch: c.batch, height: c.outputHeight, width: c.outputWidth)
            let weights = c.storedWeights, bias = c.storedBias, scratch = TestMemory(plan.scratchCount(on: device))
            let w = TestMemory(plan.weightCount), b = TestMemory(c.outputs.blocks * 16)
            let relu = output.tensor, x = input.tensor, y = gradient.tensor
            func step() {
                plan.forward(
                    on: device, input: x, weights: weights.pointer, bias: bias.pointer, output: relu, relu: true, scratch: scratch.pointer)
                plan.weightGradient(
                    on: device, input: x, outputGradient: y, sample: c.batch - 1, weightGradient: w.pointer, biasGradient: b.pointer,
                    scratch: scratch.pointer)
                plan.inputGradient(
                    on: device, outputGradient: y, weights: weights.pointer, inputGradient: x, accumulate: true, mask: nil,
                    scratch: scratch.pointer)
            }
            withExtendedLifetime((input, gradient, output, weights, bias, scratch, w, b)) {
                // Once for what is initialised at its first use.
                step()
                let before = malloc_count()
                for _ in 0..<3 { step() }
                let after = malloc_count()
                #expect(after == before, "\(c.testDescription)")
            }
        }
    }

    @Test("no other operation allocates", arguments: [1, 3]) func elementwise(_ threads: Int) {
        malloc_count_start()
        let device = Device(threads: threads), layout = ChannelLayout(33)
        let a = TestTensor(layout, TestImages.random(layout, batch: 2, height: 9, width: 7, seed: 1))
        let b = TestTensor(layout, TestImages.random(layout, batch: 2, height: 9, width: 7, seed: 2))
        let c = TestTensor(layout, batch: 2, height: 4, width: 3), d = TestTensor(layout, batch: 2, height: 4, width: 3)
        let logits = TestTensor(ChannelLayout(1), batch: 1, height: 5, width: 5), labels = TestMemory([Float](repeating: 1, count: 25))
        let loss = Loss(crossEntropy: 1, dice: 1, focus: 2, classWeights: .balanced), workspace = LossWorkspace(channels: 1, height: 5)
        let flat = (0..<4).map { _ in TestMemory([Float](repeating: 0.5, count: 1 << 18)) }
        let x = a.tensor, y = b.tensor, pooled = c.tensor, pooledGradient = d.tensor, z = logits.tensor
        let (f0, f1, f2, f3) = (flat[0].pointer, flat[1].pointer, flat[2].pointer, flat[3].pointer)
        let dropout = Dropout(rate: 0.5, key: SIMD2(1, 2), ordinalWord: 3, firstPosition: 4)
        let check = BufferCheck(count: 1 << 18)
        func step() -> Double {
            MaxPooling.forward(on: device, input: x, output: pooled)
            MaxPooling.backward(
                on: device, input: x, output: pooled, outputGradient: pooledGradient, inputGradient: y, accumulate: true, mask: true)
            dropout.apply(on: device, x, to: y, mask: x)
            Elementwise.copy(on: device, x, to: y, accumulate: true, mask: x)
            Elementwise.add(on: device, f0, to: f1, count: 1 << 18)
            let checksum = Elementwise.adam(
                on: device, parameters: f0, gradients: f1, firstMoment: f2, secondMoment: f3, count: 1 << 18, learningRate: 1e-3,
                beta1: 0.9,
                beta2: 0.999, epsilon: 1e-8, step: 1, check: check)
            guard check.norm(on: device, f0).isFinite, check.checksum(on: device, f0) == checksum else { return .nan }
            return loss.evaluate(on: device, logits: z, target: labels.pointer, gradient: z, scale: 1, workspace: workspace).loss
        }
        withExtendedLifetime((a, b, c, d, logits, labels, flat)) {
            var loss = step()
            let before = malloc_count()
            for _ in 0..<3 { loss += step() }
            let after = malloc_count()
            #expect(after == before && loss.isFinite)
        }
    }
}
