import Foundation
import TestSupport
import Testing
import Training

/// `unet-mpi bench` on small networks.
@Suite(.serialized) struct BenchCommandTests {
    private static let small = ["--base-channels", "4", "--depth", "2", "--crop", "32", "--threads", "1", "--repeats", "3"]

    private func object(_ arguments: [String], ranks: Int? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws -> [String: Any]
    {
        let run = try ProgramRun.run("unet-mpi", ["bench"] + arguments + ["--json"], ranks: ranks)
        #expect(run.status == 0, "\(run)", sourceLocation: sourceLocation)
        #expect(run.output.split(separator: "\n").count == 1, "\(run)", sourceLocation: sourceLocation)
        return try #require(
            try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any], "\(run)", sourceLocation: sourceLocation)
    }

    private static let networkKeys: Set = [
        "step_median_s", "step_best_s", "step_times_s", "images_per_s", "direct_gflops", "fma_peak_gflops", "threads", "ranks",
        "instruction_set",
        "peak_memory_mib", "memory_before_mib", "architecture", "base_channels", "height", "width", "batch_size", "verification",
        "peak_share",
    ]

    /// A number of an object; not-a-number, of which nothing holds, where there is none.
    private func number(_ object: [String: Any], _ key: String) -> Double { object[key] as? Double ?? .nan }

    /// Operations of the direct form of a `unet-keras` of depth 2, by hand.
    private func gigaflop(base c: Int, side: Int) -> Double {
        let full = side * side, half = full / 4, quarter = full / 16
        let first = 9 * (1 * c + c * c) * full, second = 9 * (c * 2 * c + 4 * c * c) * half,
            deepest = 9 * (8 * c * c + 16 * c * c) * quarter
        let up4 = 4 * 4 * c * 2 * c * half, fourth = 9 * (4 * c * 2 * c + 4 * c * c) * half
        let up5 = 4 * 2 * c * c * full, fifth = 9 * (2 * c * c + c * c + c * 2) * full + 2 * full
        return 2 * Double(first + second + deepest + up4 + fourth + up5 + fifth) / 1e9
    }

    @Test func step() throws {
        let object = try object(["step", "--profile"] + Self.small)
        #expect(Set(object.keys) == Self.networkKeys.union(["profile"]))
        let median = number(object, "step_median_s")
        let times = try #require(object["step_times_s"] as? [Double])
        #expect(times.count == 3 && times.sorted()[1] == median && times.min() == number(object, "step_best_s"))
        #expect(object["architecture"] as? String == "unet-keras" && object["base_channels"] as? Int == 4)
        #expect(object["height"] as? Int == 32 && object["width"] as? Int == 32 && object["batch_size"] as? Int == 1)
        #expect(object["ranks"] as? Int == 1 && object["threads"] as? Int == 1)
        #expect(abs(number(object, "images_per_s") * median - 1) < 1e-9)
        #expect(abs(number(object, "direct_gflops") * median / (3 * gigaflop(base: 4, side: 32)) - 1) < 1e-9)
        let before = number(object, "memory_before_mib")
        #expect(before > 1 && number(object, "peak_memory_mib") > before)
        let errors = try #require(object["verification"] as? [String: Double])
        #expect(
            Set(errors.keys) == ["logits_relative_error", "gradient_relative_error"] && errors.values.allSatisfy { $0 > 0 && $0 < 1e-4 })
        try expectProfile(
            object, kinds: ["loss", "Adam", "checks", "agreement of the ranks", "reduction"], minimum: times.min()!, maximum: times.max()!)
    }

    /// The profile's parts make up the step, its layers are those of the network, and what is called other is small.
    private func expectProfile(_ object: [String: Any], kinds expected: Set<String>, minimum: Double, maximum: Double) throws {
        let profile = try #require(object["profile"] as? [String: Any])
        let whole = number(profile, "step_s")
        #expect(whole >= minimum * 0.9 && whole <= maximum * 1.1)
        let kinds = try #require(profile["kinds"] as? [[String: Any]]), layers = try #require(profile["layers"] as? [[String: Any]])
        let names = Set(kinds.compactMap { $0["kind"] as? String })
        #expect(names.count == kinds.count && names.isSuperset(of: expected), "\(names)")
        #expect(names.isSuperset(of: ["pooling", "dropout", "concatenation", "other"]) && names.contains { $0.hasPrefix("convolution (") })
        func sum(_ filter: (String) -> Bool) -> Double {
            kinds.filter { filter($0["kind"] as! String) }.map { number($0, "seconds") }.reduce(0, +)
        }
        #expect(abs(sum { _ in true } / whole - 1) < 1e-9)
        #expect(abs(sum { $0 == "other" }) < 0.25 * whole)
        let notConvolution = number(profile, "not_convolution_share")
        #expect(abs(sum { !$0.hasPrefix("convolution") } / whole - notConvolution) < 1e-9)
        // Convolutions by layer and by algorithm are the same seconds.
        let byLayer = layers.filter { $0["algorithm"] is String }.map {
            number($0, "forward_s") + number($0, "parameter_gradient_s") + number($0, "input_gradient_s")
        }
        #expect(byLayer.count == 14 && abs(byLayer.reduce(0, +) / (sum { $0.hasPrefix("convolution") }) - 1) < 1e-9)
        #expect(layers.allSatisfy { ["input"].contains($0["name"] as? String) || number($0, "forward_s") > 0 })
    }

    @Test func prediction() throws {
        let object = try object(["predict", "--profile"] + Self.small + ["--architecture", "unet-keras", "--batch-size", "2"])
        #expect(Set(object.keys) == Self.networkKeys.union(["profile"]))
        let median = number(object, "step_median_s"), times = try #require(object["step_times_s"] as? [Double])
        #expect(abs(number(object, "images_per_s") * median / 2 - 1) < 1e-9)
        #expect(abs(number(object, "direct_gflops") * median / (2 * gigaflop(base: 4, side: 32)) - 1) < 1e-9)
        #expect((object["verification"] as? [String: Any])?["gradient_relative_error"] is NSNull)
        try expectProfile(object, kinds: [], minimum: times.min()!, maximum: times.max()!)
    }

    /// Under mpirun one rank speaks, and each rank has a sample unless told otherwise.
    @Test func ranks() throws {
        let step = try object(["step"] + Self.small, ranks: 2)
        #expect(Set(step.keys) == Self.networkKeys)
        #expect(step["ranks"] as? Int == 2 && step["batch_size"] as? Int == 2)
        let uneven = try object(["step"] + Self.small + ["--batch-size", "3"], ranks: 2)
        #expect(uneven["batch_size"] as? Int == 3)
        let kernels = try object(["kernels", "--layers", "16x16@8", "--threads", "1"], ranks: 2)
        #expect((kernels["layers"] as? [Any])?.count == 1)
        let few = try ProgramRun.run("unet-mpi", ["bench", "step", "--batch-size", "1"] + Self.small, ranks: 2)
        #expect(few.status == 64 && few.errors.contains("a global batch of 1 cannot be shared by 2 ranks"), "\(few)")
    }

    @Test func kernels() throws {
        let object = try object(["kernels"] + Self.small)
        #expect(Set(object.keys).isSuperset(of: ["fma_peak_gflops", "instruction_set", "threads", "layers", "others"]))
        let layers = try #require(object["layers"] as? [[String: Any]])
        let keys: Set = [
            "name", "input_channels", "output_channels", "height", "width", "batch", "kernel", "algorithm", "gflop", "forward",
            "input_gradient",
            "weight_gradient",
        ]
        #expect(layers.allSatisfy { Set($0.keys) == keys })
        // conv5b has the shape of conv1b.
        #expect(
            layers.compactMap { $0["name"] as? String } == [
                "conv1a", "conv1b", "conv2a", "conv2b", "conv3a", "conv3b", "up4", "conv4a", "up5", "conv5a", "conv5c", "conv6",
            ])
        #expect(layers[0]["input_gradient"] is NSNull)
        let peak = number(object, "fma_peak_gflops")
        for layer in layers {
            let name = layer["name"] as? String
            for direction in ["forward", "input_gradient", "weight_gradient"] where !(layer[direction] is NSNull) {
                let pass = try #require(layer[direction] as? [String: Double])
                #expect(Set(pass.keys) == ["median_s", "best_s", "direct_gflops", "peak_share", "max_relative_error"])
                #expect(pass["best_s"]! <= pass["median_s"]! && pass["max_relative_error"]! < 1e-4)
                #expect(abs(number(layer, "gflop") / pass["median_s"]! / pass["direct_gflops"]! - 1) < 1e-9)
                #expect(abs(pass["direct_gflops"]! / peak / pass["peak_share"]! - 1) < 1e-9)
            }
            if name == "up5" {
                #expect(layer["kernel"] as? String == "2x2 up" && layer["height"] as? Int == 32)
                #expect(abs(number(layer, "gflop") - 2 * 4 * 8 * 4 * 1024 / 1e9) < 1e-12)
            }
        }
        let others = try #require(object["others"] as? [[String: Any]])
        #expect(others.count == 8 && others.allSatisfy { Set($0.keys) == ["name", "median_s", "gigabytes_per_s"] })
    }

    @Test func listedLayers() throws {
        let object = try object([
            "kernels", "--layers", "3x16@16,20x8@12x8/up,16x2@9/k1", "--threads", "2", "--repeats", "1", "--batch-size", "2",
        ])
        let layers = try #require(object["layers"] as? [[String: Any]])
        #expect(layers.map { $0["name"] as? String } == ["3x16@16", "20x8@12x8/up", "16x2@9/k1"])
        #expect(layers.map { $0["kernel"] as? String } == ["3x3", "2x2 up", "1x1"])
        #expect(layers.allSatisfy { $0["batch"] as? Int == 2 && $0["input_gradient"] is [String: Double] })
        #expect((object["others"] as? [Any])?.isEmpty == true)
        #expect(abs(number(layers[0], "gflop") - 2 * 2 * 9 * 3 * 16 * 256 / 1e9) < 1e-12)
    }

    @Test func allReduce() throws {
        let object = try object(["allreduce", "--sizes", "4,1KiB,1MiB", "--repeats", "2"], ranks: 2)
        #expect(Set(object.keys) == ["ranks", "hosts", "results"] && object["ranks"] as? Int == 2 && object["hosts"] as? Int == 1)
        let results = try #require(object["results"] as? [[String: Any]])
        #expect(results.map { $0["bytes"] as? Int } == [4, 1024, 1 << 20])
        for result in results {
            #expect(Set(result.keys) == ["bytes", "reproducible", "fast", "fast_bf16", "mpi"])
            for key in ["reproducible", "fast", "fast_bf16", "mpi"] {
                let times = try #require(result[key] as? [String: Double])
                // 2 (n - 1) / n is 1 for two ranks.
                #expect(abs(times["bus_gb_s"]! * times["median_s"]! * 1e9 / Double(result["bytes"] as! Int) - 1) < 1e-9)
            }
        }
        for ranks in [nil, 1] {
            let alone = try ProgramRun.run("unet-mpi", ["bench", "allreduce"], ranks: ranks)
            #expect(
                alone.status == 64 && alone.errors.contains("mpirun -np 2 unet-mpi bench allreduce") && alone.output.isEmpty, "\(alone)")
        }
    }

    /// Alone: the compute time is measured, the network assumed or given.
    @Test func scalingAlone() throws {
        let object = try object(["scaling", "--bandwidth-gbits", "25", "--latency-us", "3"] + Self.small)
        #expect(object["measured"] is NSNull && object["latency_us"] as? Double == 3 && object["latency_source"] as? String == "given")
        #expect(number(object, "forward_s") > 0 && number(object, "backward_s") > 0 && number(object, "rest_s") > 0)
        #expect(object["gradient_bytes"] as? Int ?? 0 > 4 * 7_000 && object["buckets"] as? Int == 1)
        let predictions = try #require(object["predictions"] as? [[String: Any]])
        #expect(predictions.count == 40 && Set(predictions.compactMap { $0["ranks"] as? Int }) == Set((1...10).map { 1 << $0 }))
        for one in predictions {
            #expect(number(one, "efficiency") > 0 && number(one, "efficiency") < 1 && number(one, "step_s") > number(one, "exposed_s"))
        }
        // No bucket is later than the end of backward: what is exposed is messages alone.
        let fastest = try #require(predictions.first { number($0, "bandwidth_gbits") == 100 && $0["ranks"] as? Int == 2 })
        let bytes = Double(try #require(object["gradient_bytes"] as? Int))
        #expect(number(fastest, "exposed_s") < 3 * 3e-6 + bytes * 8 / 100e9 + 1e-9)
        // A faster network is never worse.
        let at64 = predictions.filter { $0["ranks"] as? Int == 64 }.sorted { number($0, "bandwidth_gbits") < number($1, "bandwidth_gbits") }
        #expect(at64.map { number($0, "bandwidth_gbits") } == [1, 10, 25, 100])
        #expect(zip(at64, at64.dropFirst()).allSatisfy { number($0, "efficiency") <= number($1, "efficiency") })
    }

    /// Two ranks: messages and a step of the job are measured too, and the model is asked about that very job.
    @Test func scalingOfRanks() throws {
        let object = try object(["scaling"] + Self.small, ranks: 2)
        let measured = try #require(object["measured"] as? [String: Any])
        #expect(measured["ranks"] as? Int == 2 && measured["hosts"] as? Int == 1 && (measured["reductions"] as? [Any])?.count == 5)
        for key in ["bandwidth_gbits", "step_median_s", "predicted_step_s", "predicted_exposed_s"] {
            #expect(number(measured, key) > 0, "\(key)")
        }
        #expect(object["latency_source"] as? String == "assumed" && object["samples_a_rank"] as? Int == 1)
        #expect((object["predictions"] as? [[String: Any]])?.contains { $0["network"] as? String == "as measured" } == true)
    }

    @Test func textIsForPeople() throws {
        let run = try ProgramRun.run("unet-mpi", ["bench", "step", "--profile"] + Self.small)
        for words in [
            "GFLOP/s", "images/s", "peak memory", "verified against double precision", "not convolution:", "conv5c", "of the FMA peak",
        ] {
            #expect(run.output.contains(words), "\(words): \(run)")
        }
        let kernels = try ProgramRun.run("unet-mpi", ["bench", "kernels", "--layers", "16x16@8"])
        #expect(kernels.status == 0 && kernels.output.contains("weight gradient") && !kernels.output.contains("other kernel"), "\(kernels)")
    }

    @Test(
        arguments: [
            ["step", "--repeats", "0"], ["step", "--warm-up", "-1"], ["step", "--crop", "33"], ["step", "--crop", "full"],
            ["step", "--depth", "9"],
            ["step", "--architecture", "vgg"], ["step", "--base-channels", "0"], ["predict", "--threads", "0"],
            ["predict", "--batch-size", "0"],
            ["kernels", "--layers", "64@64"], ["allreduce", "--sizes", "3"], ["step", "--images", "x.tif"],
            ["scaling", "--latency-us", "-1"], ["scaling", "--bandwidth-gbits", "0"],
            ["kernels", "--repeats", "x"],
        ])
    func refuses(_ arguments: [String]) throws {
        let run = try ProgramRun.run("unet-mpi", ["bench"] + arguments)
        #expect(run.status == 64 && run.output.isEmpty, "\(run)")
        #expect(run.errors.contains(arguments.count > 1 ? arguments[1] : arguments[0]), "\(run)")
    }

    /// The help of the network options is the table's, with the defaults of the benchmark; each command has an example.
    @Test func help() throws {
        for command in ["kernels", "step", "predict", "scaling"] {
            let run = try ProgramRun.run("unet-mpi", ["bench", command, "--help"], environment: ["COLUMNS": "100000"])
            let text = run.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            #expect(run.status == 0 && text.contains("unet-mpi bench \(command) --"), "\(run)")
            for name in [
                "architecture", "base-channels", "depth", "decoder", "norm", "dropout", "crop", "batch-size", "convolution", "memory",
                "accumulate", "reduction",
                "threads", "seed",
            ] {
                let option = try #require(TrainingOption.all.first { $0.name == name })
                #expect(text.contains("--\(name) <\(option.placeholder)> \(option.explanation)"), "\(name): \(text)")
            }
            #expect(text.contains("(default: unet-keras)") && text.contains("(default: 256, for predict 512)"))
        }
        let bench = try ProgramRun.run("unet-mpi", ["bench", "--help"])
        for command in ["kernels", "step", "predict", "allreduce", "scaling"] {
            #expect(bench.output.contains("bench \(command)"), "\(bench)")
        }
    }
}
