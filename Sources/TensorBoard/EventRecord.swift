import Foundation
import SwiftProtobuf

/// Records of TensorBoard's event files, as bytes to append to one. The first record of a file must be its version.
///
/// A record is the length of its message (8 bytes), the masked CRC-32C of these 8, the message, and the masked CRC-32C of that, all little
/// endian (TensorFlow's `record_writer.cc`); the message is an `Event`.
package enum EventRecord {
    /// What a record is of.
    package enum Content {
        /// The format of the file.
        case version
        /// The program has started; what earlier files of the folder hold of the record's step and later ones is void.
        case start
        /// Numbers by their tags, as in `training/loss`.
        case scalars([(tag: String, value: Double)])
        /// Pictures by their tags: PNG files of `width` × `height` pixels, grey (1 channel) or in colours (3).
        case images([(tag: String, png: [UInt8], width: Int, height: Int, channels: Int)])
        /// A text, which TensorBoard shows as Markdown.
        case text(tag: String, String)
    }

    /// The bytes of a record.
    /// - Parameters:
    ///   - step: Updates done.
    ///   - wallTime: Seconds since 1970.
    package static func bytes(_ content: Content, step: Int = 0, wallTime: Double) -> [UInt8] {
        var event = Event()
        event.wallTime = wallTime
        event.step = Int64(step)
        switch content {
        case .version: event.fileVersion = "brain.Event:2"
        case .start: event.sessionLog = .with { $0.status = .start }
        case .scalars(let scalars):
            event.summary.value = scalars.map { scalar in
                .with {
                    $0.tag = scalar.tag
                    $0.simpleValue = Float(scalar.value)
                }
            }
        case .images(let images):
            event.summary.value = images.map { image in
                .with {
                    $0.tag = image.tag
                    $0.image = .with {
                        ($0.width, $0.height, $0.colorspace) = (Int32(image.width), Int32(image.height), Int32(image.channels))
                        $0.encodedImageString = Data(image.png)
                    }
                }
            }
        case .text(let tag, let text):
            event.summary.value = [
                .with {
                    $0.tag = tag
                    $0.metadata.pluginData.pluginName = "text"
                    $0.tensor = .with {
                        $0.dtype = 7  // strings
                        $0.tensorShape.dim = [.with { $0.size = 1 }]
                        $0.stringVal = [Data(text.utf8)]
                    }
                }
            ]
        }
        guard let message: [UInt8] = try? event.serializedBytes() else { preconditionFailure("EventRecord: an event of 2 GiB") }
        return framed(message)
    }

    /// A message between its length and checksums.
    static func framed(_ message: [UInt8]) -> [UInt8] {
        let length = littleEndian(UInt64(message.count))
        return length + littleEndian(CRC32C.masked(length)) + message + littleEndian(CRC32C.masked(message))
    }

    private static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
}
