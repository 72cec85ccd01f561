import CSIMD

#if UNET_AVX512
    /// The kernels compiled for AVX-512.
    public let kernelsAVX512 = makeTable()
#elseif UNET_AVX2
    /// The kernels compiled for AVX2 with FMA.
    public let kernelsAVX2 = makeTable()
#else
    /// The kernels compiled for the architecture's baseline: SSE2 on x86-64, NEON on arm64.
    public let kernelsBaseline = makeTable()
#endif

private func makeTable() -> csimd_kernels {
    csimd_kernels(
        winograd4Weights: { transformAllWeights(Winograd4.self, $0!, $1, $2) },
        winograd4Input: { transformAllInput(Winograd4.self, $0!, $1, $2) },
        winograd4: { convolve(Winograd4.self, $0!, $1, $2) },
        winograd4GradientTransform: { transformForGradient(Winograd4.self, $0!, $1, $2) },
        winograd4GradientProduct: { multiplyForGradient(Winograd4.self, $0!, $1, $2) },
        winograd6Weights: { transformAllWeights(Winograd6.self, $0!, $1, $2) },
        winograd6Input: { transformAllInput(Winograd6.self, $0!, $1, $2) },
        winograd6: { convolve(Winograd6.self, $0!, $1, $2) },
        winograd6GradientTransform: { transformForGradient(Winograd6.self, $0!, $1, $2) },
        winograd6GradientProduct: { multiplyForGradient(Winograd6.self, $0!, $1, $2) },
        upsampledWeights: { transformAllWeights(Upsampled.self, $0!, $1, $2) },
        upsampled: { convolve(Upsampled.self, $0!, $1, $2) },
        upsampledGradientTransform: { transformForGradient(Upsampled.self, $0!, $1, $2) },
        upsampledGradientProduct: { multiplyForGradient(Upsampled.self, $0!, $1, $2) },
        upsampledInputWeights: { transformAllWeights(UpsampledInput.self, $0!, $1, $2) },
        upsampledInput: { convolve(UpsampledInput.self, $0!, $1, $2) },
        pointwiseWeights: { transformAllWeights(Pointwise.self, $0!, $1, $2) },
        pointwise: { convolve(Pointwise.self, $0!, $1, $2) },
        pointwiseGradientTransform: { transformForGradient(Pointwise.self, $0!, $1, $2) },
        pointwiseGradientProduct: { multiplyForGradient(Pointwise.self, $0!, $1, $2) },
        transposedWeights: { transformAllWeights(Transposed.self, $0!, $1, $2) },
        transposed: { convolve(Transposed.self, $0!, $1, $2) },
        transposedGradientTransform: { transformForGradient(Transposed.self, $0!, $1, $2) },
        transposedGradientProduct: { multiplyForGradient(Transposed.self, $0!, $1, $2) },
        transposedInputWeights: { transformAllWeights(TransposedInput.self, $0!, $1, $2) },
        transposedInput: { convolve(TransposedInput.self, $0!, $1, $2) },
        gatheredWeights: { transformAllWeights(Gathered.self, $0!, $1, $2) },
        gathered: { convolve(Gathered.self, $0!, $1, $2) },
        gatheredGradientTransform: { transformForGradient(Gathered.self, $0!, $1, $2) },
        gatheredGradientProduct: { multiplyForGradient(Gathered.self, $0!, $1, $2) },
        moments: { raw, task, _ in moments(raw!, task) },
        gradientMoments: { raw, task, _ in gradientMoments(raw!, task) },
        normalize: { raw, task, _ in normalize(raw!, task) },
        normalizeGradient: { raw, task, _ in normalizeGradient(raw!, task) },
        sum: { raw, task, _ in sum(raw!, task) },
        gate: { raw, task, _ in gate(raw!, task) },
        gateGradient: { raw, task, _ in gateGradient(raw!, task) },
        crop: { raw, task, _ in crop(raw!, task) },
        cropGradient: { raw, task, _ in cropGradient(raw!, task) },
        pooling: { raw, task, _ in pool(raw!, task) },
        poolingGradient: { raw, task, _ in poolGradient(raw!, task) },
        dropout: { raw, task, _ in drop(raw!, task) },
        adam: { raw, task, _ in adam(raw!, task) },
        momentum: { raw, task, _ in momentum(raw!, task) },
        average: { raw, task, _ in average(raw!, task) },
        copy: { raw, task, _ in copy(raw!, task) },
        add: { raw, task, _ in add(raw!, task) },
        checksum: { raw, task, _ in checksum(raw!, task) },
        squareSum: { raw, task, _ in squareSum(raw!, task) },
        truncatedNormal: { raw, task, _ in truncatedNormal(raw!, task) },
        fusedMultiplyAddPeak: { raw, _, _ in peak(raw!) },
        tileMultiple: tileMultiple)
}
