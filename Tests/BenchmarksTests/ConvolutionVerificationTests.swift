import Benchmarks
import CSIMD
import Kernels
import KernelsBaseline
import Model
import Testing

/// The comparison of single results of a convolution with double precision.
@Suite struct ConvolutionVerificationTests {
    private static let layers = "20x33@9x13,16x16@4,2x16@10x6,3x5@7/k5,33x4@6x5/k1,24x17@12x6/up,8x8@6/k4"

    private func operands(_ text: String, batch: Int = 2, masked: Bool = false, on device: Device = Device()) throws -> ConvolutionOperands
    {
        let (name, output) = try ConvolutionLayerList(text).layers[0]
        let layer = Network(output, purpose: .inference(batch: batch), device: device).layers[1]
        return ConvolutionOperands(BenchmarkedConvolution(name: name, layer: layer, hasInputGradient: true, isMasked: masked), on: device)
    }

    @Test(arguments: layers.split(separator: ",").map(String.init), [false, true])
    func accepts(_ text: String, _ masked: Bool) throws {
        for set in InstructionSet.allCases where set <= .best {
            let operands = try operands(text, masked: masked, on: Device(threads: 2, instructionSet: set))
            let verification = ConvolutionVerification(operands)
            operands.forward()
            operands.computeInputGradient()
            operands.computeWeightGradient()
            for error in [try verification.forwardError(), try verification.inputGradientError(), try verification.weightGradientError()] {
                #expect(error > 0 && error < 1e-5, "\(set) \(error)")
            }
        }
    }

    /// One wrong number in a corner is found in each pass, and so is what is no number.
    @Test(arguments: [Float(1e3), .nan]) func refusesOneWrongResult(_ wrong: Float) throws {
        let operands = try operands("20x33@9x13", batch: 1), verification = ConvolutionVerification(operands)
        operands.forward()
        operands.computeInputGradient()
        operands.computeWeightGradient()
        func refuses(_ place: UnsafeMutablePointer<Float>, _ pass: String, _ check: () throws -> Double) throws {
            let right = place.pointee
            place.pointee = wrong
            let error = #expect(throws: BenchmarkError.self) { _ = try check() }
            #expect(error?.exitStatus == 70 && error?.description.contains("20x33@9x13, \(pass) by winograd") == true, "\(error as Any)")
            place.pointee = right
            #expect(try check() < 1e-5)
        }
        // The last pixel of the first channel, the first of the last one (33: lane 0 of the third block).
        let pixels = 9 * 13
        try refuses(operands.output.pointer + (pixels - 1) * 16, "forward", verification.forwardError)
        try refuses(operands.output.pointer + 2 * pixels * 16, "forward", verification.forwardError)
        try refuses(operands.inputGradient.pointer + (pixels - 1) * 16, "input gradient", verification.inputGradientError)
        try refuses(operands.weightGradient, "weight gradient", verification.weightGradientError)
        try refuses(operands.biasGradient + 32, "bias gradient", verification.weightGradientError)
    }

    @Test func refusesWrongKernels() throws {
        var kernels = kernelsBaseline
        kernels.winograd4 = { _, _, _ in }
        kernels.upsampledGradientProduct = { _, _, _ in }
        let device = Device(threads: 1, instructionSet: .baseline, kernels: kernels)
        let first = try operands("16x16@8", on: device), second = try operands("16x16@8/up", on: device)
        first.forward()
        second.computeWeightGradient()
        #expect(throws: BenchmarkError.self) { _ = try ConvolutionVerification(first).forwardError() }
        #expect(throws: BenchmarkError.self) { _ = try ConvolutionVerification(second).weightGradientError() }
    }

    @Test func readsTheNotation() throws {
        let layers = try ConvolutionLayerList("64x128@256,3x5@192x256/k5,8x4@32x16/up,7x9@5/k1").layers
        #expect(layers.map(\.name) == ["64x128@256", "3x5@192x256/k5", "8x4@32x16/up", "7x9@5/k1"])
        #expect(layers.map(\.output.shape.description) == ["128 × 256 × 256", "5 × 192 × 256", "4 × 32 × 16", "9 × 5 × 5"])
        #expect(layers.map { $0.output.inputs[0].shape.description } == ["64 × 256 × 256", "3 × 192 × 256", "8 × 16 × 8", "7 × 5 × 5"])
        #expect(
            layers.map(\.output.layer.kind) == ["Conv2D 3×3", "Conv2D 5×5", "Upsampling ×2 + Conv2D 2×2", "Conv2D 1×1"])
    }

    @Test(
        arguments: [
            "", "64x64", "64@3", "64x64@", "0x4@8", "4x4@0", "4x4@8x8x8", "4x4x4@8", "4x4@7/up", "4x4@8/k0", "4x4@8/k", "4x4@8/5",
            "4x4@8/k3/up",
            "4x4@8,", "4x4@8@8", "axb@8",
        ])
    func refusesOtherNotation(_ text: String) {
        let error = #expect(throws: BenchmarkError.self) { _ = try ConvolutionLayerList(text) }
        #expect(error?.exitStatus == 64 && error?.description.hasPrefix("--layers ") == true, "\(error as Any)")
    }
}
