import DataParallel
import Kernels
import Model
import Training

/// Times the kernels one by one: every convolution of a network (each shape once) or those of a list, in the three passes of a training
/// step, and the rest of a step's kernels. Under a launcher all ranks compute the same at the same time.
public enum KernelBenchmark {
    /// What to measure.
    public enum Subject: Sendable {
        /// All kernels of the settings' network.
        case network
        /// Convolutions of one's own.
        case layers(ConvolutionLayerList)
    }

    /// Verifies every convolution, then times it. A collective.
    ///
    /// Throws `BenchmarkError` (`wrong`) when a result is wrong.
    public static func run(_ settings: BenchmarkSettings, _ subject: Subject, communicator: Communicator) throws -> Report {
        let configuration = settings.configuration(ranks: communicator.count)
        let partition = try communicator.agree("sharing the batch") {
            try BatchPartition(batch: configuration.batchSize, ranks: communicator.count)
        }
        let batch = partition.range(of: 0).count
        let machine = try BenchmarkMachine(communicator, threads: configuration.threads)
        let device = machine.plan.device
        let convolutions = try communicator.agree("building the layers") { () -> [BenchmarkedConvolution] in
            guard case .layers(let list) = subject else { return distinct(try network(configuration, settings, batch, device).layers) }
            return list.layers.map { name, output in
                let layers = Network(
                    output, purpose: .inference(batch: batch), device: device, convolution: configuration.convolutionMethod
                ).layers
                return BenchmarkedConvolution(name: name, layer: layers[layers.count - 1], hasInputGradient: true, isMasked: false)
            }
        }
        var layers: [LayerResult] = []
        for convolution in convolutions {
            layers.append(try measure(convolution, settings.repetitions, device, communicator))
        }
        var others: [MemoryBoundKernels.Result] = []
        if case .network = subject {
            let network = try communicator.agree("building the network") { try self.network(configuration, settings, batch, device) }
            let kernels = MemoryBoundKernels(
                channels: configuration.baseChannels, height: network.outputShape.height, width: network.outputShape.width, batch: batch,
                parameters: network.arenaCount, device: device)
            others = try kernels.measure(settings.repetitions, communicator)
        }
        return Report(machine: machine, layers: layers, others: others)
    }

    /// Only its plans are of interest: its memory is not touched.
    private static func network(
        _ configuration: TrainingConfiguration, _ settings: BenchmarkSettings, _ batch: Int, _ device: Device
    ) throws -> Network {
        let graph = try Network.graph(configuration, channels: 1, height: settings.size.height, width: settings.size.width)
        return Network(graph, purpose: .inference(batch: batch), device: device, convolution: configuration.convolutionMethod)
    }

    private static func distinct(_ layers: [LayerDescription]) -> [BenchmarkedConvolution] {
        var seen: Set<String> = [], result: [BenchmarkedConvolution] = []
        for layer in layers where layer.convolution != nil {
            let one = BenchmarkedConvolution(
                name: layer.name, layer: layer, hasInputGradient: layer.needsInputGradient,
                isMasked: layer.needsInputGradient && layer.isInputRectified)
            if seen.insert("\(layer.inputs[0]) \(layer.output) \(one.kernel) \(one.hasInputGradient)").inserted { result.append(one) }
        }
        return result
    }

    private static func measure(
        _ convolution: BenchmarkedConvolution, _ repetitions: Repetitions, _ device: Device, _ communicator: Communicator
    ) throws -> LayerResult {
        let operands = ConvolutionOperands(convolution, on: device)
        let errors = try communicator.agree("verifying \(convolution.name)") {
            let verification = ConvolutionVerification(operands)
            operands.forward()
            let forward = try verification.forwardError()
            var input: Double?
            if convolution.hasInputGradient {
                operands.computeInputGradient()
                input = try verification.inputGradientError()
            }
            operands.computeWeightGradient()
            return (forward: forward, input: input, weight: try verification.weightGradientError())
        }
        func time(_ error: Double, _ body: () -> Void) throws -> Pass {
            Pass(timing: try Timing.measure(repetitions, communicator, body), error: error)
        }
        return LayerResult(
            convolution: convolution, forward: try time(errors.forward, operands.forward),
            inputGradient: try errors.input.map { try time($0, operands.computeInputGradient) },
            weightGradient: try time(errors.weight, operands.computeWeightGradient))
    }

