import Glibc

/// What is minimised, for one sample: a cross-entropy between labels and the logits' sigmoid (one channel: label 1 against label 0) or
/// softmax (a channel for each class), a Dice loss, or both.
///
/// With p_c the probability of class c at a pixel, t the pixel's label and w its weight, the loss is
///
///     crossEntropy · 1/N Σ w (1 − p_t)^γ (−ln p_t)  +  dice · (1 − mean over the classes of (2 Σ p_c [t = c] + 1) / (Σ p_c + Σ [t = c] + 1))
///
/// over the N pixels of the sample: γ = `focus` is that of the focal loss (Lin et al., 2017), the soft Dice is as V-Net's (Milletari et al., 2016)
/// with plain instead of squared probabilities in the denominator, and of label 1 alone where there is one channel. The 1 makes a class that
/// is absent and not found score 1. Everything that normalises is of this sample, so that its loss does not depend on its batch.
///
/// With several channels a pixel whose label is negative is ignored: it adds nothing to a sum, and its logits have no gradient. N stays the number of all
/// pixels, so that each pixel that counts weighs alike, in whichever sample it is.
public struct Loss: Equatable, Sendable, BitwiseCopyable {
    /// Sums over the pixels of one sample.
    public struct Sums: Equatable, Sendable, BitwiseCopyable {
        /// The sample's loss times its pixels, in double precision.
        public var loss: Double = 0
        /// Pixels classified right: at probability ½ (½ itself counts as 0, as in Keras), or the first of the most probable classes.
        public var correct: Int = 0

        /// No pixels.
        public init() {}

        /// The sums of two parts.
        static func + (a: Sums, b: Sums) -> Sums {
            var sum = a
            sum.loss += b.loss
            sum.correct += b.correct
            return sum
        }
    }

    /// How a pixel's weight in the cross-entropy follows from its class.
    public enum ClassWeights: Equatable, Sendable, BitwiseCopyable {
        /// All weigh 1.
        case equal
        /// N / (K n_c) for the n_c pixels of class c, K classes being present and N pixels having a class: each class weighs as much as any
        /// other, and the mean is 1.
        case balanced
        /// α for label 1 and 1 − α for label 0; one channel only.
        case foreground(Float)
    }

    /// Share of the cross-entropy.
    public var crossEntropy: Float
    /// Share of the Dice loss.
    public var dice: Float
    /// γ: how much less pixels weigh that are right already; 0 for not at all.
    public var focus: Float
    /// Weights by class.
    public var classWeights: ClassWeights
    /// Whether weights by place, such as the U-Net paper's border weights, are added to those by class.
    public var hasPixelWeights: Bool

    /// A loss from its parts.
    public init(
        crossEntropy: Float = 1, dice: Float = 0, focus: Float = 0, classWeights: ClassWeights = .equal, hasPixelWeights: Bool = false
    ) {
        self.crossEntropy = crossEntropy
        self.dice = dice
        self.focus = focus
        self.classWeights = classWeights
        self.hasPixelWeights = hasPixelWeights
    }

    /// The mean cross-entropy over all pixels.
    public static let crossEntropy = Loss()

    /// Whether something of the sample must be known before its first pixel's loss.
    var needsClassSums: Bool { dice != 0 || classWeights == .balanced }

    /// The loss of one sample, and the gradient of the loss times its pixels with respect to the logits, times `scale`.
    ///
    /// - Parameters:
    ///   - logits: one sample of `workspace.channels` channels, which lie in the first lanes of its blocks.
    ///   - target: [height][width], the class of each pixel: 0 or 1 for one channel, 0 ..< channels for several, where a negative one is
    ///     ignored.
    ///   - weights: [height][width], added to the weights by class if the loss has such weights.
    ///   - gradient: of the logits' shape; zero in the lanes of no channel. May be the logits' own memory.
    ///   - workspace: made for the logits' channels and height.
    public func evaluate(
        on device: Device, logits: Tensor, target: UnsafePointer<Float>, weights: UnsafePointer<Float>? = nil, gradient: Tensor,
        scale: Float, workspace: LossWorkspace
    ) -> Sums {
        let shape = logits.shape, channels = workspace.channels
        precondition(
            shape.batch == 1 && shape.blocks == (channels + 15) / 16 && shape.height == workspace.height && gradient.shape == shape,
            "Loss: logits \(shape), gradient \(gradient.shape), a workspace for \(channels) channels and \(workspace.height) rows")
        precondition(hasPixelWeights == (weights != nil), "Loss: weights by place are \(hasPixelWeights ? "missing" : "not wanted")")
        let call = LossCall(
            loss: self, logits: logits.pointer, gradient: gradient.pointer, target: target, weights: weights, rows: workspace.rows,
            classRows: workspace.classRows, terms: workspace.terms, channels: channels, width: shape.width, pixels: shape.pixels,
            scale: scale)
        var diceLoss = 0.0
        if needsClassSums {
            device.threads.run(shape.height, call) { raw, row, _ in raw!.load(as: LossCall.self).sumClasses(row) }
        }
        diceLoss = setTerms(call, rows: shape.height)
        if channels == 1 {
            device.threads.run(shape.height, call) { raw, row, _ in raw!.load(as: LossCall.self).evaluateSigmoid(row) }
        } else {
            device.threads.run(shape.height, call) { raw, row, _ in raw!.load(as: LossCall.self).evaluateSoftmax(row) }
        }
        var sums = Self.sum(workspace.rows, 0, shape.height)
        sums.loss += diceLoss
        return sums
    }

