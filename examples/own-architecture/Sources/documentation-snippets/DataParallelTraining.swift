import DataParallel
import Foundation
import Imaging
import Kernels
import Model

/// Trains on all ranks that a launcher started, and gives the loss of each step: the same numbers, to the last bit, however many there are.
func trainOnAllRanks(_ world: borrowing World, folder: String, steps: Int) throws -> [Double] {
    let ranks = world.communicator, batch = 4, crop = 32
    try ranks.agree("writing the sample") {
        if ranks.rank == 0 { try SyntheticSample.write(to: folder, trainingPages: 4, testPages: 1, height: 64, width: 64) }
    }
    let data = try ranks.agree("opening the sample") {
        try SliceDataset(images: "\(folder)/train-volume.tif", labels: "\(folder)/train-labels.tif")
    }
    let stream = SampleStream(slices: data.count, cropsPerSlice: 1, seed: 1)
    let loader = try SampleLoader(dataset: data, augmentation: .standard, crop: .square(crop), seed: 1)

    // This rank's part of each batch, and the nodes of the tree of sums that it consists of.
    let partition = try BatchPartition(batch: batch, ranks: ranks.count), mine = partition.range(of: ranks.rank)
    let graph = try smallNetwork(Node(input: NodeShape(channels: data.channels, height: crop, width: crop)))
    let network = Network(
        graph, purpose: .training(blocks: BatchTree.blocks(of: mine, in: batch), split: BatchTree.split), device: Device(threads: 1))
    network.initializeParameters(seed: 1)
    let reducer = try GradientReducer(communicator: ranks, batch: batch, count: network.arenaCount)
    let adam = Adam(count: network.trainableCount, learningRate: 3e-3)
    let image = UnsafeMutableBufferPointer<Float>.allocate(capacity: data.channels * crop * crop)
    defer { image.deallocate() }

    var losses: [Double] = []
    for step in 0..<steps {
        try ranks.agree("reading the batch") {
            for (place, position) in mine.enumerated() {
                try loader.load(stream.sample(at: step * batch + position), image: image, label: network.target(sample: place))
                network.setInput(sample: place, image.baseAddress!)
            }
        }
        let first = step * batch + mine.lowerBound
        network.forward(training: true, seed: 1, firstPosition: first)
        network.evaluateLoss(scale: 1 / Float(batch * crop * crop))
        network.backward(training: true, seed: 1, firstPosition: first)
        try reducer.reduce(network.gradientValues.baseAddress!, stride: network.arenaCount, range: 0..<network.arenaCount)
        adam.update(on: network.device, parameters: network.parameterMemory.pointer, gradients: network.gradientValues.baseAddress!)
        let perSample = try ranks.gatherPerSample(network.losses.map(\.loss), of: partition)
        losses.append(BatchTree.sum(perSample) / Double(batch * crop * crop))
    }
    return losses
}
