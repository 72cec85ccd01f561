import Imaging
import Kernels
import Model

/// A rank's samples of one step, read and augmented by the rank's threads.
final class SampleBatch: @unchecked Sendable {
    /// The samples loaded last.
    private(set) var samples: [Sample] = []
    private let loader: SampleLoader
    private let network: Network
    private let imageCount: Int
    private let images: UnsafeMutableBufferPointer<Float>
    /// Written by one thread each.
    private let failures: UnsafeMutableBufferPointer<(any Error)?>

    /// Room for the local batch of `network`.
    init(loader: SampleLoader, network: Network) {
        self.loader = loader
        self.network = network
        imageCount = network.inputShape.channels * network.inputShape.height * network.inputShape.width
        images = .allocate(capacity: network.batch * imageCount)
        failures = .allocate(capacity: network.batch)
        failures.initialize(repeating: nil)
    }

    deinit {
        images.deallocate()
        failures.deinitialize()
        failures.deallocate()
    }

    /// Loads the samples into the network's input and targets. Throws the first failure in the order of the samples.
    func load(_ samples: [Sample]) throws {
        precondition(samples.count == network.batch, "SampleBatch: \(samples.count) samples for a batch of \(network.batch)")
        self.samples = samples
        withExtendedLifetime(self) {
            network.device.threads.run(samples.count, Unmanaged.passUnretained(self)) { arguments, index, _ in
                arguments!.load(as: Unmanaged<SampleBatch>.self)._withUnsafeGuaranteedRef { $0.load(index) }
            }
        }
        for index in samples.indices {
            if let failure = failures[index] { throw failure }
            network.setInput(sample: index, images.baseAddress! + index * imageCount)
        }
    }

    private func load(_ index: Int) {
        do {
            let image = UnsafeMutableBufferPointer(rebasing: images[index * imageCount..<(index + 1) * imageCount])
            try loader.load(samples[index], image: image, label: network.target(sample: index))
        } catch { failures[index] = error }
    }
}
