import Foundation
import TestSupport
import Testing

/// The files of a run, read by the programs that they are for.
@Suite struct ReaderTests {
    let volume: SmallVolume
    init() throws { volume = try SmallVolume() }

    struct Events: Decodable {
        enum Field: Decodable, Equatable {
            case number(Double), text(String)
            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                self =
                    if let value = try? container.decode(Double.self) { .number(value) } else { .text(try container.decode(String.self)) }
            }
        }
        var scalars: [String: [[Double]]]
        var images: [String: [[Field]]]
        var texts: [String: [String]]
    }

    /// A run that died after step 12, when it had saved step 10, and went on: TensorBoard shows each step once.
    @Test func tensorBoard() throws {
        let killed = try Program.run(volume.training("run"), environment: ["UNET_TEST_FAULT": "0:13:backward:kill"])
        #expect(killed.status != 0)
        #expect(try Program.run(volume.training("run"), ranks: 2).status == 0)
        let read = try Readers.run("Fixtures/tensorboard_events.py", [volume.folder / "run"])
        #expect(read.status == 0, "\(read)")
        let events = try JSONDecoder().decode(Events.self, from: Data(read.output.utf8))

        let lines = try String(contentsOfFile: volume.folder / "run/log.jsonl", encoding: .utf8).split(separator: "\n").map {
            try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Double])
        }
        #expect(
            Set(events.scalars.keys).isSuperset(of: [
                "training/loss", "training/accuracy", "training/learning_rate", "training/gradient_norm", "validation/loss",
                "validation/dice",
                "validation/iou", "validation/accuracy", "speed/images_per_s", "time/compute_s", "time/exposed_communication_s",
                "time/overlapped_communication_s", "time/input_wait_s", "memory/peak_mib",
            ]), "\(events.scalars.keys)")
        for (tag, name) in [("training/loss", "loss"), ("validation/dice", "validation_dice"), ("memory/peak_mib", "peak_memory_mib")] {
            let logged = lines.compactMap { line in line[name].map { [line["step"]!, Double(Float($0))] } }
            #expect(events.scalars[tag] == logged, "\(tag)")
        }
        #expect(events.scalars["training/loss"]?.count == 20 && events.scalars["validation/dice"]?.count == 2)
        #expect(events.images["slice-0004/prediction"] == [[.number(20), .number(48), .number(40), .text("PNG")]], "\(events.images)")
        #expect(
            Set(events.images.keys)
                == Set(["slice-0004", "slice-0005"].flatMap { s in ["image", "truth", "prediction"].map { "\(s)/\($0)" } }))
        #expect(events.texts["configuration"]?.allSatisfy { $0.contains("base-channels: 4") } == true)
    }
}
