import CSIMD

/// 2 × 2 maximum pooling with stride 2. An odd last row or column is dropped, as in PyTorch and Keras ("valid").
public enum MaxPooling {
    /// The shape after pooling.
    public static func outputShape(_ input: Shape) -> Shape {
        Shape(batch: input.batch, blocks: input.blocks, height: input.height / 2, width: input.width / 2)
    }

    /// output = the maximum of each 2 × 2 window.
    public static func forward(on device: Device, input: Tensor, output: Tensor) {
        precondition(output.shape == outputShape(input.shape), "MaxPooling: \(input.shape) to \(output.shape)")
        var a = csimd_pooling()
        a.input = UnsafePointer(input.pointer)
        a.result = output.pointer
        a.inputStride = input.sampleStride
        a.resultStride = output.sampleStride
        a.blocks = input.shape.blocks
        a.height = input.shape.height
        a.width = input.shape.width
        device.threads.run(input.shape.batch * input.shape.blocks, a, device.kernels.pooling)
    }

    /// inputGradient (+)= the gradient, given to the first element in row order that equals the window's maximum.
    /// With `mask`, it is zeroed where the input is not positive (the input being the output of a ReLU).
    public static func backward(
        on device: Device, input: Tensor, output: Tensor, outputGradient: Tensor, inputGradient: Tensor, accumulate: Bool, mask: Bool
    ) {
        precondition(
            output.shape == outputShape(input.shape) && outputGradient.shape == output.shape && inputGradient.shape == input.shape,
            "MaxPooling: \(input.shape), \(output.shape), gradients \(inputGradient.shape), \(outputGradient.shape)")
        var a = csimd_pooling()
        a.input = UnsafePointer(input.pointer)
        a.output = UnsafePointer(output.pointer)
        a.outputGradient = UnsafePointer(outputGradient.pointer)
        a.result = inputGradient.pointer
        a.inputStride = input.sampleStride
        a.outputStride = output.sampleStride
        a.gradientStride = outputGradient.sampleStride
        a.resultStride = inputGradient.sampleStride
        a.blocks = input.shape.blocks
        a.height = input.shape.height
        a.width = input.shape.width
        a.accumulate = accumulate
        a.mask = mask
        device.threads.run(input.shape.batch * input.shape.blocks, a, device.kernels.poolingGradient)
    }
}
