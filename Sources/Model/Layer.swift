import Kernels

/// One node's arithmetic. A layer owns no memory: `Network` plans its arenas once and hands out views.
///
/// Backward is split in two: `inputGradient` works on the whole local batch, `parameterGradient` on one sample at a time,
/// because gradients are summed along a tree over the samples of the global batch.
public protocol Layer: Sendable {
    /// What the table of layers calls it.
    var kind: String { get }
    /// A name given by the architecture; otherwise the network numbers layers of a kind.
    var name: String? { get }
    /// Whether the output is never negative and its gradient may be dropped where the output is zero: a ReLU, or what
    /// keeps this property of its inputs.
    func isRectified(inputs: [Bool]) -> Bool
    /// Whether the layer passes its input through when the network does not train.
    var isIdentityAtInference: Bool { get }
    /// Whether the output may be computed in the first input's memory, and that input's gradient be the output's own: each value depends on
    /// the one in its place, and backward does not need the input.
    func worksInPlace(training: Bool) -> Bool
    /// Whether backward needs the output.
    var needsOutputInBackward: Bool { get }
    /// Whether, while training, a sample's output depends on the other samples of the global batch.
    var dependsOnBatch: Bool { get }
    /// The output's size, or why there is none.
    func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape
    /// The trainable parameters, in storage order.
    func parameters(_ inputs: [NodeShape], _ output: NodeShape) -> [ParameterDescription]
    /// Floats of scratch memory that any method needs.
    func scratchCount(_ step: Step, on device: Device) -> Int
    /// Floats that forward leaves in `step.kept` for backward.
    func keptCount(_ output: Shape) -> Int
    /// Computes `step.output`.
    func forward(_ step: Step, _ pass: Pass)
    /// Computes the gradients of all inputs that have one. A layer with parameters is asked for the parameter gradients of all samples first.
    func inputGradient(_ step: Step, _ pass: Pass)
    /// The gradient of one sample's loss with respect to the parameters, laid out like them; overwritten.
    func parameterGradient(_ step: Step, _ pass: Pass, sample: Int, into gradient: UnsafeMutablePointer<Float>)
    /// Takes into the parameters without gradient what the last training pass found.
    func updateState(_ step: Step)
    /// The naive version in double precision, one sample at a time, not training. `parameters` are in logical order.
    func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double>
}

extension Layer {
    /// No name of its own.
    public var name: String? { nil }
    /// Not rectified.
    public func isRectified(inputs: [Bool]) -> Bool { false }
    /// Computes at inference too.
    public var isIdentityAtInference: Bool { false }
    /// Memory of its own.
    public func worksInPlace(training: Bool) -> Bool { false }
    /// It does not.
    public var needsOutputInBackward: Bool { false }
    /// Each sample stands for itself.
    public var dependsOnBatch: Bool { false }
    /// Nothing beside the output.
    public func keptCount(_ output: Shape) -> Int { 0 }
    /// No state.
    public func updateState(_ step: Step) {}
    /// No parameters.
    public func parameters(_ inputs: [NodeShape], _ output: NodeShape) -> [ParameterDescription] { [] }
    /// No scratch memory.
    public func scratchCount(_ step: Step, on device: Device) -> Int { 0 }
    /// A layer without parameters has no parameter gradient.
    public func parameterGradient(_ step: Step, _ pass: Pass, sample: Int, into gradient: UnsafeMutablePointer<Float>) {
        preconditionFailure("\(kind) has no parameters")
    }

    /// Applies the layer to a node.
    ///
    /// - Throws: `NetworkError` when the input's size does not fit.
    public func callAsFunction(_ input: Node) throws(NetworkError) -> Node { try Node(self, [input]) }
}

/// The views a layer works on.
public struct Step {
    /// Values of the inputs, for the local batch.
    public let inputs: [Tensor]
    /// The value to compute.
    public let output: Tensor
    /// Sizes of the inputs.
    public let inputShapes: [NodeShape]
    /// The gradient with respect to `output`. If the output is rectified it is already zero where the output is.
    public let outputGradient: Tensor?
    /// Where the inputs' gradients go; nil where none is needed.
    public let inputGradients: [InputGradient?]
    /// The layer's parameters, or null.
    public let parameters: UnsafeMutablePointer<Float>?
    /// Offsets of the layer's parameters from `parameters`.
    public let parameterOffsets: [Int]
    /// Tells apart the layers that draw random numbers.
    public let ordinal: Int
    /// How convolutions are computed.
    public let convolution: ConvolutionMethod
    /// Memory of the layer's own, from the forward pass to the end of backward.
    public internal(set) var kept: UnsafeMutablePointer<Float>?
    /// Scratch memory, shared by all layers.
    public internal(set) var scratch: UnsafeMutablePointer<Float>?

    init(
        inputs: [Tensor], output: Tensor, inputShapes: [NodeShape], outputGradient: Tensor? = nil, inputGradients: [InputGradient?] = [],
        parameters: UnsafeMutablePointer<Float>? = nil, parameterOffsets: [Int] = [], ordinal: Int = 0,
        convolution: ConvolutionMethod = .automatic
    ) {
        self.inputs = inputs
        self.output = output
        self.inputShapes = inputShapes
        self.outputGradient = outputGradient
        self.inputGradients = inputGradients
        self.parameters = parameters
        self.parameterOffsets = parameterOffsets
        self.ordinal = ordinal
        self.convolution = convolution
    }
}

/// Where the gradient of a layer's input goes.
public struct InputGradient: Sendable {
    /// The gradient's memory.
    public let tensor: Tensor
    /// Whether another consumer has written there before.
    public let accumulate: Bool
    /// The input's value, where it is rectified: the gradient is zeroed where it is not positive.
    public let mask: Tensor?
    /// Whether `tensor` is part of the output gradient's own memory (a concatenation): nothing needs to be copied.
    public let inPlace: Bool
}

/// What all layers of one pass share.
public struct Pass: Sendable {
    /// What computes.
    public let device: Device
    /// Whether dropout is on.
    public let training: Bool
    /// The run's seed.
    public let seed: UInt64
    /// Position in the global stream of the local batch's first sample.
    public let firstPosition: UInt64
    /// Sums over the global batch, while training.
    public let batchSum: BatchSum?

    /// The pass of one sample of the local batch alone.
    func at(_ sample: Int) -> Pass {
        Pass(device: device, training: training, seed: seed, firstPosition: firstPosition + UInt64(sample), batchSum: nil)
    }
}
