// Times oneDNN's 3x3 convolutions, layer by layer: the yardstick for `unet-mpi bench kernels`.
//
//     g++ -std=c++17 -O2 -o layers layers.cpp -ldnnl
//     OMP_NUM_THREADS=1 ./layers --layers 64x64@256,128x64@256 --repeats 5
//
// Both of oneDNN's algorithms (direct, and Winograd where the library has it for the shape), in the three directions of a
// training step. Included in a time: one execution of the primitive, with whatever it transforms by itself (the Winograd
// implementations for training transform their weights inside). Not included: creating the primitive, and bringing data, weights
// and gradients into the memory format that the primitive prefers (format "any" everywhere). `weights_reordered` says whether the
// input gradient prefers the weights in another format than the forward pass: a training step would have to pay for that reorder,
// these times do not. `weights_transformed` says whether the weights came in Winograd's own, already transformed format.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

using namespace dnnl;
using Format = memory::format_tag;

namespace {

constexpr const char *usage =
    "Usage: layers --layers INPUTxOUTPUT@SIZE[,...] [--batch-size N] [--repeats N] [--warm-up N]\n"
    "\n"
    "  --layers      3x3 convolutions: input channels x output channels @ height and width, as 64x64@256\n"
    "  --batch-size  samples (default 1)\n"
    "  --repeats     timed executions of each primitive (default 5)\n"
    "  --warm-up     executions before them (default 1)\n"
    "\n"
    "Threads: OMP_NUM_THREADS. Prints one JSON object.\n";

struct Layer {
    std::string name;
    memory::dim input_channels, output_channels, size;
};

struct Options {
    std::vector<Layer> layers;
    memory::dim batch = 1;
    int repeats = 5, warm_up = 1;
};

[[noreturn]] void usage_error(const std::string &message) {
    std::fprintf(stderr, "layers: %s\n%s", message.c_str(), usage);
    std::exit(64);
}

long positive(const std::string &text, const std::string &what, long least) {
    char *end = nullptr;
    const long value = std::strtol(text.c_str(), &end, 10);
    if (text.empty() || *end != '\0' || value < least || value > 65536) usage_error(what + " '" + text + "' is not a number of use here");
    return value;
}

Layer layer_named(const std::string &name) {
    const auto cross = name.find('x'), at = name.find('@');
    if (cross == std::string::npos || at == std::string::npos || at < cross) usage_error("'" + name + "': expected INPUTxOUTPUT@SIZE, as 64x64@256");
    return {name, positive(name.substr(0, cross), "input channels", 1), positive(name.substr(cross + 1, at - cross - 1), "output channels", 1),
            positive(name.substr(at + 1), "size", 1)};
}

Options options_from(int count, char **arguments) {
    Options options;
    for (int i = 1; i < count; i += 2) {
        const std::string name = arguments[i];
        if (name == "--help" || name == "-h") {
            std::fputs(usage, stdout);
            std::exit(0);
        }
        if (i + 1 == count) usage_error(name + ": a value is missing");
        const std::string value = arguments[i + 1];
        if (name == "--layers") {
            for (size_t start = 0; start <= value.size();) {
                const size_t comma = std::min(value.find(',', start), value.size());
                options.layers.push_back(layer_named(value.substr(start, comma - start)));
                start = comma + 1;
            }
        } else if (name == "--batch-size") {
            options.batch = positive(value, name, 1);
        } else if (name == "--repeats") {
            options.repeats = static_cast<int>(positive(value, name, 1));
        } else if (name == "--warm-up") {
            options.warm_up = static_cast<int>(positive(value, name, 0));
        } else {
            usage_error("unknown option " + name);
        }
    }
    if (options.layers.empty()) usage_error("--layers is missing");
    return options;
}

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const size_t middle = values.size() / 2;
    return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// One direction by one algorithm: what to execute, where its result lies, and the times.
struct Candidate {
    std::string direction, algorithm, implementation;
    primitive work;
    std::unordered_map<int, memory> arguments;
    memory result;
    memory::desc plain_result;
    bool weights_reordered = false, weights_transformed = false;
    std::vector<double> times;
};

class LayerBenchmark {
public:
    LayerBenchmark(const Layer &layer, const Options &options, engine cpu)
        : layer(layer), options(options), cpu(cpu), queue(cpu), input_shape{options.batch, layer.input_channels, layer.size, layer.size},
          weights_shape{layer.output_channels, layer.input_channels, 3, 3}, output_shape{options.batch, layer.output_channels, layer.size, layer.size},
          input(random({input_shape, memory::data_type::f32, Format::nchw}, 1, 1)),
          // Scaled as He initialisation does, so that the values stay of the order of 1.
          weights(random({weights_shape, memory::data_type::f32, Format::oihw}, 2, std::sqrt(2.0f / (9.0f * layer.input_channels)))),
          bias(random({{layer.output_channels}, memory::data_type::f32, Format::a}, 3, 1)),
          output_gradient(random({output_shape, memory::data_type::f32, Format::nchw}, 4, 1)) {
        add(algorithm::convolution_direct, "direct");
        add(algorithm::convolution_winograd, "winograd");
    }

