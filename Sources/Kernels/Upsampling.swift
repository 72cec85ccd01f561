/// Nearest-neighbour upsampling by 2 as a step of its own, for the convolution that does without the combined kernels.
enum Upsampling {
    /// Each pixel of `input` four times.
    static func forward(on device: Device, _ input: Tensor, to output: Tensor) {
        let call = UpsamplingCall(
            source: input.pointer, mask: nil, result: output.pointer, sourceStride: input.sampleStride, maskStride: 0,
            resultStride: output.sampleStride, blocks: input.shape.blocks, height: input.shape.height, width: input.shape.width,
            accumulate: false)
        device.threads.run(input.shape.batch * input.shape.blocks, call) { raw, task, _ in
            let call = raw!.load(as: UpsamplingCall.self), sample = task / call.blocks, block = task % call.blocks
            let source = vectors(call.source + sample * call.sourceStride) + block * call.height * call.width
            let result = vectors(call.result + sample * call.resultStride) + block * 4 * call.height * call.width
            for y in 0..<(2 * call.height) {
                for x in 0..<(2 * call.width) { result[y * 2 * call.width + x] = source[y / 2 * call.width + x / 2] }
            }
        }
    }

    /// The adjoint: (+)= the sum of each pixel's four copies, in row order, zeroed where `mask` is not positive.
    static func backward(on device: Device, _ outputGradient: Tensor, to inputGradient: Tensor, accumulate: Bool, mask: Tensor?) {
        let call = UpsamplingCall(
            source: outputGradient.pointer, mask: mask.map { UnsafePointer($0.pointer) }, result: inputGradient.pointer,
            sourceStride: outputGradient.sampleStride, maskStride: mask?.sampleStride ?? 0, resultStride: inputGradient.sampleStride,
            blocks: inputGradient.shape.blocks, height: inputGradient.shape.height, width: inputGradient.shape.width,
            accumulate: accumulate)
        device.threads.run(inputGradient.shape.batch * inputGradient.shape.blocks, call) { raw, task, _ in
            let call = raw!.load(as: UpsamplingCall.self), sample = task / call.blocks, block = task % call.blocks
            let plane = block * call.height * call.width, row = 2 * call.width
            let source = vectors(call.source + sample * call.sourceStride) + 4 * plane
            let result = vectors(call.result + sample * call.resultStride) + plane
            let mask = call.mask.map { vectors($0 + sample * call.maskStride) + plane }
            for y in 0..<call.height {
                for x in 0..<call.width {
                    let corner = source + (2 * y * row + 2 * x), pixel = y * call.width + x
                    var sum = ((corner[0] + corner[1]) + corner[row]) + corner[row + 1]
                    if call.accumulate { sum += result[pixel] }
                    if let mask { sum.replace(with: 0, where: .!(mask[pixel] .> 0)) }
                    result[pixel] = sum
                }
            }
        }
    }
}

private struct UpsamplingCall {
    var source: UnsafePointer<Float>, mask: UnsafePointer<Float>?, result: UnsafeMutablePointer<Float>
    var sourceStride, maskStride, resultStride, blocks: Int
    /// Of the small image.
    var height, width: Int
    var accumulate: Bool
}

private func vectors(_ p: UnsafePointer<Float>) -> UnsafePointer<SIMD16<Float>> {
    UnsafeRawPointer(p).assumingMemoryBound(to: SIMD16<Float>.self)
}
private func vectors(_ p: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<SIMD16<Float>> {
    UnsafeMutableRawPointer(p).assumingMemoryBound(to: SIMD16<Float>.self)
}
