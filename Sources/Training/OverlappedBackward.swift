import DataParallel
import Kernels
import Model

/// The backward pass with the reduction of its gradients beneath it: what is finished is on its way while the rest is computed.
///
/// Backward finishes the gradient buffer as a growing suffix. As soon as `bucketCount` floats of it are new they are enqueued as one
/// bucket, the same on all ranks, as layers alone decide it; bits do not depend on it. MPI moves messages only inside of its calls, so
/// the thread that runs the kernels lets the reduction advance between their tasks: no other thread touches MPI, and a rank with one core
/// shares it with nobody.
///
/// A thread of its own for the reduction, asleep between looks at its messages, was measured against this in turns, step by step in one
/// run (docs/scaling.md). Exposed communication as a share of the step, 512×512 at 1 Gbit/s: 2.0 % here, 3.1 % with the thread, 14.1 % when
/// looking only between layers, which last longer than the sockets' buffers, and 21.4 % after backward. In shared memory they are level.
final class OverlappedBackward {
    /// Seconds of the last pass that the reduction took of the computing thread while backward ran.
    private(set) var overlappedSeconds = 0.0
    /// Told of each bucket as it leaves, where someone measures.
    var bucketObserver: ((Range<Int>) -> Void)?

    private let network: Network
    private let reducer: GradientReducer
    private let bucketCount: Int
    private let watchdog: Watchdog
    /// What comes between tasks; made once, as a step allocates nothing.
    private var betweenTasks: () -> Void = {}
    private var isPending = false
    private var lastAdvance = ContinuousClock.now
    /// What went wrong between two tasks, where nothing can be thrown.
    private var failure: MPIError?

    /// The shortest time from one look at the messages to the next: at 1 Gbit/s 62 KB arrive in it.
    private static let interval = Duration.microseconds(500)
    /// How often a look lets MPI work. Each time it takes about one fragment (128 KiB over TCP) off a socket.
    private static let advancesPerLook = 4

    /// - Parameters:
    ///   - network: planned for training; its device's threads must run nothing else during a pass.
    ///   - reducer: sums gradients as long as the network's.
    ///   - bucketMebibytes: gradients that leave together, at least.
    ///   - watchdog: is told of each task.
    init(network: Network, reducer: GradientReducer, bucketMebibytes: Int, watchdog: Watchdog) {
        precondition(reducer.count == network.arenaCount && bucketMebibytes > 0, "OverlappedBackward: \(bucketMebibytes) MiB")
        self.network = network
        self.reducer = reducer
        self.watchdog = watchdog
        bucketCount = bucketMebibytes << 18
        betweenTasks = { [unowned self] in
            watchdog.worked()
            advanceIfDue()
        }
    }

    /// Computes all gradients from the loss gradient. What is enqueued then is reduced by `finish`. A collective; the arguments are those
    /// of the forward pass. Without `sends` nothing is enqueued before `sendAll`.
    func run(seed: UInt64, firstPosition: Int, sends: Bool = true) throws {
        overlappedSeconds = 0
        let others = network.device.threads.betweenTasks
        network.device.threads.betweenTasks = betweenTasks
        defer { network.device.threads.betweenTasks = others }
        var end = network.arenaCount
        try network.backward(training: true, seed: seed, firstPosition: firstPosition) { finished in
            if let failure { throw failure }
            guard sends else { return }
            guard end - finished.lowerBound >= bucketCount || finished.lowerBound == 0 else { return }
            bucketObserver?(finished.lowerBound..<end)
            reducer.enqueue(network.gradientValues.baseAddress!, stride: network.arenaCount, range: finished.lowerBound..<end)
            end = finished.lowerBound
            isPending = true
            advance()
        }
    }

    /// Enqueues all gradients at once, of a pass that did not send them.
    func sendAll() {
        let all = 0..<network.arenaCount
        bucketObserver?(all)
        reducer.enqueue(network.gradientValues.baseAddress!, stride: network.arenaCount, range: all)
        isPending = true
    }

    /// Waits until the sums of all gradients are in the first gradient buffer. A collective.
    func finish() throws {
        if let failure { throw failure }
        try reducer.finish()
        isPending = false
    }

    private func advanceIfDue() {
        if isPending, ContinuousClock.now - lastAdvance >= Self.interval { advance() }
    }

    private func advance() {
        let start = ContinuousClock.now
        do throws(MPIError) {
            for _ in 0..<Self.advancesPerLook where isPending { isPending = try !reducer.advance() }
        } catch {
            failure = error
            isPending = false
        }
        lastAdvance = .now
        overlappedSeconds += (lastAdvance - start) / .seconds(1)
    }
}
