import Benchmarks
import CSIMD
import Kernels
import KernelsBaseline
import Training
import Testing

/// The comparison with double precision that comes before a network is timed.
@Suite struct NetworkVerificationTests {
    private func configuration(_ architecture: String) -> TrainingConfiguration {
        var configuration = BenchmarkSettings.defaults()
        (configuration.architecture, configuration.baseChannels, configuration.depth) = (architecture, 4, 2)
        return configuration
    }

    /// A device whose kernels are those of the baseline but for what `change` does to them.
    private func device(_ change: (inout csimd_kernels) -> Void) -> Device {
        var kernels = kernelsBaseline
        change(&kernels)
        return Device(threads: 1, instructionSet: .baseline, kernels: kernels)
    }

    @Test(arguments: ["unet", "unet-keras"], InstructionSet.allCases.filter { $0 <= .best })
    func accepts(_ architecture: String, _ instructionSet: InstructionSet) throws {
        let device = Device(threads: 2, instructionSet: instructionSet)
        let training = try NetworkVerification(configuration(architecture), training: true, device: device)
        let gradient = try #require(training.gradient)
        // The tolerance is far from what is right.
        #expect(training.logits > 0 && training.logits < NetworkVerification.tolerance / 5, "\(training)")
        #expect(gradient > 0 && gradient < NetworkVerification.tolerance / 5, "\(training)")
        let prediction = try NetworkVerification(configuration(architecture), training: false, device: device)
        #expect(prediction.gradient == nil && prediction.logits == training.logits)
    }

    private func refusal(_ device: Device, training: Bool = true) -> BenchmarkError? {
        #expect(throws: BenchmarkError.self) {
            _ = try NetworkVerification(configuration("unet-keras"), training: training, device: device)
        }
    }

    @Test func refusesAWrongForwardPass() throws {
        let wrong = device { $0.pooling = { _, _, _ in } }
        for training in [true, false] {
            let error = try #require(refusal(wrong, training: training))
            #expect(error.exitStatus == 70 && error.description.contains("logits off by "), "\(error)")
            #expect(error.description.contains("gradient off by ") == training, "\(error)")
            #expect(error.description.contains("nothing was timed") && error.description.contains("allowed is 1.0e-04"), "\(error)")
        }
    }

    /// Each leaves out one kind of work in the backward pass.
    @Test(arguments: ["winograd weight gradient", "upsampled input gradient", "pooling gradient", "pointwise weight gradient"])
    func refusesAWrongGradient(_ what: String) throws {
        let wrong = device {
            switch what {
            case "winograd weight gradient": $0.winograd4GradientProduct = { _, _, _ in }
            case "upsampled input gradient": $0.upsampledInput = { _, _, _ in }
            case "pooling gradient": $0.poolingGradient = { _, _, _ in }
            default: $0.pointwiseGradientProduct = { _, _, _ in }
            }
        }
        // The forward pass is right.
        _ = try NetworkVerification(configuration("unet-keras"), training: false, device: wrong)
        let error = try #require(refusal(wrong))
        #expect(error.kind == .wrong && error.description.contains("gradient off by "), "\(error)")
    }
}