    struct Pass {
        let timing: Timing
        /// Largest error over the largest magnitude.
        let error: Double
    }

    struct LayerResult {
        let convolution: BenchmarkedConvolution
        let forward: Pass
        let inputGradient: Pass?
        let weightGradient: Pass
    }

    /// The figures of all kernels.
    public struct Report: BenchmarkReport {
        let machine: BenchmarkMachine
        let layers: [LayerResult]
        let others: [MemoryBoundKernels.Result]

        /// A table of the convolutions and one of the rest.
        public var text: String {
            var convolutions = TextTable(
                "convolution", "in", "out", "size", "kernel", "algorithm", "pass", "median", "GFLOP/s", "of peak", "error")
            for layer in layers {
                let one = layer.convolution, shape = one.convolution.output
                for (name, pass) in passes(layer) {
                    guard let pass else { continue }
                    let isFirst = name == "forward"
                    let head = [
                        one.name, "\(one.layer.inputs[0].channels)", "\(one.layer.output.channels)", "\(shape.height)x\(shape.width)",
                        one.kernel,
                        one.convolution.algorithm.rawValue,
                    ]
                    convolutions.append(
                        (isFirst ? head : head.map { _ in "" }) + [
                            name.replacing("_", with: " "), duration(pass.timing.median), fixed(gflops(layer, pass), 1),
                            percentage(share(layer, pass)), scientific(pass.error),
                        ])
                }
            }
            var text = "\(machine.text)\n\n\(convolutions)"
            if !others.isEmpty {
                var rest = TextTable("other kernel", "median", "GB/s")
                for other in others { rest.append([other.name, duration(other.timing.median), fixed(other.gigabytesPerSecond, 1)]) }
                text += "\n\n\(rest)"
            }
            return text
        }

        /// One object: machine, layers, others.
        public var json: JSONValue {
            .object(
                machine.fields + [
                    ("layers", .array(layers.map(object))),
                    (
                        "others",
                        .array(
                            others.map {
                                .object([
                                    ("name", .text($0.name)), ("median_s", .number($0.timing.median)),
                                    ("gigabytes_per_s", .number($0.gigabytesPerSecond)),
                                ])
                            })
                    ),
                ])
        }

        private func passes(_ layer: LayerResult) -> [(String, Pass?)] {
            [("forward", layer.forward), ("input_gradient", layer.inputGradient), ("weight_gradient", layer.weightGradient)]
        }
        private func gflops(_ layer: LayerResult, _ pass: Pass) -> Double { layer.convolution.gigaflop / pass.timing.median }
        /// Every rank does the same: the peak is one rank's.
        private func share(_ layer: LayerResult, _ pass: Pass) -> Double {
            gflops(layer, pass) / (machine.peak * Double(machine.threads))
        }

        private func object(_ layer: LayerResult) -> JSONValue {
            let one = layer.convolution, shape = one.convolution.output
            let head: [(String, JSONValue)] = [
                ("name", .text(one.name)), ("input_channels", .integer(one.layer.inputs[0].channels)),
                ("output_channels", .integer(one.layer.output.channels)), ("height", .integer(shape.height)),
                ("width", .integer(shape.width)),
                ("batch", .integer(one.batch)), ("kernel", .text(one.kernel)), ("algorithm", .text(one.convolution.algorithm.rawValue)),
                ("gflop", .number(one.gigaflop)),
            ]
            return .object(
                head
                    + passes(layer).map { name, pass in
                        guard let pass else { return (name, .null) }
                        return (
                            name,
                            .object([
                                ("median_s", .number(pass.timing.median)), ("best_s", .number(pass.timing.best)),
                                ("direct_gflops", .number(gflops(layer, pass))), ("peak_share", .number(share(layer, pass))),
                                ("max_relative_error", .number(pass.error)),
                            ])
                        )
                    })
        }
    }
}
