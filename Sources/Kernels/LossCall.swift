import Glibc

/// Sums over the pixels of one class, of a row or of a sample.
struct ClassSums: BitwiseCopyable {
    /// Pixels that have the class.
    var labelled = 0.0
    /// Sum of its probability over all pixels.
    var predicted = 0.0
    /// The same over the pixels that have the class.
    var both = 0.0
}

/// What the pixels of a class have in common.
struct ClassTerms: BitwiseCopyable {
    /// Weight in the cross-entropy.
    var weight: Float = 1
    /// Derivative of the Dice loss (times the pixels) by the class's probability at a pixel that has the class, and at any other.
    var slopeIfLabelled: Float = 0, slopeElsewhere: Float = 0
}

/// One evaluation of a loss; a task is one row.
struct LossCall: BitwiseCopyable {
    let loss: Loss
    let logits, gradient: UnsafeMutablePointer<Float>
    let target: UnsafePointer<Float>
    let weights: UnsafePointer<Float>?
    let rows: UnsafeMutablePointer<Loss.Sums>
    let classRows: UnsafeMutablePointer<ClassSums>
    let terms: UnsafeMutablePointer<ClassTerms>
    let channels, width, pixels: Int
    let scale: Float

    /// The class of the first channel: one channel is that of label 1.
    var firstClass: Int { channels == 1 ? 1 : 0 }

    /// The sums of channel `c` over rows first ..< end, pairwise.
    func classSums(_ c: Int, _ first: Int, _ end: Int) -> ClassSums {
        if end - first == 1 { return classRows[first * channels + c] }
        let middle = first + (end - first) / 2, a = classSums(c, first, middle), b = classSums(c, middle, end)
        return ClassSums(labelled: a.labelled + b.labelled, predicted: a.predicted + b.predicted, both: a.both + b.both)
    }

    /// Fills the class sums of a row.
    func sumClasses(_ row: Int) {
        let sums = classRows + row * channels
        for c in 0..<channels { sums[c] = ClassSums() }
        for pixel in (row * width)..<((row + 1) * width) {
            guard target[pixel] >= 0 else { continue }
            let label = Int(target[pixel]), labelled = label - firstClass
            if labelled >= 0 { sums[labelled].labelled += 1 }
            if loss.dice == 0 { continue }
            if channels == 1 {
                let z = logits[pixel * 16], e = expf(-abs(z)), p = Double(z >= 0 ? 1 / (1 + e) : e / (1 + e))
                sums[0].predicted += p
                if labelled == 0 { sums[0].both += p }
                continue
            }
            var greatest = logit(0, pixel), sum: Float = 0
            for c in 1..<channels { greatest = max(greatest, logit(c, pixel)) }
            for c in 0..<channels { sum += expf(logit(c, pixel) - greatest) }
            for c in 0..<channels {
                let p = Double(expf(logit(c, pixel) - greatest) / sum)
                sums[c].predicted += p
                if c == label { sums[c].both += p }
            }
        }
    }

    /// Loss and gradient of a row where one channel z stands for label 1: its probability is σ(z).
    func evaluateSigmoid(_ row: Int) {
        var sums = Loss.Sums()
        for pixel in (row * width)..<((row + 1) * width) {
            let z = logits[pixel * 16], t = target[pixel], term = terms[t == 1 ? 1 : 0]
            let e = expf(-abs(z)), near = 1 / (1 + e), far = e / (1 + e)
            let probability = z >= 0 ? near : far
            // −ln p_t, and its weight.
            let entropy = max(z, 0) - t * z + log1pf(e)
            let weight = (term.weight + (weights?[pixel] ?? 0)) * loss.crossEntropy
            let right = (z >= 0) == (t == 1) ? near : far, wrong = (z >= 0) == (t == 1) ? far : near
            let (value, slope) = focused(entropy: entropy, right: right, wrong: wrong)
            sums.loss += Double(value * weight)
            sums.correct += (z > 0 ? 1 : 0) == t ? 1 : 0
            let lanes = gradient + pixel * 16
            lanes.update(repeating: 0, count: 16)
            var result = (probability - t) * (slope * weight * scale)
            if loss.dice != 0 {
                result += near * far * ((t == 1 ? terms[1].slopeIfLabelled : terms[1].slopeElsewhere) * scale)
            }
            lanes[0] = result
        }
        rows[row] = sums
    }

    /// Loss and gradient of a row where each class has a channel.
    func evaluateSoftmax(_ row: Int) {
        var sums = Loss.Sums()
        for pixel in (row * width)..<((row + 1) * width) {
            guard target[pixel] >= 0 else {
                // Ignored, unless it is not a number.
                if target[pixel].isNaN { sums.loss = .nan }
                for lane in 0..<((channels + 15) / 16 * 16) { gradient[Loss.lane(lane, pixel, pixels)] = 0 }
                continue
            }
            let label = Int(target[pixel]), term = terms[label]
            var greatest = logit(0, pixel), best = 0
            for c in 1..<channels {
                let z = logit(c, pixel)
                if z > greatest { best = c }
                greatest = max(greatest, z)
            }
            let labelLogit = logit(label, pixel)
            // The gradient's lanes hold the exponentials first; they may be the logits' own.
            var sum: Float = 0, others: Float = 0
            for c in 0..<channels {
                let e = expf(logit(c, pixel) - greatest)
                gradient[Loss.lane(c, pixel, pixels)] = e
                sum += e
                if c != label { others += e }
            }
            let right = gradient[Loss.lane(label, pixel, pixels)] / sum, wrong = others / sum
            let entropy = (greatest - labelLogit) + logf(sum)
            let weight = (term.weight + (weights?[pixel] ?? 0)) * loss.crossEntropy
            let (value, slope) = focused(entropy: entropy, right: right, wrong: wrong)
            sums.loss += Double(value * weight)
            sums.correct += best == label ? 1 : 0

            let factor = slope * weight * scale
            // Σ p_c u_c, where u_c is the derivative of the Dice loss by p_c.
            var mean: Float = 0
            if loss.dice != 0 {
                for c in 0..<channels { mean += gradient[Loss.lane(c, pixel, pixels)] / sum * diceSlope(c, label) }
            }
            for c in 0..<channels {
                let lane = Loss.lane(c, pixel, pixels), p = gradient[lane] / sum
                var result = (c == label ? -wrong : p) * factor
                if loss.dice != 0 { result += p * ((diceSlope(c, label) - mean) * scale) }
                gradient[lane] = result
            }
            for lane in channels..<((channels + 15) / 16 * 16) { gradient[Loss.lane(lane, pixel, pixels)] = 0 }
        }
        rows[row] = sums
    }

    @inline(__always) private func logit(_ c: Int, _ pixel: Int) -> Float { logits[Loss.lane(c, pixel, pixels)] }

    @inline(__always) private func diceSlope(_ c: Int, _ label: Int) -> Float {
        c == label ? terms[c].slopeIfLabelled : terms[c].slopeElsewhere
    }

    /// q^γ (−ln p) for the probability p = `right` of the label and q = 1 − p = `wrong`, and what its gradient by the logits is of the
    /// gradient of −ln p: q^γ (1 − γ p ln p / q).
    @inline(__always) private func focused(entropy: Float, right: Float, wrong: Float) -> (value: Float, slope: Float) {
        let focus = loss.focus
        if focus == 0 { return (entropy, 1) }
        let power = focus == 2 ? wrong * wrong : powf(wrong, focus)
        // p ln p / q tends to −1.
        let ratio = wrong == 0 ? 1 : right * entropy / wrong
        return (power * entropy, power * (1 + focus * ratio))
    }
}
