// What Swift cannot express: the vector operations that SIMD16<Float> does not lower reliably, the CPU's features, and
// the argument records that pass through C function pointers to the kernels of each instruction set. The inline
// functions are compiled by Swift's importer with the importing target's own -march.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The best instruction set this CPU offers: 0 baseline, 1 AVX2 with FMA, 2 AVX-512 (F, VL, DQ, BW).
int csimd_instruction_set(void);

/// The CPU's marketing name, or "unknown".
const char *csimd_cpu_name(void);

typedef float f32x16 __attribute__((ext_vector_type(16)));     // imported as SIMD16<Float>
typedef int32_t i32x16 __attribute__((ext_vector_type(16)));
typedef uint32_t u32x16 __attribute__((ext_vector_type(16)));  // imported as SIMD16<UInt32>
typedef uint64_t u64x16 __attribute__((ext_vector_type(16)));
typedef double f64x16 __attribute__((ext_vector_type(16)));    // imported as SIMD16<Double>

#define CSIMD_INLINE static inline __attribute__((always_inline))

/// a * b + c, fused where the target has the instruction: without it an fma is sixteen calls of libm.
CSIMD_INLINE f32x16 f32x16_fma(f32x16 a, f32x16 b, f32x16 c) {
#if defined(__FMA__) || defined(__aarch64__)
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}
/// The larger one, or NaN where either is NaN: a network that has gone wrong must not look healthy.
CSIMD_INLINE f32x16 f32x16_max(f32x16 a, f32x16 b) {
  i32x16 first = (a > b) | (a != a);
  return (f32x16)(((i32x16)a & first) | ((i32x16)b & ~first));
}
/// 0 where a < 0, else a; NaN stays NaN.
CSIMD_INLINE f32x16 f32x16_relu(f32x16 a) { return (f32x16)((i32x16)a & ~(a < 0.0f)); }
CSIMD_INLINE f32x16 f32x16_sqrt(f32x16 a) { return __builtin_elementwise_sqrt(a); }
/// a where m > 0, else 0: the gradient of ReLU, given its output m.
CSIMD_INLINE f32x16 f32x16_where_positive(f32x16 a, f32x16 m) { return (f32x16)((i32x16)a & (m > 0.0f)); }
/// a where x == y, else 0.
CSIMD_INLINE f32x16 f32x16_where_equal(f32x16 a, f32x16 x, f32x16 y) { return (f32x16)((i32x16)a & (x == y)); }
/// a where x != y, else 0.
CSIMD_INLINE f32x16 f32x16_where_different(f32x16 a, f32x16 x, f32x16 y) { return (f32x16)((i32x16)a & (x != y)); }
/// a where r >= threshold, else 0.
CSIMD_INLINE f32x16 f32x16_where_at_least(f32x16 a, u32x16 r, uint32_t threshold) {
  return (f32x16)((i32x16)a & (i32x16)(r >= (u32x16)threshold));
}
/// High and low words of the 32 x 32 bit products.
CSIMD_INLINE u32x16 u32x16_multiply_high(u32x16 a, uint32_t b) {
  return __builtin_convertvector((__builtin_convertvector(a, u64x16) * (u64x16)(uint64_t)b) >> 32, u32x16);
}
CSIMD_INLINE u32x16 u32x16_multiply_low(u32x16 a, uint32_t b) { return a * (u32x16)b; }
CSIMD_INLINE u32x16 u32x16_xor(u32x16 a, u32x16 b) { return a ^ b; }
/// One step of a checksum: the sum so far, rotated so that the place of a float counts, plus the float's bits.
CSIMD_INLINE u32x16 u32x16_mix(u32x16 sum, f32x16 v) { return (sum << 5 | sum >> 27) + (u32x16)v; }
/// sum + v v in double precision, where the square is exact.
CSIMD_INLINE f64x16 f64x16_add_square(f64x16 sum, f32x16 v) {
  f64x16 wide = __builtin_convertvector(v, f64x16);
  return sum + wide * wide;
}
/// The bits taken as signed integers, rounded to the nearest float.
CSIMD_INLINE f32x16 f32x16_from_signed(u32x16 a) { return __builtin_convertvector((i32x16)a, f32x16); }
/// a where lane >= 0, else 0.
CSIMD_INLINE f32x16 f32x16_where_not_negative(f32x16 a, u32x16 lane) { return (f32x16)((i32x16)a & ((i32x16)lane >= 0)); }
/// Interleaves of the lower and upper halves of a and b: one step of a 16 x 16 transpose.
CSIMD_INLINE f32x16 f32x16_even(f32x16 a, f32x16 b) {
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}
CSIMD_INLINE f32x16 f32x16_odd(f32x16 a, f32x16 b) {
  return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}
