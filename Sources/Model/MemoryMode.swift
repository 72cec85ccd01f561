/// How a network trades time for memory. The result has the same bits.
public enum MemoryMode: String, CaseIterable, Codable, Sendable {
    /// The activations of the whole local batch are kept from forward to backward.
    case fast
    /// Those of one sample: each of the local batch goes forward and backward before the next, as with accumulation in as many parts. Costs
    /// a gradient buffer for each level of the tree over the local batch. With a local batch of one sample as `fast`.
    case low
}