    void run() {
        // One execution of each in turn, so that a slow phase of the machine meets all of them alike.
        for (int round = -options.warm_up; round < options.repeats; ++round) {
            for (auto &candidate : candidates) {
                const double start = seconds_now();
                candidate.work.execute(queue, candidate.arguments);
                queue.wait();
                if (round >= 0) candidate.times.push_back(seconds_now() - start);
            }
        }
        compare_algorithms();
    }

    void print() const {
        const double gflop = 2.0 * 9 * layer.input_channels * layer.output_channels * layer.size * layer.size * options.batch / 1e9;
        std::printf("{\"name\":\"%s\",\"input_channels\":%ld,\"output_channels\":%ld,\"height\":%ld,\"width\":%ld,\"batch\":%ld,\"kernel\":3,\"gflop\":%.6f",
                    layer.name.c_str(), (long)layer.input_channels, (long)layer.output_channels, (long)layer.size, (long)layer.size, (long)options.batch, gflop);
        for (const char *direction : {"forward", "input_gradient", "weight_gradient"}) {
            std::printf(",\"%s\":{", direction);
            const char *separator = "";
            for (const char *algorithm : {"direct", "winograd"}) {
                std::printf("%s\"%s\":", separator, algorithm);
                separator = ",";
                const Candidate *candidate = find(direction, algorithm);
                if (!candidate) {
                    std::printf("null");
                    continue;
                }
                const double middle = median(candidate->times), best = *std::min_element(candidate->times.begin(), candidate->times.end());
                std::printf("{\"median_s\":%.9f,\"best_s\":%.9f,\"direct_gflops\":%.2f,\"implementation\":\"%s\",\"weights_reordered\":%s,\"weights_transformed\":%s}", middle, best,
                            gflop / middle, candidate->implementation.c_str(), candidate->weights_reordered ? "true" : "false",
                            candidate->weights_transformed ? "true" : "false");
            }
            std::printf("}");
        }
        std::printf("}");
    }

private:
    Layer layer;
    Options options;
    engine cpu;
    stream queue;
    memory::dims input_shape, weights_shape, output_shape;
    memory input, weights, bias, output_gradient;
    std::vector<Candidate> candidates;

    memory random(const memory::desc &description, unsigned seed, float scale) {
        memory values(description, cpu);
        auto *elements = static_cast<float *>(values.get_data_handle());
        std::mt19937 generator(seed);
        std::uniform_real_distribution<float> distribution(-scale, scale);
        for (size_t i = 0; i < description.get_size() / sizeof(float); ++i) elements[i] = distribution(generator);
        return values;
    }

    /// The values of `plain` in the format a primitive asks for, padding zeroed by the library.
    memory brought_to(memory plain, const memory::desc &description) {
        memory values(description, cpu);
        reorder(plain, values).execute(queue, plain, values);
        queue.wait();
        return values;
    }

