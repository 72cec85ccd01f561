import DataParallel
import Imaging
import Kernels
import Model

/// What there is to show of a step, until it is drawn or the next one comes.
struct Shown {
    enum Content {
        case validation(Validation.Result)
        case sample(Preview)
    }

    var step: Int
    var content: Content

    /// What is shown where nothing is held out for validation.
    static let sample = PreviewSlice(
        name: "training-sample", title: "sample of the training, as the network saw it with augmentation and dropout")
}

// The pictures of a run. Rank 0 alone draws; the others wait for it in the next step, and know what it is at.
extension Trainer {
    /// Whether the sample of this step may be shown: where nothing is held out, a sample of the training has to do.
    func showsSample(at step: Int, of total: Int) -> Bool {
        guard validation == nil, let records, configuration.drawsPictures else { return false }
        return step == total || step % configuration.checkpointEvery == 0 && records.isDrawingDue
    }

    /// Keeps a sample with its labels and what the network made of it, between loss and backward: after that its memory serves others.
    func keepSample(_ step: Int) {
        let sample = network.samplesInMemory.lowerBound, input = network.inputShape, output = network.outputShape
        let plane = output.height * output.width, classes = configuration.classes
        let image = UnsafeMutableBufferPointer<Float>.allocate(capacity: input.channels * input.height * input.width)
        let probabilities = UnsafeMutableBufferPointer<Float>.allocate(capacity: output.channels * plane)
        let visible = UnsafeMutableBufferPointer<Float>.allocate(capacity: input.channels * plane)
        defer { for buffer in [image, probabilities, visible] { buffer.deallocate() } }
        network.copySampleInMemory(sample, input: image.baseAddress!, probabilities: probabilities.baseAddress!)
        // Without padding the network sees more than it answers for.
        let top = (input.height - output.height) / 2, left = (input.width - output.width) / 2
        for channel in 0..<input.channels {
            for y in 0..<output.height {
                for x in 0..<output.width {
                    visible[channel * plane + y * output.width + x] = image[(channel * input.height + y + top) * input.width + x + left]
                }
            }
        }
        let bytes = PreviewPicture.bytes(
            probabilities: UnsafeBufferPointer(probabilities), classes: classes, height: output.height, width: output.width)
        let preview = Preview(
            name: Shown.sample.name,
            image: PreviewPicture(
                image: UnsafeBufferPointer(visible), channels: input.channels, height: output.height, width: output.width),
            truth: PreviewPicture(
                labels: UnsafeBufferPointer(network.target(sample: sample)), classes: classes, height: output.height, width: output.width),
            prediction: PreviewPicture(prediction: bytes, classes: classes, height: output.height, width: output.width), isOfItsStep: true)
        shown = Shown(step: step, content: .sample(preview))
    }

    /// Draws the pictures anew after a validation or a checkpoint, if that is due, and at the end.
    func draw(isLast: Bool) throws {
        let step = progress.step, current = shown.flatMap { $0.step == step ? $0.content : nil }
        shown = nil
        guard let records, configuration.drawsPictures, isLast || current != nil || step % configuration.checkpointEvery == 0,
            isLast || records.isDrawingDue
        else { return }
        communicator.watchdog.enter(.report)
        let previews: [Preview]
        switch current {
        case .validation(let result): previews = try validation!.previews(result)
        case .sample(let preview): previews = [preview]
        case nil: previews = []
        }
        try records.draw(previews, step: step, isLast: isLast)
    }
}