/// Stores a whole cache line past the caches, which else would first read what is overwritten. `csimd_stream_fence` orders such stores
/// before what follows.
CSIMD_INLINE void f32x16_stream(void *p, f32x16 v) { __builtin_nontemporal_store(v, (f32x16 *)p); }
CSIMD_INLINE void csimd_stream_fence(void) {
#if defined(__x86_64__)
  __builtin_ia32_sfence();
#endif
}
CSIMD_INLINE void csimd_prefetch(const void *p) { __builtin_prefetch(p, 0, 3); }

/// Tells the core that this thread is waiting in a loop.
CSIMD_INLINE void csimd_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// A convolution by one of the transformed schemes (see Scheme.swift), forward or as input gradient.
/// Activations lie as [sample][block of 16 channels][row][column][16]; strides count floats between samples.
typedef struct {
  const float *input;      // [batch][inputBlocks][inputHeight][inputWidth][16]
  const float *weights;    // [outputBlocks][inputBlocks][taps][16 in][16 out]; transposed and rotated when `rotated`
  const float *bias;       // [outputBlocks][16], or null
  const float *mask;       // like output: outputs are zeroed where mask <= 0; or null
  float *output;           // [batch][outputBlocks][outputHeight][outputWidth][16]
  float *transformed;      // transformed weights, or null: each block is transformed when it is used
  float *transformedInput; // transformed input of all tiles (a single group), or null: each task transforms its group
  float *scratch;          // threads x scratchStride floats
  ptrdiff_t inputStride, outputStride, maskStride, scratchStride;
  ptrdiff_t batch, inputBlocks, outputBlocks;
  ptrdiff_t height, width;          // of the tiled image: the output's, for a scheme that enlarges the source's
  ptrdiff_t inputHeight, inputWidth, top, left;   // of the input of a scheme with stride 1, and the zeros above and to the left of it
  ptrdiff_t inputChannels;          // real channels of a gathered input
  ptrdiff_t kernelHeight, kernelWidth;
  ptrdiff_t tiles, tileGroup;       // tiles in all, and in one group
  ptrdiff_t outputParts;            // a task is one tile group of one part of the outputs
  bool rotated, relu, accumulate;
  bool streams;            // write the output past the caches
} csimd_convolution;

/// The weight and bias gradient of one sample. The tiles pass in groups; `group` is the current one.
typedef struct {
  const float *input;            // [inputBlocks][inputHeight][inputWidth][16]
  const float *outputGradient;   // [outputBlocks][outputHeight][outputWidth][16]
  float *weightGradient;         // [outputBlocks][inputBlocks][taps][16][16], overwritten
  float *biasGradient;           // [outputBlocks][16], overwritten; or null
  float *transformedInput, *transformedGradient, *products, *scratch;
  ptrdiff_t inputBlocks, outputBlocks, height, width, inputChannels, kernelHeight, kernelWidth;
  ptrdiff_t inputHeight, inputWidth, top, left;    // as above
  ptrdiff_t tiles, tileGroup, group, inputChunk;   // inputChunk: input blocks in one unit of the product
  ptrdiff_t scratchStride;
} csimd_weight_gradient;

/// 2 x 2 maximum pooling with stride 2; an odd last row or column is dropped.
typedef struct {
  const float *input, *output, *outputGradient;
  float *result;                 // forward: the pooled image; backward: the input's gradient
  ptrdiff_t inputStride, outputStride, gradientStride, resultStride;
  ptrdiff_t blocks, height, width;   // of the input
  bool accumulate, mask;         // backward: add to result; zero the gradient where input <= 0
} csimd_pooling;

/// Dropout of one sample's block plane, forward or backward.
typedef struct {
  const float *input, *mask;     // mask: the producer's ReLU output, or null (backward)
  float *result;
  ptrdiff_t inputStride, maskStride, resultStride, blocks, pixels;
  uint32_t threshold;            // elements whose random bits are below are dropped
  float scale;
  uint32_t key0, key1, counter3;
  uint64_t firstPosition;        // stream position of sample 0
  bool accumulate;
} csimd_dropout;

/// Adam over `count` floats in pieces of `piece`, with the checksum of each piece of the new parameters.
typedef struct {
  float *parameters, *firstMoment, *secondMoment;
  const float *gradients;
  uint64_t *checksums;
  ptrdiff_t count, piece;        // count: a multiple of 16
  float beta1, beta2, rest1, rest2;   // rest: 1 - beta, rounded once
  float stepSize, secondCorrection, epsilon;   // stepSize: rate / (1 - beta1^t); secondCorrection: 1 / sqrt(1 - beta2^t)
  float gradientScale, decay;    // the gradient is scaled, then the parameter times decay is added
  float pull;                    // share of the parameter that is taken off beside the step
} csimd_adam;

