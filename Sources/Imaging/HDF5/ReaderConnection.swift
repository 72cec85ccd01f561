/// The other end that a `ReaderProcess` talks to: the child, or in tests what one might say.
package protocol ReaderConnection: Sendable {
    /// Sends all of `bytes`.
    ///
    /// - Throws: `ReaderFailure`.
    func send(_ bytes: UnsafeRawBufferPointer, until deadline: ContinuousClock.Instant) throws
    /// Fills `bytes`.
    ///
    /// - Throws: `ReaderFailure`.
    func receive(into bytes: UnsafeMutableRawBufferPointer, until deadline: ContinuousClock.Instant) throws
    /// The signal that ended the other side, if one did.
    var endingSignal: Int32? { get }
}

/// Why nothing more is to be expected of the other side.
package enum ReaderFailure: Error {
    /// It has ended.
    case ended
    /// The time was over.
    case timeOut
    /// It said what it should not.
    case nonsense
}
