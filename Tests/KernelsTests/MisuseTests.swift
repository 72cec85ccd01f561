import Kernels
import Testing

/// Shapes that do not fit are bugs of the caller and end the program before anything is written.
@Suite struct MisuseTests {
    @Test func misalignedTensor() async {
        await #expect(processExitsWith: .failure) {
            let memory = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 64)
            _ = Tensor((memory + 4).assumingMemoryBound(to: Float.self), Shape(batch: 1, blocks: 1, height: 1, width: 1))
        }
    }

    @Test func unfitAlgorithm() async {
        await #expect(processExitsWith: .failure) {
            _ = Convolution(
                input: Shape(batch: 1, blocks: 1, height: 4, width: 4), inputChannels: 16, outputBlocks: 1, kernelHeight: 5, kernelWidth: 5,
                algorithm: .winograd4)
        }
    }

    @Test func wrongShape() async {
        await #expect(processExitsWith: .failure) {
            let plan = Convolution(
                input: Shape(batch: 1, blocks: 1, height: 4, width: 4), inputChannels: 16, outputBlocks: 1, kernelHeight: 1, kernelWidth: 1)
            let memory = Arena(count: 1 << 20), device = Device()
            let input = Tensor(memory.pointer, Shape(batch: 1, blocks: 1, height: 4, width: 5)),
                output = Tensor(memory.pointer + 65536, plan.output)
            plan.forward(
                on: device, input: input, weights: memory.pointer, bias: memory.pointer, output: output, relu: false,
                scratch: memory.pointer + 131072)
        }
    }
}