/// Gradient descent with momentum, likewise. The step is the rate times (velocityShare velocity + gradientShare gradient).
typedef struct {
  float *parameters, *velocity;
  const float *gradients;
  uint64_t *checksums;
  ptrdiff_t count, piece;        // count: a multiple of 16
  float learningRate, momentum, velocityShare, gradientShare;
  float decay, gradientScale;    // as above
} csimd_momentum;

/// average += rate (values - average) over `count` floats in pieces of `piece`.
typedef struct {
  const float *values;
  float *average;
  ptrdiff_t count, piece;
  float rate;
} csimd_average;

/// destination (+)= source over [block][pixels][16], masked where `mask` <= 0.
typedef struct {
  const float *source, *mask;
  float *destination;
  ptrdiff_t sourceStride, maskStride, destinationStride, blocks, pixels;
  bool accumulate;
} csimd_copy;

/// destination += source over `count` floats in pieces of `piece`.
typedef struct {
  const float *source;
  float *destination;
  ptrdiff_t count, piece;
} csimd_add;

/// Sums over, and linear maps of, the pixels of each channel; a task is one piece of one block plane of one sample.
typedef struct {
  const float *input, *outputGradient, *mask;
  const float *coefficients;     // [batch][blocks][4][16]
  float *result;                 // an image, or [batch][blocks][pieces][2][16]
  ptrdiff_t inputStride, gradientStride, maskStride, resultStride, blocks, pixels, piece, pieces;
  bool relu, accumulate;
} csimd_normalization;

/// result = first + second, rectified or not; a task is one block plane.
typedef struct {
  const float *first, *second;
  float *result;
  ptrdiff_t firstStride, secondStride, resultStride, blocks, pixels;
  bool relu;
} csimd_sum;

/// A tensor times the sigmoid of lane 0 of another of one block; a task is one piece of a sample's pixels.
typedef struct {
  const float *input, *gate, *outputGradient;
  float *result;                       // forward
  float *inputGradient, *gateGradient; // backward, each may be null
  ptrdiff_t inputStride, gateStride, gradientStride, resultStride, inputGradientStride, gateGradientStride;
  ptrdiff_t blocks, pixels, piece, pieces;
  bool accumulateInput, maskInput, accumulateGate, maskGate;
} csimd_gate;

/// The middle of larger planes; a task is one block plane. Forward the source is large, backward the result.
typedef struct {
  const float *source, *mask;
  float *result;
  ptrdiff_t sourceStride, resultStride, maskStride, blocks, height, width, largeHeight, largeWidth, top, left;
  bool accumulate;
} csimd_crop;

/// A number for each piece of `count` floats: its checksum, or the bits of its sum of squares.
typedef struct {
  const float *values;
  uint64_t *results;
  ptrdiff_t count, piece;        // count: a multiple of 16
} csimd_check;

/// Truncated normal values for a convolution's weights; a task is one output block.
typedef struct {
  float *weights;                // [outputBlocks][inputBlocks][taps][16 in][16 out]
  const uint32_t *filters;       // the filter of each output lane; all bits set: none
  const ptrdiff_t *lanes;        // the lane of each input channel
  ptrdiff_t inputBlocks, channels, taps;
  float deviation;
  uint32_t key0, key1, counter3;
} csimd_initialization;

/// One unit of parallel work: its argument record, its index, and the thread it runs on.
typedef void (*csimd_task)(const void *arguments, ptrdiff_t task, ptrdiff_t thread);

/// The kernels of one instruction set.
typedef struct {
  csimd_task winograd4Weights, winograd4Input, winograd4, winograd4GradientTransform, winograd4GradientProduct;
  csimd_task winograd6Weights, winograd6Input, winograd6, winograd6GradientTransform, winograd6GradientProduct;
  csimd_task upsampledWeights, upsampled, upsampledGradientTransform, upsampledGradientProduct;
  csimd_task upsampledInputWeights, upsampledInput;
  csimd_task pointwiseWeights, pointwise, pointwiseGradientTransform, pointwiseGradientProduct;
  csimd_task transposedWeights, transposed, transposedGradientTransform, transposedGradientProduct;
  csimd_task transposedInputWeights, transposedInput;
  csimd_task gatheredWeights, gathered, gatheredGradientTransform, gatheredGradientProduct;
  csimd_task moments, gradientMoments, normalize, normalizeGradient;
  csimd_task sum, gate, gateGradient, crop, cropGradient;
  csimd_task pooling, poolingGradient, dropout, adam, momentum, average, copy, add, checksum, squareSum, truncatedNormal;
  csimd_task fusedMultiplyAddPeak;
  ptrdiff_t tileMultiple;        // tile groups that are multiples of this waste nothing
} csimd_kernels;
