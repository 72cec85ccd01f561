// Checks that need several ranks: `mpirun -n N mpi-checks NAME`. Each exits with 0, or with one line and another status.
import DataParallel

/// The checks by the name that selects them.
let checks: [String: @Sendable (borrowing World) throws -> Void] = [
    "abort": { try checkAbort($0.communicator) },
    "absent": { try failToBegin($0.communicator) },
    "agree": { try checkAgreement($0.communicator) },
    "allocation": { try checkAllocation($0.communicator) },
    "alone": { try checkAlone($0) },
    "collectives": { try checkCollectives($0.communicator) },
    "fail-agreed": { try failTogether($0.communicator) },
    "fail-alone": { try failAlone($0.communicator) },
    "fail-overlapped": { try failOverlapped($0.communicator) },
    "labels": { try checkLabels($0.communicator) },
    "large-message": { try checkLargeMessage($0.communicator) },
    "messages": { try checkMessages($0.communicator) },
    "mpi-error": { try provokeError($0.communicator) },
    "placement": { try checkPlacement($0) },
    "reduction": { try checkReduction($0.communicator) },
    "reduction-fast": { try checkFastReduction($0.communicator) },
    "reduction-full": { try checkFullReduction($0.communicator) },
    "reduction-many": { try checkManyBlocks($0.communicator) },
    "shared-memory": { try checkSharedMemory($0.communicator) },
    "samples": { try checkSamples($0.communicator) },
    "verification": { try checkVerification($0.communicator) },
]

World.run { world in
    let name = CommandLine.arguments.dropFirst().first ?? ""
    guard let check = checks[name] else {
        throw CheckFailure("usage: mpi-checks \(checks.keys.sorted().joined(separator: "|"))", exitStatus: 64)
    }
    try check(world)
}
