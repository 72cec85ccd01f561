import Kernels

/// The exponential moving average of a network's parameters (Polyak and Juditsky, 1992): smoother than any single step, and often better.
///
/// After update t the average moves by 1 − d of its distance from the parameters, d = min(decay, (1 + t) / (10 + t)): young averages
/// forget the initial parameters faster, as in TensorFlow's `ExponentialMovingAverage`.
public final class WeightAverage {
    /// The average, laid out like the parameters: a network planned with it is the averaged one.
    public let memory: ParameterMemory
    /// What is kept of it in an update, at most; 0 ..< 1.
    public let decay: Double

    /// Room for the average of `count` floats.
    public init(count: Int, decay: Double) {
        precondition((0..<1).contains(decay), "WeightAverage: a decay of \(decay)")
        memory = ParameterMemory(count: count)
        self.decay = decay
    }

    /// Begins at these parameters.
    public func start(at parameters: UnsafePointer<Float>) { memory.pointer.update(from: parameters, count: memory.buffer.count) }

    /// Takes in the parameters of update `step`, counted from 1.
    public func update(on device: Device, parameters: UnsafePointer<Float>, step: Int) {
        let kept = min(decay, Double(1 + step) / Double(10 + step))
        Elementwise.average(on: device, parameters, into: memory.pointer, count: memory.buffer.count, rate: Float(1 - kept))
    }
}
