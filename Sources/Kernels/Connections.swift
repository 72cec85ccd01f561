import CSIMD

/// What connects the branches of a network: sums, gates and the cutting of borders.
public enum Connections {
    /// result = first + second, rectified with `relu`. May be the memory of either.
    public static func sum(on device: Device, _ first: Tensor, _ second: Tensor, to result: Tensor, relu: Bool) {
        precondition(
            first.shape == result.shape && second.shape == result.shape, "sum: \(first.shape) and \(second.shape) to \(result.shape)")
        var a = csimd_sum()
        a.first = UnsafePointer(first.pointer)
        a.second = UnsafePointer(second.pointer)
        a.result = result.pointer
        (a.firstStride, a.secondStride, a.resultStride) = (first.sampleStride, second.sampleStride, result.sampleStride)
        (a.blocks, a.pixels, a.relu) = (result.shape.blocks, result.shape.pixels, relu)
        device.threads.run(result.shape.batch * result.shape.blocks, a, device.kernels.sum)
    }

    private static func arguments(_ input: Tensor, _ gate: Tensor) -> csimd_gate {
        precondition(
            gate.shape == Shape(batch: input.shape.batch, blocks: 1, height: input.shape.height, width: input.shape.width),
            "gate: \(gate.shape) for \(input.shape)")
        var a = csimd_gate()
        a.input = UnsafePointer(input.pointer)
        a.gate = UnsafePointer(gate.pointer)
        (a.inputStride, a.gateStride) = (input.sampleStride, gate.sampleStride)
        (a.blocks, a.pixels) = (input.shape.blocks, input.shape.pixels)
        a.piece = 1024
        a.pieces = (a.pixels + a.piece - 1) / a.piece
        return a
    }

    /// output = input · σ(gate): every channel of a pixel is multiplied by the sigmoid of channel 0 of `gate`, a tensor of one block.
    public static func gate(on device: Device, _ input: Tensor, by gate: Tensor, to output: Tensor) {
        precondition(output.shape == input.shape, "gate: \(input.shape) to \(output.shape)")
        var a = arguments(input, gate)
        a.result = output.pointer
        a.resultStride = output.sampleStride
        device.threads.run(input.shape.batch * a.pieces, a, device.kernels.gate)
    }

    /// Where one of the gate's two gradients goes.
    public struct GateGradient {
        /// The gradient's memory.
        public var tensor: Tensor
        /// Add to what is there.
        public var accumulate: Bool
        /// Zero it where the value it belongs to is not positive (the output of a ReLU).
        public var mask: Bool

        /// A place for a gradient.
        public init(_ tensor: Tensor, accumulate: Bool, mask: Bool) {
            (self.tensor, self.accumulate, self.mask) = (tensor, accumulate, mask)
        }
    }

    /// The gradients with respect to `input` and `gate`, where they are wanted.
    public static func gateGradient(
        on device: Device, _ input: Tensor, by gate: Tensor, outputGradient: Tensor, ofInput: GateGradient?, ofGate: GateGradient?
    ) {
        precondition(
            outputGradient.shape == input.shape && ofInput?.tensor.shape ?? input.shape == input.shape
                && ofGate?.tensor.shape ?? gate.shape == gate.shape, "gate: \(input.shape), gradient \(outputGradient.shape)")
        var a = arguments(input, gate)
        a.outputGradient = UnsafePointer(outputGradient.pointer)
        a.gradientStride = outputGradient.sampleStride
        if let ofInput {
            a.inputGradient = ofInput.tensor.pointer
            (a.inputGradientStride, a.accumulateInput, a.maskInput) = (ofInput.tensor.sampleStride, ofInput.accumulate, ofInput.mask)
        }
        if let ofGate {
            a.gateGradient = ofGate.tensor.pointer
            (a.gateGradientStride, a.accumulateGate, a.maskGate) = (ofGate.tensor.sampleStride, ofGate.accumulate, ofGate.mask)
        }
        device.threads.run(input.shape.batch * a.pieces, a, device.kernels.gateGradient)
    }

    private static func arguments(large: Tensor, small: Tensor) -> csimd_crop {
        precondition(
            large.shape.batch == small.shape.batch && large.shape.blocks == small.shape.blocks && large.shape.height >= small.shape.height
                && large.shape.width >= small.shape.width, "crop: \(large.shape) to \(small.shape)")
        var a = csimd_crop()
        a.blocks = small.shape.blocks
        (a.height, a.width, a.largeHeight, a.largeWidth) = (small.shape.height, small.shape.width, large.shape.height, large.shape.width)
        (a.top, a.left) = ((a.largeHeight - a.height) / 2, (a.largeWidth - a.width) / 2)
        return a
    }

    /// output = the middle of input; of an odd border the smaller half is above and to the left.
    public static func crop(on device: Device, _ input: Tensor, to output: Tensor) {
        var a = arguments(large: input, small: output)
        a.source = UnsafePointer(input.pointer)
        a.result = output.pointer
        (a.sourceStride, a.resultStride) = (input.sampleStride, output.sampleStride)
        device.threads.run(output.shape.batch * output.shape.blocks, a, device.kernels.crop)
    }

    /// inputGradient (+)= outputGradient with zeros around it; zeroed where `mask` is not positive.
    public static func cropGradient(
        on device: Device, _ outputGradient: Tensor, to inputGradient: Tensor, accumulate: Bool, mask: Tensor?
    ) {
        precondition(mask?.shape ?? inputGradient.shape == inputGradient.shape, "crop: mask \(mask!.shape) for \(inputGradient.shape)")
        var a = arguments(large: inputGradient, small: outputGradient)
        a.source = UnsafePointer(outputGradient.pointer)
        a.result = inputGradient.pointer
        a.mask = mask.map { UnsafePointer($0.pointer) }
        (a.sourceStride, a.resultStride, a.maskStride) = (outputGradient.sampleStride, inputGradient.sampleStride, mask?.sampleStride ?? 0)
        a.accumulate = accumulate
        device.threads.run(inputGradient.shape.batch * inputGradient.shape.blocks, a, device.kernels.cropGradient)
    }
}
