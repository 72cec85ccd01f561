import CMPI

extension Communicator {
    /// Gives every rank the values of `root`. A collective; all ranks pass buffers of one length, which may be 0.
    public func broadcast<T: MPIDatatype>(_ values: UnsafeMutableBufferPointer<T>, from root: Int) throws(MPIError) {
        precondition((0..<count).contains(root), "broadcast: there is no rank \(root) among \(count)")
        guard count > 1 else { return }
        for piece in pieces(of: values.count, as: T.self) {
            let start = values.baseAddress! + piece.lowerBound
            try complete("MPI_Ibcast") { cmpi_ibcast(start, CInt(piece.count), T.mpiDatatype, CInt(root), raw, $0) }
        }
    }

    /// The value of `root`, on every rank. A collective.
    public func broadcast<T: MPIDatatype>(_ value: T, from root: Int) throws(MPIError) -> T {
        var result = value
        try withUnsafeMutablePointer(to: &result) { (pointer) throws(MPIError) in
            try broadcast(UnsafeMutableBufferPointer(start: pointer, count: 1), from: root)
        }
        return result
    }

    /// The array of `root`, on every rank; what the others pass is ignored, so they need not know its length. A collective.
    public func broadcast<T: MPIDatatype>(_ values: [T], from root: Int) throws(MPIError) -> [T] {
        let length = try broadcast(values.count, from: root)
        var result = rank == root ? values : [T](repeating: .zero, count: length)
        try result.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in try broadcast(buffer, from: root) }
        return result
    }

    /// Replaces every element by the sum, minimum or maximum over the ranks. A collective; all ranks pass buffers of one length.
    public func allReduce<T: MPIDatatype>(_ values: UnsafeMutableBufferPointer<T>, _ operation: Reduction) throws(MPIError) {
        guard count > 1 else { return }
        for piece in pieces(of: values.count, as: T.self) {
            let start = values.baseAddress! + piece.lowerBound
            try complete("MPI_Iallreduce") {
                cmpi_iallreduce(cmpi_in_place(), start, CInt(piece.count), T.mpiDatatype, operation.mpiOperation, raw, $0)
            }
        }
    }

    /// The same by MPI's blocking call, which no watchdog can leave: for benchmarks, which compare with it.
    package func blockingAllReduce<T: MPIDatatype>(_ values: UnsafeMutableBufferPointer<T>, _ operation: Reduction) throws(MPIError) {
        guard count > 1 else { return }
        for piece in pieces(of: values.count, as: T.self) {
            let code = MPI_Allreduce(
                cmpi_in_place(), values.baseAddress! + piece.lowerBound, CInt(piece.count), T.mpiDatatype, operation.mpiOperation, raw)
            try check(code, "MPI_Allreduce")
        }
    }

    /// The sum, minimum or maximum of `value` over the ranks. A collective.
    public func allReduce<T: MPIDatatype>(_ value: T, _ operation: Reduction) throws(MPIError) -> T {
        var result = value
        try withUnsafeMutablePointer(to: &result) { (pointer) throws(MPIError) in
            try allReduce(UnsafeMutableBufferPointer(start: pointer, count: 1), operation)
        }
        return result
    }

    /// Every rank's value, in the order of the ranks. A collective.
    public func allGather<T: MPIDatatype>(_ value: T) throws(MPIError) -> [T] {
        try allGather([value], counts: [Int](repeating: 1, count: count))
    }

    /// Every rank's text, in the order of the ranks. A collective.
    public func allGather(_ text: String) throws(MPIError) -> [String] {
        let bytes = Array(text.utf8)
        let counts = try allGather(bytes.count)
        let all = try allGather(bytes, counts: counts)
        var start = 0
        return counts.map { count in
            defer { start += count }
            return String(decoding: all[start..<start + count], as: UTF8.self)
        }
    }

    /// The ranks' arrays one after the other, `counts[r]` values from rank r (below 2³¹ in all). A collective; all ranks pass the same
    /// counts.
    public func allGather<T: MPIDatatype>(_ values: [T], counts: [Int]) throws(MPIError) -> [T] {
        precondition(counts.count == count, "allGather: \(counts.count) counts for \(count) ranks")
        precondition(counts[rank] == values.count, "allGather: \(values.count) values where \(counts[rank]) were announced")
        guard count > 1 else { return values }
        var starts: [CInt] = [], total = 0
        for count in counts {
            starts.append(CInt(total))
            total += count
        }
        precondition(total <= CInt.max, "allGather: \(total) values, more than MPI can count")
        var result = [T](repeating: .zero, count: total)
        // MPI reads the counts until it is done.
        let lengths = counts.map { CInt($0) }
        try result.withUnsafeMutableBufferPointer { (result) throws(MPIError) in
            try values.withUnsafeBufferPointer { (values) throws(MPIError) in
                try lengths.withUnsafeBufferPointer { (lengths) throws(MPIError) in
                    try starts.withUnsafeBufferPointer { (starts) throws(MPIError) in
                        _ = try complete("MPI_Iallgatherv") {
                            cmpi_iallgatherv(
                                values.baseAddress, CInt(values.count), result.baseAddress, lengths.baseAddress!, starts.baseAddress!,
                                T.mpiDatatype, raw, $0)
                        }
                    }
                }
            }
        }
        return result
    }

    /// Every sample's value in the order of the batch, from the values of each rank's own samples. A collective.
    ///
    /// With them each rank sums along the same tree (`BatchTree.sum`), so that loss and metrics have the same bits at any number of ranks.
    public func gatherPerSample(_ values: [Double], of partition: BatchPartition) throws(MPIError) -> [Double] {
        precondition(partition.ranks == count, "gatherPerSample: a partition among \(partition.ranks) ranks, but there are \(count)")
        return try allGather(values, counts: (0..<count).map { partition.range(of: $0).count })
    }
}
