import Glibc
import Synchronization

/// Sees to it that no rank waits for ever for one that is dead, stopped, hung, or cut off.
///
/// Each rank says what it is at (`enter`), and that it is at work (`worked`, between the tasks of a kernel). Now and then it tells the others
/// in a heartbeat, a message of a few words on a communicator of its own. No thread but the main one calls MPI: heartbeats are sent and
/// received while it computes and while it waits, and all waiting is done in loops that look at the watchdog (`Communicator.wait`). A rank that
/// has waited for `Limits.warning` seconds names those that neither went on nor wait themselves: their hosts, and what they were at when they
/// were last heard of. After `Limits.end` it ends the job.
///
/// A thread that never calls MPI keeps the time, and watches its own process: a main thread that neither works nor waits for so long (it
/// may be stuck in a file system, or inside of MPI) is named by it, and the process ended; a rank that is alone has no other watch. It also ends the
/// process when `MPI_Abort` does not return, as the launcher may be out of reach.
///
/// Phases that are known to take long (`Phase.isLong`) have `Limits.longPhaseFactor` times as long. Time in which this whole process was
/// stopped (a suspended job, a laptop asleep) does not count.
public final class Watchdog: @unchecked Sendable {
    /// How long a rank may make no progress.
    public struct Limits: Sendable, Equatable {
        /// Seconds until a warning.
        public var warning: Double
        /// Seconds until the end of the job.
        public var end: Double
        /// How many times as long a long phase may last.
        public static let longPhaseFactor = 10.0
        /// Seconds until a warning, unless the end comes earlier.
        public static let standardWarning = 15.0

        /// What holds where nothing else is asked for: the end after 60 s.
        public static let standard = Limits(end: 60)

        /// Limits that end a job after `end` seconds, with a warning after 15 s, or half way where that is earlier.
        public init(end: Double) {
            self.end = end
            warning = min(Self.standardWarning, end / 2)
        }

        /// Seconds that the ranks may need to come together at the start.
        var startup: Double { end * Self.longPhaseFactor }
    }

    /// Whether this process has been asked to end at once, as launchers do with those that are left of a job: then it does not wait long for
    /// the others. Called by the main thread.
    public var isAskedToEnd: (() -> Bool)?

    let rank: Int, count: Int
    /// The main thread's: whether heartbeats travel, and what was heard.
    var heartbeats: Heartbeats?
    private(set) var limits = Limits.standard
    private(set) var hosts: [String] = []
    private var lastLook = 0
    /// When the wait began that the rank is in; nil when it is in none.
    private var waitBegan: Int?
    /// Whether this wait has been warned of, and by this rank.
    private var hasWarned = false, hasSpoken = false
    /// What there was to be said when this wait first lasted too long.
    private var firstVerdict: String?
    /// The fault that a test wants, until it has struck.
    private var fault: TestFault?
    private var tasksOfPhase = 0

    // Written by the main thread, read by the watching one.
    private let state = Atomic<UInt64>(0)
    private let work = Atomic<Int>(0), looks = Atomic<Int>(0)
    // The other way round: milliseconds for which this process has been running since it was armed.
    private let clock = Atomic<Int>(0)
    /// When the main thread began to end the job, 0 as long as it has not, and with which status.
    private let endBegan = Atomic<Int>(0), endStatus = Atomic<Int32>(0)
    private let isArmed = Atomic<Bool>(false)
    /// Whether all ranks have left, and nothing but MPI's own end is to come.
    private let isFinalizing = Atomic<Bool>(false)
    /// Whether the watching thread has been started.
    private var isWatched = false

    init(rank: Int, count: Int) {
        (self.rank, self.count) = (rank, count)
        fault = TestFault.planned(for: rank)
    }

    // MARK: What this rank is at

