import Imaging
import Kernels
import Model

/// An architecture is a function from image to logits: here two levels, whose skip connection is added instead of concatenated.
func ownArchitecture(_ image: Node) throws(NetworkError) -> Node {
    let fine = try Conv2D(16, kernelSize: 3, activation: .relu)(image)
    let coarse = try GroupNorm(groups: 8, activation: .relu)(Conv2D(32, kernelSize: 5, usesBias: false)(MaxPool2D()(fine)))
    let sum = try Add(activation: .relu)(TransposedConv2D(16)(coarse), fine)
    return try Conv2D(1, kernelSize: 1, initializer: .glorotUniform, name: "head")(Conv2D(16, kernelSize: 3, activation: .relu)(sum))
}

let folder = CommandLine.arguments.dropFirst().first ?? "data", side = 128, crop = 64, batch = 4
try SyntheticSample.write(to: folder, trainingPages: 8, testPages: 2, height: side, width: side)
let training = try SliceDataset(images: "\(folder)/train-volume.tif", labels: "\(folder)/train-labels.tif")
let test = try SliceDataset(
    images: "\(folder)/test-volume.tif", labels: "\(folder)/test-labels.tif", normalization: training.normalization)

// Training: which samples a step takes, and what they show, are functions of the seed and the position in the stream.
let stream = SampleStream(slices: training.count, cropsPerSlice: 1, seed: 1)
let loader = try SampleLoader(dataset: training, augmentation: .standard, crop: .square(crop), seed: 1)
let graph = try ownArchitecture(Node(input: NodeShape(channels: training.channels, height: crop, width: crop)))
let network = Network(graph, purpose: .training(batch: batch), device: Device(threads: 2))
print(network.table)
network.initializeParameters(seed: 1)
let adam = Adam(count: network.trainableCount, learningRate: 3e-3)
let image = UnsafeMutableBufferPointer<Float>.allocate(capacity: training.channels * side * side)
for step in 0..<100 {
    for sample in 0..<batch {
        try loader.load(
            stream.sample(at: step * batch + sample), image: UnsafeMutableBufferPointer(rebasing: image[..<(crop * crop)]),
            label: network.target(sample: sample))
        network.setInput(sample: sample, image.baseAddress!)
    }
    network.forward(training: true, seed: 1, firstPosition: step * batch)
    network.evaluateLoss(scale: 1 / Float(batch * crop * crop))
    network.backward(training: true, seed: 1, firstPosition: step * batch)
    adam.update(on: network.device, parameters: network.parameterMemory.pointer, gradients: network.gradientValues.baseAddress!)
    if step % 20 == 19 { print("step \(step + 1): loss", network.losses.map(\.loss).reduce(0, +) / Double(batch * crop * crop)) }
}

// Prediction: the same function for whole pages, with the same parameters.
let whole = try ownArchitecture(Node(input: NodeShape(channels: training.channels, height: side, width: side)))
let inference = Network(whole, purpose: .inference(batch: 1), device: network.device, sharing: network)
let probabilities = UnsafeMutableBufferPointer<Float>.allocate(capacity: side * side)
let shape = VolumeShape(pages: test.count, height: side, width: side)
let writer = try makeVolumeWriter(path: "\(folder)/prediction.tif", shape: shape, pixelType: .float32)
var scores = PixelScores()
for page in 0..<test.count {
    try test.readImage(page, into: image)
    inference.setInput(sample: 0, image.baseAddress!)
    inference.forward()
    inference.probabilities(sample: 0, into: probabilities.baseAddress!)
    try test.withLabel(page) { scores.add(probabilities: UnsafeBufferPointer(probabilities), labels: $0) }
    try writer.append(UnsafeBufferPointer(probabilities))
}
try writer.close()
print("accuracy", scores.pixelAccuracy)
