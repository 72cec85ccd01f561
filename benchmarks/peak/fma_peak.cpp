// What the cores can do at most: fused multiply-adds on registers alone, by 1 … N threads at once.
//
//     g++ -std=c++17 -O2 -march=native -pthread -o fma_peak fma_peak.cpp && ./fma_peak --threads 2
//
// Two cores rarely do exactly twice the work of one (clock, shared power, neighbours on a virtual machine); the scaling of the
// program is judged against this. Prints one JSON object with the best of several rounds for each thread count.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int lanes = 16;
constexpr const char *instruction_set = "avx512";
#elif defined(__AVX2__) && defined(__FMA__)
constexpr int lanes = 8;
constexpr const char *instruction_set = "avx2";
#else
constexpr int lanes = 4;
constexpr const char *instruction_set = "baseline";
#endif
typedef float Vector __attribute__((vector_size(lanes * sizeof(float))));

// Twelve independent chains hide the latency of two pipes (4 to 5 cycles each), and leave registers free on every instruction set.
constexpr int chains = 12;
// About a tenth of a second: long enough for the scheduler to spread the threads over the cores.
constexpr long iterations = 30'000'000;

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Runs the chains; the sum keeps the compiler from dropping them.
float multiply_and_add() {
    Vector sums[chains];
    for (int i = 0; i < chains; ++i) sums[i] = Vector{} + static_cast<float>(i);
    // Opaque, so that nothing is folded; the sums converge to 2 and are never denormal.
    float half = 0.5f, one = 1.0f;
    asm volatile("" : "+m"(half), "+m"(one));
    const Vector factor = Vector{} + half, summand = Vector{} + one;
    for (long i = 0; i < iterations; ++i)
#pragma GCC unroll 12
        for (int chain = 0; chain < chains; ++chain) sums[chain] = sums[chain] * factor + summand;
    float total = 0;
    for (const Vector &sum : sums)
        for (int lane = 0; lane < lanes; ++lane) total += sum[lane];
    return total;
}

/// GFLOP/s of `count` threads at once: all work over the time from the common start to the last end.
double gflops_of(int count) {
    std::atomic<int> waiting{0};
    std::atomic<bool> started{false};
    std::atomic<float> sink{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i)
        threads.emplace_back([&] {
            waiting.fetch_add(1);
            while (!started.load()) std::this_thread::yield();
            sink.store(multiply_and_add());
        });
    while (waiting.load() < count) std::this_thread::yield();
    const double start = seconds_now();
    started.store(true);
    for (auto &thread : threads) thread.join();
    return 2.0 * lanes * chains * iterations * count / (seconds_now() - start) / 1e9;
}

}  // namespace

int main(int count, char **arguments) {
    const bool is_well_formed = count == 3 && std::strcmp(arguments[1], "--threads") == 0;
    const int most = is_well_formed ? std::atoi(arguments[2]) : 0;
    if (most < 1 || most > 1024) {
        std::fputs("Usage: fma_peak --threads N\n\nMeasures 1 to N threads at once and prints one JSON object.\n", stderr);
        return 64;
    }
    std::vector<double> best(most, 0);
    // Thread counts alternate, so that a slow phase of the machine does not meet one of them alone.
    for (int round = 0; round < 7; ++round)
        for (int threads = 1; threads <= most; ++threads) best[threads - 1] = std::max(best[threads - 1], gflops_of(threads));
    std::printf("{\"instruction_set\":\"%s\",\"gflops\":[", instruction_set);
    for (int threads = 1; threads <= most; ++threads) std::printf("%s%.2f", threads > 1 ? "," : "", best[threads - 1]);
    std::printf("]}\n");
}
