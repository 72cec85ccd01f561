import CHDF5
import Foundation

/// libhdf5 keeps global state and is thread-safe only if it was built so: every call of ours holds this lock. It is
/// recursive because handles are closed, under the lock too, wherever they go out of scope.
private let hdf5Lock = NSRecursiveLock()

/// Nothing of ours is unwritten when the process ends, and what `HDF5File.abandon` leaves open must stay so.
private let atExit: Void = { _ = H5dont_atexit() }()

/// Runs calls of libhdf5 with the library to ourselves, and quiet: errors reach the user through `ImagingError` alone.
func withHDF5<Result: ~Copyable>(_ body: () throws -> Result) rethrows -> Result {
    hdf5Lock.lock()
    defer { hdf5Lock.unlock() }
    _ = atExit
    // A thread-safe libhdf5 has one error stack a thread, and each starts out printing.
    _ = H5Eset_auto2(hid_t(H5E_DEFAULT), nil, nil)
    return try body()
}

/// Makes links that lead to other files fail: a file that somebody sends must not name another one that is read in its place.
func hdf5StayInFile(_ access: borrowing HDF5Handle, file: String) throws {
    try hdf5Check(H5Pset_elink_cb(access.id, { _, _, _, _, _, _, _ in -1 }, nil), file: file, "set a property")
}

/// One identifier of libhdf5 (file, dataset, dataspace, type, property list), released when it goes out of scope.
struct HDF5Handle: ~Copyable, Sendable {
    let id: hid_t

    /// Takes over `id`, the result of a call that tried to `action` (an infinitive: "open dataset /a").
    init(_ id: hid_t, file: String, _ action: @autoclosure () -> String, kind: ImagingError.Kind = .invalid) throws {
        guard id >= 0 else { throw hdf5Error(kind, file: file, action()) }
        self.id = id
    }

    deinit { _ = withHDF5 { H5Idec_ref(id) } }
}

/// Throws if `status`, the result of a call that tried to `action`, says that it failed.
func hdf5Check<Status: SignedInteger>(
    _ status: Status, file: String, _ action: @autoclosure () -> String, kind: ImagingError.Kind = .invalid
) throws {
    guard status >= 0 else { throw hdf5Error(kind, file: file, action()) }
}

/// The library's error stack in words: the innermost cause, then what the call that we made says of it.
private func hdf5Error(_ kind: ImagingError.Kind, file: String, _ action: String) -> ImagingError {
    var causes: [String] = []
    _ = withUnsafeMutablePointer(to: &causes) { causes in
        H5Ewalk2(
            hid_t(H5E_DEFAULT), H5E_WALK_UPWARD,
            { _, entry, causes in
                if let text = entry?.pointee.desc { causes?.assumingMemoryBound(to: [String].self).pointee.append(String(cString: text)) }
                return 0
            }, causes)
    }
    _ = H5Eclear2(hid_t(H5E_DEFAULT))
    let cause = causes.first.map { causes.count > 1 ? "\($0) (\(causes.last!))" : $0 } ?? "libhdf5 gives no reason"
    return ImagingError(kind, file, "cannot \(action): \(cause)")
}
