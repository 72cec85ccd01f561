import CMPI

/// A Swift type that MPI can send and combine.
public protocol MPIDatatype: BitwiseCopyable, Sendable {
    /// MPI's name for the type.
    static var mpiDatatype: MPI_Datatype { get }
    /// The value of zeroed memory, which fills what a rank has yet to receive.
    static var zero: Self { get }
}

extension Float: MPIDatatype {
    /// `MPI_FLOAT`.
    public static var mpiDatatype: MPI_Datatype { cmpi_float() }
}
extension Double: MPIDatatype {
    /// `MPI_DOUBLE`.
    public static var mpiDatatype: MPI_Datatype { cmpi_double() }
}
extension Int: MPIDatatype {
    /// `MPI_INT64_T`.
    public static var mpiDatatype: MPI_Datatype { cmpi_int64() }
}
extension UInt64: MPIDatatype {
    /// `MPI_UINT64_T`.
    public static var mpiDatatype: MPI_Datatype { cmpi_uint64() }
}
extension Int32: MPIDatatype {
    /// `MPI_INT32_T`.
    public static var mpiDatatype: MPI_Datatype { cmpi_int32() }
}
extension UInt16: MPIDatatype {
    /// `MPI_UINT16_T`.
    public static var mpiDatatype: MPI_Datatype { cmpi_uint16() }
}
extension UInt8: MPIDatatype {
    /// `MPI_UINT8_T`.
    public static var mpiDatatype: MPI_Datatype { cmpi_uint8() }
}

/// How `allReduce` combines the ranks' values.
public enum Reduction: String, CaseIterable, Sendable {
    /// The sum. Of integers it wraps around; of floating-point numbers its order, and so its last bits, are MPI's choice:
    /// where they matter use `GradientReducer` or `gatherPerSample`.
    case sum
    /// The smallest value.
    case minimum
    /// The largest value.
    case maximum

    var mpiOperation: MPI_Op {
        switch self {
        case .sum: cmpi_sum()
        case .minimum: cmpi_min()
        case .maximum: cmpi_max()
        }
    }
}