    /// What a rank is at, in one word.
    struct State: Equatable {
        var word: UInt64
        init(word: UInt64) { self.word = word }
        init(_ phase: Phase, step: Int, isWaiting: Bool) {
            word = UInt64(step) << 16 | UInt64(phase.rawValue) << 8 | (isWaiting ? 1 : 0)
        }
        var step: Int { Int(word >> 16) }
        var phase: Phase { Phase(rawValue: UInt8(word >> 8 & 255)) ?? .startup }
        var isWaiting: Bool { word & 1 != 0 }
        /// `step 12, backward`
        var text: String { step == 0 ? "\(phase)" : "step \(step), \(phase)" }
        var allowance: Double { phase.isLong ? Limits.longPhaseFactor : 1 }
    }

    var currentState: State { State(word: state.load(ordering: .relaxed)) }
    var workDone: Int { work.load(ordering: .relaxed) }

    /// Says that this rank begins a phase; of a step, if `step` (from 1) is given, otherwise of the one that it is at.
    public func enter(_ phase: Phase, step: Int? = nil) {
        state.store(State(phase, step: step ?? currentState.step, isWaiting: false).word, ordering: .relaxed)
        tasksOfPhase = 0
        worked()
        if fault != nil, phase != .forward, phase != .backward, phase != .checkpoint { strikeIfDue() }
    }

    /// Says that this rank is at work. For the main thread, as often as it likes: it costs next to nothing.
    public func worked() {
        work.store(workDone &+ 1, ordering: .relaxed)
        look()
        if fault != nil {
            tasksOfPhase += 1
            if tasksOfPhase > 3, [.forward, .backward].contains(currentState.phase) { strikeIfDue() }
        }
    }

    /// For tests: whether a fault of this kind is planned for the phase that this rank is at.
    package func isPlanned(_ kind: TestFault.Kind) -> Bool {
        guard let fault, fault.kind == kind else { return false }
        return fault.step == currentState.step && fault.phase == currentState.phase
    }

    /// For tests: brings a fault about that is planned for the phase that this rank is at.
    package func strikeIfDue() {
        guard let fault, fault.step == currentState.step, fault.phase == currentState.phase, fault.kind.strikesProcess else { return }
        if fault.kind == .stop || fault.kind == .hang {
            // The others are to know what it was at.
            while let heartbeats, heartbeats.lastSent != currentState.word { look() }
        }
        self.fault = nil
        fault.strike()
    }

    // MARK: Waiting

    /// Marks a wait for other ranks, from its beginning to its end.
    func beginWait() {
        state.store(currentState.word | 1, ordering: .relaxed)
        waitBegan = clock.load(ordering: .relaxed)
    }

    func endWait() {
        state.store(currentState.word & ~1, ordering: .relaxed)
        work.store(workDone &+ 1, ordering: .relaxed)
        if hasSpoken, let waitBegan { say("the ranks go on, after \((clock.load(ordering: .relaxed) - waitBegan) / 1000) s") }
        (hasWarned, hasSpoken, firstVerdict) = (false, false, nil)
        waitBegan = nil
    }

