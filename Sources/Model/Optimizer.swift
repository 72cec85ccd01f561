import Kernels

/// What turns gradients into parameters. Everything that it remembers is in `state` and `step`, so that a checkpoint can hold it.
///
/// Parameters, gradients and state are flat buffers of the network's `trainableCount` floats. An update allocates nothing, and its bits
/// depend on no thread count.
public protocol Optimizer: AnyObject {
    /// Step size η of the next update.
    var learningRate: Double { get set }
    /// Updates made so far.
    var step: Int { get set }
    /// What it remembers from one update to the next.
    var state: [OptimizerState] { get }
    /// Updates the parameters in place.
    ///
    /// - Parameters:
    ///   - device: What computes.
    ///   - parameters: As many as the optimizer was made for; overwritten.
    ///   - gradients: One for each parameter, in the same order.
    ///   - gradientScale: What the gradient is multiplied by before it is used: below 1 where its norm is clipped.
    /// - Returns: the checksum of the new parameters, as `BufferCheck` computes it.
    func update(
        on device: Device, parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>, gradientScale: Float
    ) -> UInt64
}

extension Optimizer {
    /// Bytes of the state.
    public var memoryBytes: Int { state.map { 4 * $0.values.count }.reduce(0, +) }

    /// The update by the gradient as it is.
    @discardableResult
    public func update(on device: Device, parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>) -> UInt64 {
        update(on: device, parameters: parameters, gradients: gradients, gradientScale: 1)
    }
}

/// A part of what an optimizer remembers: one number for each parameter.
public struct OptimizerState {
    /// Its name in checkpoints: `first_moment`.
    public let name: String
    /// The numbers, laid out like the parameters.
    public let values: UnsafeMutableBufferPointer<Float>
}
