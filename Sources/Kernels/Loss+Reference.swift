import Glibc

extension Loss {
    /// The loss of one sample in double precision, from its definition: the specification of `evaluate`, and what validation reports.
    ///
    /// - Parameters:
    ///   - logits: [channel][height][width].
    ///   - target: [height][width], the class of each pixel; negative to ignore it, with several channels.
    ///   - weights: [height][width], added to the weights by class.
    public func reference(logits: [Double], target: UnsafeBufferPointer<Float>, weights: UnsafeBufferPointer<Float>? = nil) -> Double {
        let pixels = target.count, channels = logits.count / pixels, classes = max(2, channels), first = channels == 1 ? 1 : 0
        precondition(pixels > 0 && channels * pixels == logits.count, "Loss: \(logits.count) logits for \(pixels) pixels")
        var labelled = [Double](repeating: 0, count: classes), predicted = labelled, both = labelled
        for label in target where label >= 0 { labelled[Int(label)] += 1 }
        let present = Double(labelled.filter { $0 > 0 }.count), counted = labelled.reduce(0, +)
        var entropySum = 0.0
        for pixel in 0..<pixels where target[pixel] >= 0 {
            // One channel is that of label 1, beside a logit of 0 for label 0.
            func logit(_ c: Int) -> Double { c < first ? 0 : logits[(c - first) * pixels + pixel] }
            let label = Int(target[pixel])
            var greatest = logit(0), sum = 0.0, others = 0.0
            for c in 1..<classes { greatest = max(greatest, logit(c)) }
            for c in 0..<classes {
                let e = exp(logit(c) - greatest)
                sum += e
                if c != label { others += e }
            }
            for c in 0..<classes {
                let p = exp(logit(c) - greatest) / sum
                predicted[c] += p
                if c == label { both[c] += p }
            }
            let weight: Double =
                switch classWeights {
                case .equal: 1
                case .balanced: counted / (present * labelled[label])
                case .foreground(let share): label == 1 ? Double(share) : 1 - Double(share)
                }
            let entropy = greatest - logit(label) + log(sum)
            entropySum += (weight + (weights.map { Double($0[pixel]) } ?? 0)) * pow(others / sum, Double(focus)) * entropy
        }
        var scores = 0.0
        for c in first..<classes { scores += (2 * both[c] + 1) / (predicted[c] + labelled[c] + 1) }
        return Double(crossEntropy) * entropySum / Double(pixels) + Double(dice) * (1 - scores / Double(classes - first))
    }
}
