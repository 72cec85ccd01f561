import Glibc
import Imaging
import Kernels
import Model
import Synchronization

/// A rank's samples of one step. A thread of its own reads and augments those of the next step while the network computes; when
/// they are not ready in time, and at the first step, the rank's threads help.
///
/// Images and labels wait in memory of their own until `load` hands them to the network, whose input and targets are the second set.
package final class SampleBatch: @unchecked Sendable {
    /// The samples that the network holds.
    package private(set) var samples: [Sample] = []
    /// Where the samples come from.
    package var dataset: SliceDataset { loader.dataset }
    private let loader: SampleLoader
    private let network: Network
    private let imageCount, labelCount: Int
    /// Of a sample's label, what the network puts out, and where it begins.
    private let outputHeight, outputWidth, margin: Int
    private let images, labels: UnsafeMutableBufferPointer<Float>
    private let borderWeights: BorderWeights?
    /// The labels' border weights; empty without them.
    private let weights: UnsafeMutableBufferPointer<Float>

    // The samples being prepared. Written by `prepare` while the thread rests; after that each element of `failures` belongs to who took
    // the sample of its number from `next`.
    private var prepared: [Sample] = []
    private let next = Atomic<Int>(Int.max)
    private let failures: UnsafeMutableBufferPointer<(any Error)?>

    /// What the thread does, guarded by `mutex`.
    private var state = State.resting
    private enum State { case resting, loading, ending }
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var thread = pthread_t()

    /// Room for the local batch of `network`, whose loss has weights by place if there are border weights.
    package init(loader: SampleLoader, network: Network, borderWeights: BorderWeights? = nil) {
        precondition(
            network.loss.hasPixelWeights == (borderWeights != nil), "SampleBatch: border weights for a loss without, or the reverse")
        self.borderWeights = borderWeights
        self.loader = loader
        self.network = network
        imageCount = network.inputShape.channels * network.inputShape.height * network.inputShape.width
        labelCount = network.inputShape.height * network.inputShape.width
        (outputHeight, outputWidth) = (network.outputShape.height, network.outputShape.width)
        margin = (network.inputShape.height - network.outputShape.height) / 2
        images = .allocate(capacity: network.batch * imageCount)
        labels = .allocate(capacity: network.batch * labelCount)
        weights = .allocate(capacity: borderWeights == nil ? 0 : labels.count)
        failures = .allocate(capacity: network.batch)
        failures.initialize(repeating: nil)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
        // The thread does not keep this alive: `deinit` ends it.
        let status = pthread_create(
            &thread, nil,
            { raw in
                Unmanaged<SampleBatch>.fromOpaque(raw!)._withUnsafeGuaranteedRef { $0.work() }
                return nil
            }, Unmanaged.passUnretained(self).toOpaque())
        if status != 0 { fatalError("SampleBatch: cannot start the loading thread: \(String(cString: strerror(status)))") }
    }

    deinit {
        // A sample that is being made is finished, no other is begun.
        next.store(Int.max, ordering: .relaxed)
        locked {
            state = .ending
            pthread_cond_broadcast(condition)
        }
        pthread_join(thread, nil)
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(condition)
        mutex.deallocate()
        condition.deallocate()
        images.deallocate()
        labels.deallocate()
        weights.deallocate()
        failures.deinitialize()
        failures.deallocate()
    }

    /// Bytes of the samples that wait.
    package var memoryBytes: Int { 4 * (images.count + labels.count + weights.count) }

    /// Begins to read and augment the samples that the next `load` will ask for. What fails, fails there.
    package func prepare(_ samples: [Sample]) {
        precondition(samples.count == network.batch, "SampleBatch: \(samples.count) samples for a batch of \(network.batch)")
        rest()
        for index in failures.indices { failures[index] = nil }
        prepared = samples
        next.store(0, ordering: .relaxed)
        locked {
            state = .loading
            pthread_cond_broadcast(condition)
        }
    }

    /// Puts the samples into the network's input and targets. Throws the first failure in the order of the samples.
    package func load(_ samples: [Sample]) throws {
        if samples != prepared { prepare(samples) }
        withExtendedLifetime(self) {
            network.device.threads.run(network.device.threads.count, Unmanaged.passUnretained(self)) { arguments, _, _ in
                arguments!.load(as: Unmanaged<SampleBatch>.self)._withUnsafeGuaranteedRef { $0.loadWhatIsLeft() }
            }
        }
        rest()
        self.samples = samples
        prepared = []
        for index in samples.indices {
            if let failure = failures[index] { throw failure }
            network.setInput(sample: index, images.baseAddress! + index * imageCount)
            crop(labels, index, to: network.target(sample: index))
            if borderWeights != nil { crop(weights, index, to: network.pixelWeights(sample: index)!) }
        }
    }

    /// The part of sample `index` of `planes` that the network puts out.
    private func crop(_ planes: UnsafeMutableBufferPointer<Float>, _ index: Int, to output: UnsafeMutableBufferPointer<Float>) {
        let source = planes.baseAddress! + index * labelCount, width = outputWidth + 2 * margin
        for row in 0..<outputHeight {
            (output.baseAddress! + row * outputWidth).update(from: source + (margin + row) * width + margin, count: outputWidth)
        }
    }

    /// Takes samples from the list until it is empty.
    private func loadWhatIsLeft() {
        while true {
            let index = next.load(ordering: .relaxed)
            if index >= prepared.count { return }
            if next.compareExchange(expected: index, desired: index + 1, ordering: .relaxed).exchanged { load(index) }
        }
    }

    private func load(_ index: Int) {
        let pixels = index * labelCount..<(index + 1) * labelCount, label = UnsafeMutableBufferPointer(rebasing: labels[pixels])
        do {
            try loader.load(
                prepared[index], image: UnsafeMutableBufferPointer(rebasing: images[index * imageCount..<(index + 1) * imageCount]),
                label: label)
            borderWeights?.compute(
                label: UnsafeBufferPointer(label), height: loader.sampleHeight, width: loader.sampleWidth,
                into: UnsafeMutableBufferPointer(rebasing: weights[pixels]))
        } catch { failures[index] = error }
    }

    // MARK: The thread

    private func locked(_ body: () -> Void) {
        pthread_mutex_lock(mutex)
        body()
        pthread_mutex_unlock(mutex)
    }

    /// Waits until the thread is at nothing.
    private func rest() {
        locked { while state == .loading { pthread_cond_wait(condition, mutex) } }
    }

    private func work() {
        while true {
            locked { while state == .resting { pthread_cond_wait(condition, mutex) } }
            // What `prepare` wrote before is seen through the mutex. The state leaves `loading` here alone, or for `ending`, for good.
            loadWhatIsLeft()
            var ends = false
            locked {
                if state == .ending { ends = true } else { state = .resting }
                pthread_cond_broadcast(condition)
            }
            if ends { return }
        }
    }
}
