/// How gradients are summed over the ranks. Each gives all ranks the same bits; only `reproducible` gives the same at every number of ranks.
public enum ReductionMethod: String, CaseIterable, Codable, Sendable {
    /// Along the batch's tree (`BatchTree`): the sum of the samples' gradients has the same bits however the batch is shared.
    case reproducible
    /// By MPI's own `MPI_Iallreduce`, in single precision: the order of the additions is MPI's choice.
    case fast
    /// With half the traffic: what a rank sends is rounded to bfloat16, 8 significant bits with the range of single precision, and added in
    /// single precision.
    case fastBF16 = "fast-bf16"

    /// The parts of a rank's samples that it must keep sums of; together they are `part`. A sum that need not follow the batch's tree is
    /// one part, in the order of the part's own tree.
    public func blocks(of part: Range<Int>, in batch: Int) -> [Range<Int>] {
        self == .reproducible ? BatchTree.blocks(of: part, in: batch) : [part]
    }

    /// The largest error of an element of the sum of `ranks` gradients, as a share of the sum of their magnitudes Σ|xᵣ|; against the exact
    /// sum, where no partial sum overflows and what is rounded is not below the normal numbers (2⁻¹²⁶).
    ///
    /// Any order of n − 1 single-precision additions is within (n − 1) u of it to first order, u = 2⁻²⁴ (Higham, Accuracy and Stability
    /// of Numerical Algorithms, 2nd edition, section 4.2). bfloat16 adds one rounding of each operand and one of the total, each of 2⁻⁸ at
    /// most, whatever the number of ranks.
    public func errorBound(ranks: Int) -> Double {
        let additions = Double(ranks) * 0x1p-24
        return self == .fastBF16 && ranks > 1 ? 2 * 0x1p-8 + additions : additions
    }
}