    /// Works out what a pixel's loss depends on beside itself. Returns the Dice loss times the pixels.
    private func setTerms(_ call: LossCall, rows: Int) -> Double {
        let classes = max(2, call.channels), pixels = Double(call.pixels)
        let first = call.firstClass
        for c in 0..<classes { call.terms[c] = ClassTerms() }
        if case .foreground(let share) = classWeights { (call.terms[0].weight, call.terms[1].weight) = (1 - share, share) }
        guard needsClassSums else { return 0 }
        // With one channel only label 1 is counted.
        func sums(_ c: Int) -> ClassSums { call.classSums(c - first, 0, rows) }
        if classWeights == .balanced {
            func labelled(_ c: Int) -> Double { c < first ? pixels - sums(1).labelled : sums(c).labelled }
            var present = 0.0, counted = 0.0
            for c in 0..<classes where labelled(c) > 0 { (present, counted) = (present + 1, counted + labelled(c)) }
            for c in 0..<classes where labelled(c) > 0 { call.terms[c].weight = Float(counted / (present * labelled(c))) }
        }
        guard dice != 0 else { return 0 }
        let share = Double(dice) * pixels / Double(classes - first)
        var total = 0.0
        for c in first..<classes {
            let s = sums(c), numerator = 2 * s.both + 1, denominator = s.predicted + s.labelled + 1
            total += share * (1 - numerator / denominator)
            call.terms[c].slopeIfLabelled = Float(share * (numerator / denominator - 2) / denominator)
            call.terms[c].slopeElsewhere = Float(share * numerator / denominator / denominator)
        }
        return total
    }

    /// Rows summed pairwise.
    private static func sum(_ rows: UnsafeMutablePointer<Sums>, _ first: Int, _ end: Int) -> Sums {
        if end - first == 1 { return rows[first] }
        let middle = first + (end - first) / 2
        return sum(rows, first, middle) + sum(rows, middle, end)
    }

    /// Probabilities from the logits of one sample: of the foreground, [height][width], where there is one channel; of each of several
    /// classes, [class][height][width].
    public static func probabilities(_ logits: Tensor, channels: Int, into result: UnsafeMutablePointer<Float>) {
        let pixels = logits.shape.pixels
        for pixel in 0..<pixels {
            if channels == 1 {
                let z = logits.pointer[pixel * 16], e = expf(-abs(z))
                result[pixel] = z >= 0 ? 1 / (1 + e) : e / (1 + e)
                continue
            }
            func logit(_ c: Int) -> Float { logits.pointer[lane(c, pixel, pixels)] }
            var greatest = logit(0), sum: Float = 0
            for c in 1..<channels { greatest = max(greatest, logit(c)) }
            for c in 0..<channels {
                let e = expf(logit(c) - greatest)
                result[c * pixels + pixel] = e
                sum += e
            }
            for c in 0..<channels { result[c * pixels + pixel] /= sum }
        }
    }

    /// Where channel `c` of a pixel lies in a sample.
    @inline(__always) static func lane(_ c: Int, _ pixel: Int, _ pixels: Int) -> Int { ((c >> 4) * pixels + pixel) << 4 | (c & 15) }
}

/// The memory that a loss needs for samples of one size.
public final class LossWorkspace {
    /// Channels of the logits.
    public let channels: Int
    /// Rows of the logits.
    public let height: Int
    let rows: UnsafeMutablePointer<Loss.Sums>
    let classRows: UnsafeMutablePointer<ClassSums>
    let terms: UnsafeMutablePointer<ClassTerms>

    /// Room for logits of `channels` channels and `height` rows.
    public init(channels: Int, height: Int) {
        self.channels = channels
        self.height = height
        rows = .allocate(capacity: height)
        classRows = .allocate(capacity: height * channels)
        terms = .allocate(capacity: max(2, channels))
    }

    deinit {
        rows.deallocate()
        classRows.deallocate()
        terms.deallocate()
    }
}
