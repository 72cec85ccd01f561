import Imaging

// The scores of the segments of the held-out slices, at an interval of their own because they take longer than the pixels'.
extension Trainer {
    /// Whether the validation after this step scores segments.
    func scoresSegments(at step: Int, of total: Int) -> Bool {
        let interval = configuration.segmentationScoresEvery
        return interval > 0 && (step == total || step % interval == 0)
    }

    /// Logs the scores of the segments and makes them metrics; without them, those of an earlier validation are metrics no longer.
    func recordSegments(_ scores: VolumeScores?) throws {
        metrics["validation_pixel_error"] = scores?.pixels.pixelError
        metrics["validation_rand_error"] = scores?.bestRandError.randError
        metrics["validation_v_rand"] = scores?.bestVRand.vRand
        metrics["validation_v_info"] = scores?.bestVInfo.vInfo
        metrics["validation_warping_error"] = scores?.bestWarpingError.warpingError
        guard let scores else { return }
        logger.notice(
            "step \(progress.step)  validation: V-Rand \(fixed(scores.bestVRand.vRand, 4))  V-Info \(fixed(scores.bestVInfo.vInfo, 4))  Rand error \(fixed(scores.bestRandError.randError, 4))  warping error \(fixed(scores.bestWarpingError.warpingError, 6))"
        )
        try records?.append([
            "step": .count(progress.step), "epoch": .count(epoch), "validation_pixel_error": .number(scores.pixels.pixelError),
            "validation_rand_error": .number(scores.bestRandError.randError), "validation_v_rand": .number(scores.bestVRand.vRand),
            "validation_v_info": .number(scores.bestVInfo.vInfo),
            "validation_warping_error": .number(scores.bestWarpingError.warpingError),
        ])
    }
}
