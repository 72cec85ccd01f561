import CounterRandom
import DataParallel
import Foundation
import Imaging
import Kernels
import Logging
import Model
import Training

/// Flips bits while three ranks or more train, one flip or one bad rank a step: each that changes a gradient is found, and blamed on its
/// rank; what changes nothing raises no alarm.
func checkVerification(_ communicator: Communicator) throws {
    let folder = FileManager.default.temporaryDirectory.path + "/verification-\(communicator.count)-\(getppid())"
    try communicator.agree("making a sample") {
        guard communicator.rank == 0 else { return }
        try SyntheticSample.write(to: folder, trainingPages: 6, testPages: 1, height: 48, width: 48, classes: 2, seed: 1)
    }
    defer { if communicator.rank == 0 { try? FileManager.default.removeItem(atPath: folder) } }
    let configuration = try TrainingConfiguration(
        file: nil,
        options: [
            ("images", folder + "/train-volume.tif"), ("labels", folder + "/train-labels.tif"), ("output", folder + "/run"),
            ("base-channels", "4"), ("depth", "2"), ("crop", "32"), ("batch-size", "\(communicator.count + 1)"), ("threads", "1"),
        ])
    let logger = Logger(label: "verification") { _ in SwiftLogNoOpLogHandler() }
    let data = try TrainingData(configuration, communicator: communicator, logger: logger)
    let partition = try BatchPartition(batch: configuration.batchSize, ranks: communicator.count)
    let step = try TrainingStep(
        configuration, channels: 1, height: 32, width: 32, plan: try ComputePlan(communicator: communicator, threads: 1),
        partition: partition, communicator: communicator)
    let network = step.network, local = partition.range(of: communicator.rank)
    network.initializeParameters(seed: 1)
    let batch = SampleBatch(loader: data.loader, network: network)
    let verification = GradientVerification(
        every: 1, start: 0, configuration: configuration, trainingStep: step, data: data, partition: partition, communicator: communicator)
    var clock = StepClock()

    /// One step up to the sum of its gradients; returns the checksum of this rank's own.
    func compute(_ number: Int, _ position: Int, verifies: Bool) throws -> UInt64 {
        var own: UInt64 = 0
        let replay = verifies ? try verification.replay(step: number, position: position) : nil
        try batch.load(local.map { data.stream.sample(at: position + $0) })
        _ = try step.evaluate(step: number, position: position, clock: &clock)
        _ = try step.differentiate(position: position, clock: &clock) { checksum in
            own = checksum
            if let replay { try verification.compare(replay, own: checksum, step: number, position: position) }
        }
        return own
    }
    // After an update the checksum of the parameters is known and not computed again, as in a run.
    _ = try compute(1, 0, verifies: true)
    step.update(clock: &clock)

    var random = RandomStream(seed: 7, purpose: .synthesis)
    func number(below bound: Int) -> Int { Int(random.nextBits()) % bound }
    // Some seven in ten change a gradient: the others hit padding, rectified values, or digits that rounding takes away.
    let trials = communicator.count == 3 ? 800 : 100
    var found = 0, harmless = 0
    for trial in 0..<trials {
        // All ranks draw the same.
        let victim = number(below: communicator.count), place = number(below: 4), bit = UInt32(number(below: 32))
        let index = number(below: 1 << 30), position = trial * configuration.batchSize, isVictim = communicator.rank == victim
        let right = try compute(2, position, verifies: false)
        let values = [network.parameterValues, network.activationValues, network.gradientValues, network.gradientValues][place]
        let target = index % values.count
        func flip() { values[target] = Float(bitPattern: values[target].bitPattern ^ 1 << bit) }
        // A weight, an activation, an element of the gradient; and a processor that is wrong each time.
        let moments: [Set<TrainingStep.Moment>] = [[.beforeForward], [.beforeBackward], [.afterBackward], [.afterBackward, .afterReplay]]
        var flips = 0
        step.damage = { moment in
            guard isVictim, moments[place].contains(moment) else { return }
            flip()
            flips += 1
        }
        var own: UInt64 = 0, blamed: RankError?
        do { own = try compute(2, position, verifies: true) } catch let error as RankError { blamed = error }
        step.damage = nil
        // What the pass did not write over, padding among it, gets its old value back.
        if isVictim && flips > 0 && place < 2 { flip() }
        let changed = try communicator.allReduce(blamed == nil && own != right ? 1 : 0, .sum)
        if let blamed {
            try expect(blamed.rank == victim && blamed.exitStatus == 76, "trial \(trial), rank \(victim), place \(place): \(blamed)")
            found += 1
        } else {
            try expect(changed == 0, "trial \(trial), rank \(victim), place \(place), bit \(bit), element \(target): not found")
            try expect(place < 2, "trial \(trial): a gradient that nobody compared")
            harmless += 1
        }
    }
    try expect(found * 8 >= trials * 5, "only \(found) of \(trials) flips changed a gradient")
    if communicator.rank == 0 { print("\(found) bit flips found and blamed on their rank, \(harmless) changed no gradient") }
}
