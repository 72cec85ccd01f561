import CHDF5

/// A number that HDF5 datasets and attributes hold. libhdf5 converts between the type in the file and the type in memory.
public protocol HDF5Element: BitwiseCopyable, Sendable {
    /// libhdf5's identifier of this type as this machine stores it.
    static var hdf5Type: Int64 { get }
}

extension Float: HDF5Element {
    /// `H5T_NATIVE_FLOAT`
    public static var hdf5Type: Int64 { hdf5_native_float() }
}
extension Double: HDF5Element {
    /// `H5T_NATIVE_DOUBLE`
    public static var hdf5Type: Int64 { hdf5_native_double() }
}
extension Int8: HDF5Element {
    /// `H5T_NATIVE_INT8`
    public static var hdf5Type: Int64 { hdf5_native_int8() }
}
extension Int16: HDF5Element {
    /// `H5T_NATIVE_INT16`
    public static var hdf5Type: Int64 { hdf5_native_int16() }
}
extension Int32: HDF5Element {
    /// `H5T_NATIVE_INT32`
    public static var hdf5Type: Int64 { hdf5_native_int32() }
}
extension Int64: HDF5Element {
    /// `H5T_NATIVE_INT64`
    public static var hdf5Type: Int64 { hdf5_native_int64() }
}
extension UInt8: HDF5Element {
    /// `H5T_NATIVE_UINT8`
    public static var hdf5Type: Int64 { hdf5_native_uint8() }
}
extension UInt16: HDF5Element {
    /// `H5T_NATIVE_UINT16`
    public static var hdf5Type: Int64 { hdf5_native_uint16() }
}
extension UInt32: HDF5Element {
    /// `H5T_NATIVE_UINT32`
    public static var hdf5Type: Int64 { hdf5_native_uint32() }
}
extension UInt64: HDF5Element {
    /// `H5T_NATIVE_UINT64`
    public static var hdf5Type: Int64 { hdf5_native_uint64() }
}
