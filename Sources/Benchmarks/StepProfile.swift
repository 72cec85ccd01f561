import Model
import Training

/// Where rank 0's time of a step (or a prediction) goes, by layer and by kind of work: means over the timed repetitions.
struct StepProfile {
    /// A layer's row.
    struct Layer {
        let name: String
        /// The layer in words.
        let kind: String
        /// How its convolution is computed, if it is one.
        let algorithm: String?
        /// Seconds of a step.
        let forward, parameterGradient, inputGradient: Double
        /// Operations that the direct form takes for each pass, 10⁹; a layer whose input needs no gradient has a pass less.
        let gigaflop: Double
        let passes: Int

        var seconds: Double { forward + parameterGradient + inputGradient }
        var directGflops: Double? { gigaflop > 0 && seconds > 0 ? gigaflop * Double(passes) / seconds : nil }
    }

    let layers: [Layer]
    /// Seconds of a step by kind of work, convolutions by algorithm; together they are the step.
    let kinds: [(kind: String, seconds: Double)]
    /// Seconds of a step.
    let seconds: Double

    /// - Parameters:
    ///   - clocks: of the repetitions.
    ///   - seconds: that all of them took together.
    init(network: Network, profile: NetworkProfile, clocks: [StepClock], seconds: Double) {
        let count = Double(clocks.count)
        self.seconds = seconds / count
        var order: [String] = [], sums: [String: Double] = [:]
        func add(_ kind: String, _ seconds: Double) {
            if sums[kind] == nil { order.append(kind) }
            sums[kind, default: 0] += seconds / count
        }
        let isTraining = clocks.contains { $0.backward > 0 }
        var layers: [Layer] = []
        for (i, layer) in network.layers.enumerated() {
            let forward = profile.seconds(.forward, layer: i), parameter = profile.seconds(.parameterGradient, layer: i)
            let input = profile.seconds(.inputGradient, layer: i), sum = profile.seconds(.gradientSum, layer: i)
            add(Self.kind(of: layer), forward + parameter + input)
            if sum > 0 { add("sum over local samples", sum) }
            layers.append(
                Layer(
                    name: layer.name, kind: layer.layer.kind, algorithm: layer.convolution?.algorithm.rawValue, forward: forward / count,
                    parameterGradient: parameter / count, inputGradient: input / count,
                    gigaflop: 2 * Double(layer.directMultiplyAdds * network.batch) / 1e9,
                    passes: !isTraining ? 1 : layer.needsInputGradient ? 3 : 2))
        }
        self.layers = layers
        func total(_ kind: KeyPath<StepClock, Double>) -> Double { clocks.map { $0[keyPath: kind] }.reduce(0, +) }
        if isTraining {
            add("loss", profile.loss)
            add("Adam", total(\.update))
            add("checks", total(\.checks))
            add("agreement of the ranks", total(\.agreement))
            add("reduction", total(\.reduction))
        }
        add("other", seconds - sums.values.reduce(0, +) * count)
        kinds = order.map { ($0, sums[$0]!) }
    }

    private static func kind(of layer: LayerDescription) -> String {
        if let convolution = layer.convolution { return "convolution (\(convolution.algorithm.rawValue))" }
        switch layer.layer {
        case is MaxPool2D: return "pooling"
        case is Dropout2D: return "dropout"
        case is Concatenate: return "concatenation"
        default: return "other"
        }
    }

    /// Share of the step in which no convolution is computed.
    var notConvolutionShare: Double {
        kinds.filter { !$0.kind.hasPrefix("convolution") }.map(\.seconds).reduce(0, +) / seconds
    }

    var text: String {
        var byLayer = TextTable("layer", "algorithm", "forward ms", "parameter gradient ms", "input gradient ms", "share", "GFLOP/s")
        func milliseconds(_ seconds: Double) -> String { fixed(seconds * 1e3, 3) }
        for layer in layers where layer.seconds > 0 {
            byLayer.append([
                layer.name, layer.algorithm ?? "", milliseconds(layer.forward), milliseconds(layer.parameterGradient),
                milliseconds(layer.inputGradient), percentage(layer.seconds / seconds), layer.directGflops.map { fixed($0, 1) } ?? "",
            ])
        }
        var byKind = TextTable("kind of work", "ms", "share")
        for (kind, time) in kinds.sorted(by: { $0.seconds > $1.seconds }) {
            byKind.append([kind, milliseconds(time), percentage(time / seconds)])
        }
        byKind.append(["whole", milliseconds(seconds), percentage(1)])
        return "\(byLayer)\n\n\(byKind)\n\nnot convolution: \(percentage(notConvolutionShare))"
    }

    var json: JSONValue {
        .object([
            ("step_s", .number(seconds)), ("not_convolution_share", .number(notConvolutionShare)),
            (
                "kinds",
                .array(
                    kinds.map {
                        .object([("kind", .text($0.kind)), ("seconds", .number($0.seconds)), ("share", .number($0.seconds / seconds))])
                    })
            ),
            (
                "layers",
                .array(
                    layers.map { layer in
                        .object([
                            ("name", .text(layer.name)), ("kind", .text(layer.kind)),
                            ("algorithm", layer.algorithm.map { .text($0) } ?? .null),
                            ("forward_s", .number(layer.forward)), ("parameter_gradient_s", .number(layer.parameterGradient)),
                            ("input_gradient_s", .number(layer.inputGradient)), ("share", .number(layer.seconds / seconds)),
                            ("direct_gflops", layer.directGflops.map { .number($0) } ?? .null),
                        ])
                    })
            ),
        ])
    }
}