    /// Sends and receives heartbeats when it is time, and says or does what must be said or done.
    func look() {
        let now = clock.load(ordering: .relaxed)
        looks.store(looks.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
        if now == lastLook { return }
        lastLook = now
        guard let heartbeats else { return }
        do throws(MPIError) {
            try heartbeats.receive(now: now)
            try heartbeats.send(currentState, work: workDone, now: now)
        } catch {
            end("rank \(rank) (\(hosts[rank])): \(oneLine(error))")
        }
        if let waitBegan { judge(now, waited: Double(now - waitBegan) / 1000, heartbeats) }
    }

    /// Whether one of the others is to be named, or the job to be ended.
    private func judge(_ now: Int, waited: Double, _ heartbeats: Heartbeats) {
        let longest = isAskedToEnd?() == true ? min(limits.end, Self.hurry) : limits.end
        // Ranks that are at a long phase have until later, for the warning as for the end: one does not make up for the other.
        if waited >= longest, let standstill = standstill(of: longest, now, heartbeats) {
            // The others come to the same end; those that are not ended by the speaker, because it cannot reach them, end themselves. They
            // say what they saw at first: by then the speaker may be silent, too, as it is ending the job.
            let text = firstVerdict ?? standstill.text
            firstVerdict = text
            if waited >= longest + (standstill.speaker == rank ? 0 : Self.patience) {
                end("\(text). The job ends; the same command goes on from the last checkpoint")
            }
        } else if waited >= limits.warning, !hasWarned, let standstill = standstill(of: limits.warning, now, heartbeats) {
            hasWarned = true
            if standstill.speaker == rank {
                hasSpoken = true
                say("\(standstill.text). The job ends after \(Int((limits.end * standstill.allowance).rounded())) s (--stall-timeout)")
            }
        }
    }

    /// Whether nothing will go on by itself, as some rank has made no progress for `limit` seconds, or each waits for another: the lowest of
    /// the ranks that can tell, and what it says; the longest allowance of those that are late.
    private func standstill(of limit: Double, _ now: Int, _ heartbeats: Heartbeats) -> (text: String, speaker: Int, allowance: Double)? {
        // What was heard is up to a heartbeat older than this rank's wait.
        let slack = heartbeats.slack
        var late: [Int] = [], waiting = 1, speaker = rank, allowance = 1.0
        for peer in 0..<count where peer != rank {
            let (state, still, silent) = heartbeats.peer(peer, now: now)
            let isLate = still >= limit * state.allowance - slack
            // One that waited when it was last heard of is not what the others wait for. If it is silent it may be ending the job, or have
            // been stopped: then it is late when it has been silent for as long, and until then nothing is known of it.
            if state.isWaiting && silent < max(slack, limit - slack) {
                waiting += isLate && silent < slack ? 1 : 0
                speaker = min(speaker, peer)
            } else if isLate {
                late.append(peer)
                allowance = max(allowance, state.allowance)
            } else {
                speaker = min(speaker, peer)
            }
        }
        guard !late.isEmpty || waiting == count else { return nil }
        let subject = late.isEmpty ? "the ranks wait for each other" : "\(list(late, heartbeats, now)) no progress"
        let seconds = Int((limit * allowance).rounded())
        return ("\(subject) for \(seconds) s; rank \(rank) (\(hosts[rank])) waits at \(currentState.text)", speaker, allowance)
    }

    /// `rank 2 (node03), last heard of 16 s ago at step 12, backward, has made`
    private func list(_ late: [Int], _ heartbeats: Heartbeats, _ now: Int) -> String {
        var parts = late.prefix(8).map { peer in
            let (state, _, silent) = heartbeats.peer(peer, now: now)
            return "rank \(peer) (\(hosts[peer])), last heard of \(Int(silent.rounded())) s ago at \(state.text)"
        }
        if late.count > 8 { parts.append("and \(late.count - 8) more") }
        return parts.joined(separator: "; ") + (late.count == 1 ? ", has made" : ", have made")
    }

    private static let patience = 3.0
    /// Seconds of waiting that are left to a rank that is asked to end.
    private static let hurry = 5.0

    private func say(_ text: String) { writeLine("warning: \(text)") }

    /// Ends the job with status 76. Where MPI cannot do it this process ends all the same, and the others, which hear no more of it.
    private func end(_ text: String) -> Never {
        writeLine(text)
        beginEnd(Self.exitStatus)
        World.abort(Self.exitStatus)
    }

    /// From now on the watching thread ends the process, with `status`, when it is not gone soon.
    func beginEnd(_ status: Int32) {
        endStatus.store(status, ordering: .relaxed)
        endBegan.store(max(1, clock.load(ordering: .relaxed)), ordering: .sequentiallyConsistent)
    }

    private static let exitStatus: Int32 = 76

    // MARK: The watching thread

    /// Begins to watch, with heartbeats between the ranks of `communicator`, if there are several. A collective.
    public func arm(_ limits: Limits, communicator: Communicator) throws(MPIError) {
        if count == 1 {
            hosts = [communicator.hostName]
        } else if heartbeats == nil {
            // The others may be stopped before they come here, and no heartbeat tells of it yet.
            try StartupTimeout.during("the exchange of host names", limits) { () throws(MPIError) in
                hosts = try communicator.allGather(communicator.hostName)
                heartbeats = Heartbeats(try communicator.duplicate(), limits: limits)
            }
        }
        self.limits = limits
        isArmed.store(true, ordering: .sequentiallyConsistent)
        if isWatched { return }
        isWatched = true
        WatchingThread.start { self.watch() }
    }

    /// Takes leave of the other ranks, so that no heartbeat is under way when MPI ends. A collective.
    func disarm() throws(MPIError) {
        enter(.end)
        if let heartbeats { try leave(heartbeats) }
        isFinalizing.store(true, ordering: .sequentiallyConsistent)
    }

    private func leave(_ heartbeats: Heartbeats) throws(MPIError) {
        beginWait()
        func wait(_ isDone: () throws(MPIError) -> Bool) throws(MPIError) {
            while try !isDone() {
                look()
                sched_yield()
            }
        }
        try wait { () throws(MPIError) in try heartbeats.areSent() }
        try heartbeats.leave()
        try wait { () throws(MPIError) in try heartbeats.haveAllLeft(now: lastLook) }
        try wait { () throws(MPIError) in try heartbeats.areSent() }
        endWait()
        self.heartbeats = nil
    }

    /// The last thing: MPI is finalised.
    func rest() { isArmed.store(false, ordering: .sequentiallyConsistent) }

    private func watch() {
        var time = WatchingThread.Clock()
        var seen = (work: -1, looks: -1), since = 0.0, hasWarned = false
        while isArmed.load(ordering: .sequentiallyConsistent) {
            let running = time.tick()
            clock.store(Int(running * 1000), ordering: .relaxed)

            let began = endBegan.load(ordering: .sequentiallyConsistent)
            if began > 0, running - Double(began) / 1000 > Self.patience { _exit(endStatus.load(ordering: .relaxed)) }

            let current = (work: work.load(ordering: .relaxed), looks: looks.load(ordering: .relaxed))
            if current != seen || began > 0 {
                (seen, since, hasWarned) = (current, running, false)
                continue
            }
            let still = running - since, state = currentState
            if isFinalizing.load(ordering: .sequentiallyConsistent) {
                // All ranks have done and saved everything, so this is no failure of the run.
                if still > limits.end {
                    writeLine(
                        "\(ownName): MPI_Finalize has not returned for \(Int(still)) s, though all ranks are done; the process ends without it"
                    )
                    _exit(0)
                }
                continue
            }
            // The others speak first, if there are any: they see more.
            if still > limits.end * state.allowance + (count == 1 ? 0 : 2 * Self.patience) {
                writeLine(
                    "\(ownName) has made no progress for \(Int(still)) s at \(state.text). It ends\(count == 1 ? "" : ", and the job with it"); the same "
                        + "command goes on from the last checkpoint, and --stall-timeout gives more time")
                Self.endProcess()
            }
            if still > limits.warning * state.allowance + (count == 1 ? 0 : 1), !hasWarned {
                hasWarned = true
                say("\(ownName) has made no progress for \(Int(still)) s at \(state.text)")
            }
        }
    }

    private var ownName: String { count == 1 ? "the process" : "rank \(rank) (\(hosts[rank]))" }

    /// Ends this process with status 76. Not through MPI: the main thread may be inside of it. The launcher ends the others, or they miss this rank.
    static func endProcess() -> Never { _exit(exitStatus) }
}
