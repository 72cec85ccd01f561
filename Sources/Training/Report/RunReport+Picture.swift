import Imaging

extension RunReport {
    /// `progress.png`: loss and validation over the steps, and below the latest prediction between truth and differences.
    package var picture: Canvas {
        let width = 1600, margin = 40, gap = 24, chartHeight = 560
        let shown = slices.first.map(\.pictures) ?? []
        let side = (width - 2 * margin - 3 * gap) / 4
        // Wide and tall slices alike go into the same squares.
        let longest = shown.first.map { max($0.picture.width, $0.picture.height) } ?? 1
        let size = shown.first.map {
            (width: max(1, $0.picture.width * side / longest), height: max(1, $0.picture.height * side / longest))
        }
        let imagesTop = 110 + chartHeight + 92
        var canvas = Canvas(width: width, height: size.map { imagesTop + $0.height + margin } ?? 110 + chartHeight + margin)
        let ink = Canvas.Color(0x1F2328), muted = Canvas.Color(0x59636E)
        canvas.text(title, x: Double(margin), y: 58, size: 34, ink)
        // Without the reasons, for which there is no room.
        canvas.text(String(state.prefix { $0 != ":" }), x: Double(width - margin), y: 58, size: 22, anchor: .end, muted)
        let half = Double(width - 2 * margin - 2 * gap) / 2
        lossChart.draw(in: .init(x: Double(margin), y: 96, width: half, height: Double(chartHeight)), on: &canvas)
        scoreChart.draw(
            in: .init(x: Double(margin + 2 * gap) + half, y: 96, width: half, height: Double(chartHeight)), on: &canvas)
        guard let size, let slice = slices.first else { return canvas }
        canvas.text("\(slice.title), after step \(slice.step)", x: Double(margin), y: Double(imagesTop - 48), size: 24, ink)
        for (place, part) in shown.enumerated() {
            let x = margin + place * (side + gap)
            canvas.text(part.title, x: Double(x), y: Double(imagesTop - 12), size: 20, muted)
            canvas.draw(
                part.picture.pixels, channels: part.picture.channels, width: part.picture.width, height: part.picture.height, x: x,
                y: imagesTop, size: size)
        }
        guard slice.differences != nil else { return canvas }
        // What the colours of the last picture mean, over its right end.
        let colors =
            configuration.classes == nil
            ? [("false positive", PreviewPicture.falsePositive), ("false negative", PreviewPicture.falseNegative)]
            : [("wrong class", PreviewPicture.falseNegative)]
        var right = Double(width - margin)
        for (name, color) in colors {
            let length = Canvas.width(of: name, size: 20)
            canvas.text(name, x: right - length, y: Double(imagesTop - 48), size: 20, muted)
            canvas.fill(x: Int(right - length) - 24..<Int(right - length) - 8, y: imagesTop - 63..<imagesTop - 47, color)
            right -= length + 42
        }
        return canvas
    }
}
