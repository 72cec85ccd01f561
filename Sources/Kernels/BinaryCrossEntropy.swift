import Glibc

/// Sigmoid and binary cross-entropy from logits, with what is counted on the way.
public enum BinaryCrossEntropy {
    /// Sums over the pixels of one sample.
    public struct Sums: Equatable, Sendable, BitwiseCopyable {
        /// Σ max(z, 0) − t z + ln(1 + e^−|z|), in double precision.
        public var loss: Double = 0
        /// Pixels classified right at probability ½ (½ itself counts as 0, as in Keras).
        public var correct: Int = 0

        /// No pixels.
        public init() {}
    }

    private struct Call {
        var logits, gradient: UnsafeMutablePointer<Float>
        var target: UnsafePointer<Float>
        var rows: UnsafeMutablePointer<Sums>
        var width: Int
        var scale: Float
    }

    /// The loss of one sample, and its gradient with respect to the logits times `scale`.
    ///
    /// - Parameters:
    ///   - logits: one sample of one block; lane 0 holds the logit z.
    ///   - target: [height][width], 0 or 1.
    ///   - gradient: of the logits' shape: (σ(z) − t) · scale in lane 0, zero in the others. May be the logits' own memory.
    ///   - rows: room for one `Sums` for each row, so that rows can be summed in an order that does not depend on threads.
    public static func evaluate(
        on device: Device, logits: Tensor, target: UnsafePointer<Float>, gradient: Tensor, scale: Float, rows: UnsafeMutablePointer<Sums>
    ) -> Sums {
        precondition(
            logits.shape.blocks == 1 && logits.shape.batch == 1 && gradient.shape == logits.shape,
            "BinaryCrossEntropy: logits \(logits.shape), gradient \(gradient.shape)")
        let call = Call(
            logits: logits.pointer, gradient: gradient.pointer, target: target, rows: rows, width: logits.shape.width, scale: scale)
        device.threads.run(logits.shape.height, call) { raw, row, _ in
            let call = raw!.load(as: Call.self)
            var sums = Sums()
            for x in 0..<call.width {
                let pixel = row * call.width + x
                let z = call.logits[pixel * 16], t = call.target[pixel]
                let e = expf(-abs(z))
                sums.loss += Double(max(z, 0) - t * z + log1pf(e))
                sums.correct += (z > 0 ? 1 : 0) == t ? 1 : 0
                let probability = z >= 0 ? 1 / (1 + e) : e / (1 + e)
                let lanes = call.gradient + pixel * 16
                lanes.update(repeating: 0, count: 16)
                lanes[0] = (probability - t) * call.scale
            }
            call.rows[row] = sums
        }
        return sum(rows, 0, logits.shape.height)
    }

    /// Rows summed pairwise.
    private static func sum(_ rows: UnsafeMutablePointer<Sums>, _ first: Int, _ end: Int) -> Sums {
        if end - first == 1 { return rows[first] }
        let middle = first + (end - first) / 2
        let a = sum(rows, first, middle), b = sum(rows, middle, end)
        var total = a
        total.loss += b.loss
        total.correct += b.correct
        return total
    }

    /// σ(z) of the first channel of one sample: probabilities in [0, 1], [height][width].
    public static func probabilities(_ logits: Tensor, into result: UnsafeMutablePointer<Float>) {
        for pixel in 0..<logits.shape.pixels {
            let z = logits.pointer[pixel * 16], e = expf(-abs(z))
            result[pixel] = z >= 0 ? 1 / (1 + e) : e / (1 + e)
        }
    }
}
