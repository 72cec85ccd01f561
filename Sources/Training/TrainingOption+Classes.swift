import Imaging
import Yams

extension TrainingOption {
    /// The list of classes: `none`, `background=0,cell=1` or a sequence of mappings with value, name and color.
    static let classes = TrainingOption(
        name: "classes", placeholder: "none|NAME=VALUE,...",
        explanation:
            "Classes that the labels tell apart, as in background=0,cell=1,border=2 or 0,1,2; the network gets an output and a probability for each. ignore=VALUE names the label of pixels that do not count. none: two label values, the higher is the foreground.",
        decidesBits: true,
        set: { configuration, node throws(Refusal) in
            if node.string == "none" {
                configuration.classes = nil
                return
            }
            do {
                configuration.classes = try classes(node)
            } catch let refusal as LabelClasses.Refusal {
                throw Refusal(allowed: refusal.description)
            } catch let refusal as Refusal {
                throw refusal
            } catch { preconditionFailure("\(error)") }
        }, get: { $0.classes.map(classesNode) ?? YAMLNode("none") })

    private static func classes(_ node: YAMLNode) throws -> LabelClasses {
        if let text = node.string { return try LabelClasses(text: text) }
        guard let list = node.sequence else {
            throw Refusal(
                allowed: "none, a list as in background=0,cell=1, or mappings as in [{value: 0, name: background}, …] are allowed")
        }
        return try LabelClasses(
            list.map { entry in
                // A list of plain values, or of one mapping for each class.
                if let text = entry.string {
                    guard let value = Int(text) else { throw Refusal(allowed: "'\(text)': a label value is an integer") }
                    return (value, text, nil)
                }
                guard let mapping = entry.mapping else { throw Refusal(allowed: "a class is a mapping as in {value: 1, name: cell}") }
                for (key, _) in mapping where !["value", "name", "color"].contains(key.string) {
                    let name = key.string ?? ""
                    throw Refusal(allowed: "unknown key '\(name)'\(suggestion(for: name, among: ["value", "name", "color"]))")
                }
                guard let text = mapping["value"]?.string, let value = Int(text) else {
                    throw Refusal(allowed: "each class needs a value, an integer, as in {value: 1, name: cell}")
                }
                return (value, mapping["name"]?.string ?? text, mapping["color"]?.string)
            })
    }

    private static func classesNode(_ classes: LabelClasses) -> YAMLNode {
        func mapping(_ fields: [(String, String)]) -> YAMLNode {
            .mapping(.init(fields.map { (YAMLNode($0), YAMLNode($1)) }, .implicit, .flow))
        }
        var list = classes.classes.map { mapping([("value", "\($0.value)"), ("name", $0.name), ("color", $0.color)]) }
        if let ignored = classes.ignored { list.append(mapping([("value", "\(ignored)"), ("name", LabelClasses.ignoredName)])) }
        return YAMLNode(list)
    }
}
