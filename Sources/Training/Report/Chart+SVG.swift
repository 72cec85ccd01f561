extension Chart {
    /// The chart as a figure of a page: title, drawing and legend. Colours and letters come from the page's style sheet.
    package var figure: String {
        let width = 640.0, height = 300.0, left = 78.0, right = 14.0, top = 10.0, bottom = 46.0
        func column(_ value: Double) -> String { fixed(left + x.fraction(value) * (width - left - right), 1) }
        func row(_ value: Double) -> String { fixed(top + (1 - y.fraction(value)) * (height - top - bottom), 1) }
        let floor = fixed(height - bottom, 1), end = fixed(width - right, 1)
        var parts: [String] = []
        for tick in y.ticks {
            parts.append(
                "<line class=\"grid\" x1=\"\(fixed(left, 1))\" y1=\"\(row(tick.value))\" x2=\"\(end)\" y2=\"\(row(tick.value))\"/>")
            parts.append(
                "<text class=\"tick end\" x=\"\(fixed(left - 8, 1))\" y=\"\(row(tick.value))\" dy=\".35em\">\(escaped(tick.label))</text>")
        }
        for tick in x.ticks {
            parts.append(
                "<text class=\"tick middle\" x=\"\(column(tick.value))\" y=\"\(fixed(height - bottom + 18, 1))\">\(escaped(tick.label))</text>"
            )
        }
        parts.append("<line class=\"axis\" x1=\"\(fixed(left, 1))\" y1=\"\(floor)\" x2=\"\(end)\" y2=\"\(floor)\"/>")
        let center = fixed((left + width - right) / 2, 1), middle = fixed((top + height - bottom) / 2, 1)
        parts.append("<text class=\"label middle\" x=\"\(center)\" y=\"\(fixed(height - 8, 1))\">\(escaped(xLabel))</text>")
        parts.append(
            "<text class=\"label middle\" transform=\"translate(14 \(middle)) rotate(-90)\">\(escaped(yLabel))</text>")
        for marker in markers {
            parts.append(
                "<line class=\"marker\" x1=\"\(column(marker))\" y1=\"\(fixed(top, 1))\" x2=\"\(column(marker))\" y2=\"\(floor)\"><title>resumed after step \(Int(marker))</title></line>"
            )
        }
        for series in series {
            let points = series.points.map { "\(column($0.x)),\(row($0.y))" }
            let classes = "s\(series.color % Self.palette.count) \(series.style == .faint ? "faint" : "line")"
            if points.count > 1 { parts.append("<polyline class=\"\(classes)\" points=\"\(points.joined(separator: " "))\"/>") }
            guard series.style == .dots && points.count <= 40 || points.count == 1 else { continue }
            for point in series.points {
                parts.append(
                    "<circle class=\"s\(series.color % Self.palette.count)\" cx=\"\(column(point.x))\" cy=\"\(row(point.y))\" r=\"3\"><title>\(escaped(series.name)): \(escaped(Self.number(point.y))) at \(escaped(Self.number(point.x)))</title></circle>"
                )
            }
        }
        let legend = series.filter { series in
            series.style != .faint || !self.series.contains { $0.color == series.color && $0.style != .faint }
        }.map { series in
            let value = (tellsLast ? series.points.last : nil).map { " <b>\(escaped(Self.number($0.y)))</b>" } ?? ""
            return
                "<li><i class=\"s\(series.color % Self.palette.count)\(series.style == .faint ? " faint" : "")\"></i>\(escaped(series.name))\(value)</li>"
        }
        return """
            <figure class="chart"><h3>\(escaped(title))</h3><ul class="legend">\(legend.joined())</ul>
            <svg viewBox="0 0 \(Int(width)) \(Int(height))" role="img" aria-label="\(escaped(title))">
            \(parts.joined(separator: "\n"))
            </svg></figure>
            """
    }

    /// A number for people: four digits that count.
    static func number(_ value: Double) -> String {
        if value == value.rounded() && abs(value) < 1e6 { return "\(Int(value))" }
        return String(format: "%.4g", value)
    }
}

/// Text with what has a meaning in HTML replaced; for the inside of elements and of attributes in quotes.
package func escaped(_ text: String) -> String {
    var result = ""
    for character in text.unicodeScalars {
        switch character {
        case "&": result += "&amp;"
        case "<": result += "&lt;"
        case ">": result += "&gt;"
        case "\"": result += "&quot;"
        case "'": result += "&#39;"
        // What HTML does not allow.
        case _ where character.value < 32 && ![9, 10, 13].contains(character.value) || character.value == 127: result += "\u{FFFD}"
        default: result.unicodeScalars.append(character)
        }
    }
    return result
}
