import DataParallel
import Glibc
import Kernels
import Model
import Synchronization

func env(_ name: String, _ fallback: Int) -> Int { getenv(name).flatMap { Int(String(cString: $0)) } ?? fallback }

final class OverlappedBackward: @unchecked Sendable {
    let network: Network
    let reducer: GradientReducer
    let bucket = env("X_BUCKET_KIB", 4096) << 8
    let mode = getenv("X_MODE").map { String(cString: $0) } ?? "none"
    let interval = env("X_US", 500)
    let burst = env("X_BURST", 1)
    var error: (any Error)?
    var last = ContinuousClock.now
    var isBusy = false
    var busy = 0.0
    var maxGap = 0.0
    var doneAt = ContinuousClock.now
    let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    var pending = false
    var thread = pthread_t()

    init(network: Network, reducer: GradientReducer) {
        self.network = network
        self.reducer = reducer
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
        if mode == "tasks" { network.device.threads.betweenTasks = { [unowned self] in poll() } }
        if mode == "thread" {
            pthread_create(&thread, nil, { raw in
                let me = Unmanaged<OverlappedBackward>.fromOpaque(raw!).takeUnretainedValue()
                me.work()
                return nil
            }, Unmanaged.passUnretained(self).toOpaque())
        }
    }
    func work() {
        prctlSlack()
        while true {
            pthread_mutex_lock(mutex)
            while !pending { pthread_cond_wait(condition, mutex) }
            pollNow()
            if !isBusy { pending = false }
            pthread_mutex_unlock(mutex)
            usleep(UInt32(interval))
        }
    }
    func prctlSlack() { _ = prctl_slack() }
    func pollNow() {
        let now = ContinuousClock.now
        maxGap = max(maxGap, (now - last) / .seconds(1))
        do {
            for _ in 0..<burst { isBusy = try !reducer.advance(); if !isBusy { break } }
        } catch { self.error = error; isBusy = false }
        last = ContinuousClock.now
        busy += (last - now) / .seconds(1)
        if !isBusy { doneAt = last }
    }
    func poll() {
        guard isBusy else { return }
        let now = ContinuousClock.now
        if (now - last) / .microseconds(1) < Double(interval) { return }
        pollNow()
    }
    func run(seed: UInt64, firstPosition: Int) throws {
        var open = network.arenaCount..<network.arenaCount
        busy = 0; maxGap = 0; last = ContinuousClock.now
        try network.backward(training: true, seed: seed, firstPosition: firstPosition) { range in
            open = range.lowerBound..<open.upperBound
            if open.count >= bucket || open.lowerBound == 0 {
                if mode == "thread" {
                    pthread_mutex_lock(mutex)
                    if !isBusy { last = ContinuousClock.now }
                    enqueue(open)
                    pending = true
                    isBusy = true
                    pthread_cond_signal(condition)
                    pthread_mutex_unlock(mutex)
                } else {
                    if !isBusy { last = ContinuousClock.now }
                    enqueue(open)
                    isBusy = true
                    if mode == "tasks" || mode == "layers" { pollNow() }
                }
                open = open.lowerBound..<open.lowerBound
            } else if mode == "layers" && isBusy { pollNow() }
            if let error { throw error }
        }
    }
    func enqueue(_ range: Range<Int>) {
        reducer.enqueue(network.gradientValues.baseAddress!, stride: network.arenaCount, range: range)
    }
    func finish() throws {
        if mode == "thread" { pthread_mutex_lock(mutex); pending = false }
        if let error { throw error }
        try reducer.finish()
        isBusy = false
        if mode == "thread" { pthread_mutex_unlock(mutex) }
        if getenv("X_TRACE") != nil { print("busy \(busy) maxgap \(maxGap)") }
    }
}
func prctl_slack() -> Int32 { 0 }