    /// The primitives of the three directions by one algorithm, as far as the library has them.
    void add(algorithm kind, const char *name) {
        const auto any = [](const memory::dims &shape) { return memory::desc(shape, memory::data_type::f32, Format::any); };
        const auto source = any(input_shape), kernel = any(weights_shape), destination = any(output_shape), offsets = bias.get_desc();
        const memory::dims stride{1, 1}, padding{1, 1};
        std::unique_ptr<convolution_forward::primitive_desc> forward;
        try {
            forward = std::make_unique<convolution_forward::primitive_desc>(
                convolution_forward::desc(prop_kind::forward_training, kind, source, kernel, offsets, destination, stride, padding, padding), cpu);
        } catch (const error &problem) {
            if (!is_missing(problem)) throw;
            return;  // Without a forward pass oneDNN makes no backward primitives.
        }
        memory result(forward->dst_desc(), cpu);
        candidates.push_back({"forward", name, forward->impl_info_str(), convolution_forward(*forward),
                              {{DNNL_ARG_SRC, brought_to(input, forward->src_desc())},
                               {DNNL_ARG_WEIGHTS, brought_to(weights, forward->weights_desc())},
                               {DNNL_ARG_BIAS, bias},
                               {DNNL_ARG_DST, result}},
                              result, {output_shape, memory::data_type::f32, Format::nchw}, false, is_transformed(forward->weights_desc()), {}});
        try {
            const convolution_backward_data::primitive_desc backward(
                convolution_backward_data::desc(kind, source, kernel, destination, stride, padding, padding), cpu, *forward);
            result = memory(backward.diff_src_desc(), cpu);
            candidates.push_back({"input_gradient", name, backward.impl_info_str(), convolution_backward_data(backward),
                                  {{DNNL_ARG_DIFF_SRC, result},
                                   {DNNL_ARG_WEIGHTS, brought_to(weights, backward.weights_desc())},
                                   {DNNL_ARG_DIFF_DST, brought_to(output_gradient, backward.diff_dst_desc())}},
                                  result, {input_shape, memory::data_type::f32, Format::nchw}, backward.weights_desc() != forward->weights_desc(),
                                  is_transformed(backward.weights_desc()), {}});
        } catch (const error &problem) {
            if (!is_missing(problem)) throw;
        }
        try {
            const convolution_backward_weights::primitive_desc backward(
                convolution_backward_weights::desc(kind, source, kernel, offsets, destination, stride, padding, padding), cpu, *forward);
            result = memory(backward.diff_weights_desc(), cpu);
            candidates.push_back({"weight_gradient", name, backward.impl_info_str(), convolution_backward_weights(backward),
                                  {{DNNL_ARG_SRC, brought_to(input, backward.src_desc())},
                                   {DNNL_ARG_DIFF_WEIGHTS, result},
                                   {DNNL_ARG_DIFF_BIAS, memory(offsets, cpu)},
                                   {DNNL_ARG_DIFF_DST, brought_to(output_gradient, backward.diff_dst_desc())}},
                                  result, {weights_shape, memory::data_type::f32, Format::oihw}, false, is_transformed(backward.diff_weights_desc()), {}});
        } catch (const error &problem) {
            if (!is_missing(problem)) throw;
        }
    }

    static bool is_transformed(const memory::desc &weights) { return weights.data.format_kind == dnnl_format_kind_wino; }

    static bool is_missing(const error &problem) { return problem.status == dnnl_unimplemented; }

    const Candidate *find(const std::string &direction, const std::string &algorithm) const {
        for (const auto &candidate : candidates)
            if (candidate.direction == direction && candidate.algorithm == algorithm) return &candidate;
        return nullptr;
    }

    /// Two algorithms that disagree were not given the same work: then no time of theirs means anything.
    void compare_algorithms() {
        for (const char *direction : {"forward", "input_gradient", "weight_gradient"}) {
            const Candidate *direct = find(direction, "direct"), *winograd = find(direction, "winograd");
            if (!direct || !winograd) continue;
            const memory expected = brought_to(direct->result, direct->plain_result), found = brought_to(winograd->result, winograd->plain_result);
            const auto *left = static_cast<const float *>(expected.get_data_handle()), *right = static_cast<const float *>(found.get_data_handle());
            float largest = 0, difference = 0;
            for (size_t i = 0; i < direct->plain_result.get_size() / sizeof(float); ++i) {
                largest = std::max(largest, std::fabs(left[i]));
                difference = std::max(difference, std::fabs(left[i] - right[i]));
            }
            // Winograd's rounding is of the order of 1e-5 of the largest value (not-a-number fails, too).
            if (!(difference <= 1e-3f * largest))
                throw std::runtime_error(layer.name + ", " + direction + ": direct and Winograd differ by " + std::to_string(difference) + " of " + std::to_string(largest));
        }
    }
};

}  // namespace

int main(int count, char **arguments) {
    const Options options = options_from(count, arguments);
    try {
        const engine cpu(engine::kind::cpu, 0);
        const version_t *library = dnnl::version();
        const char *threads = std::getenv("OMP_NUM_THREADS");
        std::printf("{\"program\":\"onednn\",\"version\":\"%d.%d.%d\",\"threads\":%s,\"repeats\":%d,\"layers\":[", library->major, library->minor, library->patch,
                    threads ? threads : "null", options.repeats);
        for (size_t i = 0; i < options.layers.size(); ++i) {
            LayerBenchmark benchmark(options.layers[i], options, cpu);
            benchmark.run();
            if (i > 0) std::printf(",");
            benchmark.print();
        }
        std::printf("]}\n");
    } catch (const std::exception &problem) {
        std::fprintf(stderr, "layers: %s\n", problem.what());
        return 70;
    }
}
