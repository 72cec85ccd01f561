import CBLAS
import CSIMD

// Convolution of any kernel size: patches are copied into a matrix and multiplied by OpenBLAS, one call for each block
// of sixteen output channels. OpenBLAS runs on the calling thread alone; the parallel loop is ours.

/// One call's operands. `top` and `left` are the zeros in front of the input; height and width are the output's.
private struct PatchProduct {
    var input: UnsafePointer<Float>, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?, mask: UnsafePointer<Float>?
    var output: UnsafeMutablePointer<Float>, patches: UnsafeMutablePointer<Float>
    var inputStride, outputStride, maskStride, inputBlocks, outputBlocks, height, width, inputHeight, inputWidth: Int
    var kernelHeight, kernelWidth, top, left, rowsPerTask, tasksPerSample: Int
    var relu, accumulate: Bool

    var taps: Int { kernelHeight * kernelWidth }
    /// Columns of the patch matrix.
    var depth: Int { inputBlocks * taps * 16 }
    var patchCount: Int { rowsPerTask * width * depth }

    /// Copies the patches of rows [first, first + rows): element (block, tap, channel) of each pixel.
    func copyPatches(_ input: UnsafePointer<Float>, first: Int, rows: Int, to patches: UnsafeMutablePointer<Float>) {
        for y in first..<(first + rows) {
            for x in 0..<width {
                var target = patches + ((y - first) * width + x) * depth
                for block in 0..<inputBlocks {
                    for i in 0..<kernelHeight {
                        for j in 0..<kernelWidth {
                            let row = y + i - top, column = x + j - left
                            if row >= 0 && row < inputHeight && column >= 0 && column < inputWidth {
                                target.update(from: input + ((block * inputHeight + row) * inputWidth + column) * 16, count: 16)
                            } else {
                                target.update(repeating: 0, count: 16)
                            }
                            target += 16
                        }
                    }
                }
            }
        }
    }

    /// One band of rows of one sample.
    func run(_ task: Int, _ thread: Int) {
        let sample = task / tasksPerSample, first = task % tasksPerSample * rowsPerTask
        let rows = min(rowsPerTask, height - first), pixels = rows * width
        let matrix = patches + thread * patchCount
        copyPatches(input + sample * inputStride, first: first, rows: rows, to: matrix)
        for k in 0..<outputBlocks {
            let plane = (k * height + first) * width * 16
            let result = output + (sample * outputStride + plane)
            if let bias {
                for p in 0..<pixels { (result + p * 16).update(from: bias + k * 16, count: 16) }
            }
            cblas_sgemm(
                CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(pixels), 16, Int32(depth), 1, matrix, Int32(depth),
                weights + k * depth * 16,
                16, bias != nil || accumulate ? 1 : 0, result, 16)
            if relu {
                for i in 0..<(pixels * 16) { result[i] = max(result[i], 0) }
            }
            if let mask = mask.map({ $0 + (sample * maskStride + plane) }) {
                for i in 0..<(pixels * 16) where !(mask[i] > 0) { result[i] = 0 }
            }
        }
    }
}

/// Operands of the weight gradient's product over one band of rows.
private struct PatchGradient {
    var patches: PatchProduct
    var outputGradient: UnsafePointer<Float>, weightGradient: UnsafeMutablePointer<Float>, biasGradient: UnsafeMutablePointer<Float>?
    var first, rows: Int
}

extension Convolution {
    /// OpenBLAS must not start threads of its own inside our tasks.
    private static let oneThread: Void = openblas_set_num_threads(1)

    /// Rows whose patches are made at once: about 4 MiB of them, whatever the number of threads.
    private func bandRows(of image: Shape, depth: Int) -> Int { min(image.height, max(1, (1 << 20) / (depth * image.width))) }

    /// Whether the input is enlarged first: into scratch memory, where the plain convolution then finds it.
    private var upsamples: Bool { kind == .upsampling }
    private var enlarged: Convolution {
        Convolution(
            input: Shape(batch: input.batch, blocks: input.blocks, height: output.height, width: output.width),
            inputChannels: inputChannels, outputBlocks: output.blocks, kernelHeight: kernelHeight, kernelWidth: kernelWidth,
            algorithm: .general)
    }

    func generalScratchCount(threads: Int) -> Int {
        if upsamples { return enlarged.input.batch * enlarged.input.sampleCount + enlarged.generalScratchCount(threads: threads) }
        let taps = kernelHeight * kernelWidth * 16
        let forward = bandRows(of: output, depth: input.blocks * taps) * output.width * input.blocks * taps
        let backward = bandRows(of: input, depth: output.blocks * taps) * input.width * output.blocks * taps
        return weightCount + threads * max(forward, backward) + 1024
    }

    private func patchProduct(
        input: Tensor, output: Tensor, weights: UnsafePointer<Float>, flipped: Bool, patches: UnsafeMutablePointer<Float>
    ) -> PatchProduct {
        Convolution.oneThread
        let rows = bandRows(of: output.shape, depth: input.shape.blocks * kernelHeight * kernelWidth * 16)
        let (top, left) = padding
        return PatchProduct(
            input: input.pointer, weights: weights, bias: nil, mask: nil, output: output.pointer, patches: patches,
            inputStride: input.sampleStride, outputStride: output.sampleStride, maskStride: 0, inputBlocks: input.shape.blocks,
            outputBlocks: output.shape.blocks, height: output.shape.height, width: output.shape.width, inputHeight: input.shape.height,
            inputWidth: input.shape.width, kernelHeight: kernelHeight, kernelWidth: kernelWidth,
            top: flipped ? kernelHeight - 1 - top : top, left: flipped ? kernelWidth - 1 - left : left, rowsPerTask: rows,
            tasksPerSample: (output.shape.height + rows - 1) / rows, relu: false, accumulate: false)
    }

