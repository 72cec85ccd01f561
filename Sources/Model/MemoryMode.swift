/// How a network trades time for memory. The result has the same bits.
public enum MemoryMode: String, CaseIterable, Codable, Sendable {
    /// The activations of the whole local batch are kept from forward to backward.
    case fast
    /// Those of one sample: the forward pass of all others of the local batch is computed again in backward. Costs up to a third of the
    /// step's time and a gradient buffer for each level of the tree over the local batch. With a local batch of one sample as `fast`.
    case low
}