    func generalForward(
        on device: Device, input: Tensor, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?, output: Tensor, relu: Bool,
        scratch: UnsafeMutablePointer<Float>
    ) {
        if upsamples {
            let plan = enlarged, large = Tensor(scratch, plan.input)
            Upsampling.forward(on: device, input, to: large)
            return plan.generalForward(
                on: device, input: large, weights: weights, bias: bias, output: output, relu: relu,
                scratch: scratch + plan.input.batch * plan.input.sampleCount)
        }
        var product = patchProduct(input: input, output: output, weights: weights, flipped: false, patches: scratch)
        product.bias = bias
        product.relu = relu
        device.threads.run(product.tasksPerSample * input.shape.batch, product) { raw, task, thread in
            raw!.load(as: PatchProduct.self).run(task, thread)
        }
    }

    /// The same product with transposed, rotated weights and the zeros on the other side.
    func generalInputGradient(
        on device: Device, outputGradient: Tensor, weights: UnsafePointer<Float>, inputGradient: Tensor, accumulate: Bool, mask: Tensor?,
        scratch: UnsafeMutablePointer<Float>
    ) {
        if upsamples {
            let plan = enlarged, large = Tensor(scratch, plan.input)
            plan.generalInputGradient(
                on: device, outputGradient: outputGradient, weights: weights, inputGradient: large, accumulate: false, mask: nil,
                scratch: scratch + plan.input.batch * plan.input.sampleCount)
            return Upsampling.backward(on: device, large, to: inputGradient, accumulate: accumulate, mask: mask)
        }
        let taps = kernelHeight * kernelWidth, rotated = scratch
        for k in 0..<output.blocks {
            for c in 0..<input.blocks {
                for tap in 0..<taps {
                    let source = weights + ((k * input.blocks + c) * taps + tap) * 256
                    let target = rotated + ((c * output.blocks + k) * taps + taps - 1 - tap) * 256
                    for i in 0..<16 {
                        for j in 0..<16 { target[j * 16 + i] = source[i * 16 + j] }
                    }
                }
            }
        }
        var product = patchProduct(
            input: outputGradient, output: inputGradient, weights: rotated, flipped: true, patches: scratch + weightCount)
        product.mask = mask.map { UnsafePointer($0.pointer) }
        product.maskStride = mask?.sampleStride ?? 0
        product.accumulate = accumulate
        device.threads.run(product.tasksPerSample * input.batch, product) { raw, task, thread in
            raw!.load(as: PatchProduct.self).run(task, thread)
        }
    }

    func generalWeightGradient(
        on device: Device, input: Tensor, outputGradient: Tensor, weightGradient: UnsafeMutablePointer<Float>,
        biasGradient: UnsafeMutablePointer<Float>?, scratch: UnsafeMutablePointer<Float>
    ) {
        if upsamples {
            let plan = enlarged
            let large = Tensor(scratch, Shape(batch: 1, blocks: plan.input.blocks, height: plan.input.height, width: plan.input.width))
            Upsampling.forward(on: device, input, to: large)
            return plan.generalWeightGradient(
                on: device, input: large, outputGradient: outputGradient, weightGradient: weightGradient, biasGradient: biasGradient,
                scratch: scratch + plan.input.batch * plan.input.sampleCount)
        }
        let product = patchProduct(input: input, output: outputGradient, weights: scratch, flipped: false, patches: scratch)
        // Bands of rows in order, so that the sum does not depend on threads; within a band, one task for each output block.
        var first = 0
        while first < output.height {
            let rows = min(product.rowsPerTask, output.height - first)
            let call = PatchGradient(
                patches: product, outputGradient: outputGradient.pointer, weightGradient: weightGradient, biasGradient: biasGradient,
                first: first, rows: rows)
            device.threads.run(rows, call) { raw, row, _ in
                let call = raw!.load(as: PatchGradient.self), p = call.patches
                p.copyPatches(p.input, first: call.first + row, rows: 1, to: p.patches + row * p.width * p.depth)
            }
            device.threads.run(output.blocks, call) { raw, k, _ in
                let call = raw!.load(as: PatchGradient.self), p = call.patches
                let pixels = call.rows * p.width
                let gradient = call.outputGradient + (k * p.height + call.first) * p.width * 16
                cblas_sgemm(
                    CblasRowMajor, CblasTrans, CblasNoTrans, Int32(p.depth), 16, Int32(pixels), 1, p.patches, Int32(p.depth), gradient, 16,
                    call.first > 0 ? 1 : 0, call.weightGradient + k * p.depth * 16, 16)
                guard let bias = call.biasGradient.map({ $0 + k * 16 }) else { return }
                for lane in 0..<16 {
                    var sum: Float = 0
                    for i in 0..<pixels { sum += gradient[i * 16 + lane] }
                    bias[lane] = call.first > 0 ? bias[lane] + sum : sum
                }
            }
            first += rows
        }
    }
}
