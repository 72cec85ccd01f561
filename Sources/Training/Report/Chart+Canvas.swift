import Imaging

extension Chart {
    /// Where a chart lies on a canvas, in pixels.
    package struct Frame {
        package var x, y, width, height: Double
        package init(x: Double, y: Double, width: Double, height: Double) {
            (self.x, self.y, self.width, self.height) = (x, y, width, height)
        }
    }

    private static let ink = Canvas.Color(0x1F2328), muted = Canvas.Color(0x59636E), grid = Canvas.Color(0xE4E7EB)

    /// Draws the chart with its title, axes and legend; `size` is that of the letters in pixels an em.
    package func draw(in frame: Frame, size: Double = 20, on canvas: inout Canvas) {
        let labelWidth = y.ticks.map { Canvas.width(of: $0.label, size: size) }.max() ?? 0
        let left = frame.x + size * 1.5 + labelWidth + size * 0.5, right = frame.x + frame.width - size
        let top = frame.y + size * 3.4, bottom = frame.y + frame.height - size * 2.9
        func column(_ value: Double) -> Double { left + x.fraction(value) * (right - left) }
        func row(_ value: Double) -> Double { bottom - y.fraction(value) * (bottom - top) }

        canvas.text(title, x: frame.x, y: frame.y + size * 1.1, size: size * 1.2, Self.ink)
        drawLegend(x: left, y: frame.y + size * 2.7, width: right - left, size: size, on: &canvas)
        for tick in y.ticks {
            let place = Int(row(tick.value).rounded())
            canvas.fill(x: Int(left)..<Int(right), y: place..<place + 1, Self.grid)
            canvas.text(
                tick.label, x: left - size * 0.5, y: Double(place) + size * 0.36, size: size, anchor: .end, Self.muted)
        }
        for tick in x.ticks {
            let place = Int(column(tick.value).rounded())
            canvas.fill(x: place..<place + 1, y: Int(bottom)..<Int(bottom + size * 0.3), Self.muted)
            canvas.text(tick.label, x: Double(place), y: bottom + size * 1.4, size: size, anchor: .middle, Self.muted)
        }
        canvas.fill(x: Int(left)..<Int(right), y: Int(bottom)..<Int(bottom) + 1, Self.muted)
        canvas.text(xLabel, x: (left + right) / 2, y: frame.y + frame.height - size * 0.3, size: size, anchor: .middle, Self.muted)
        canvas.text(
            yLabel, x: frame.x + size * 0.9, y: (top + bottom) / 2, size: size, anchor: .middle, isUpright: false, Self.muted)
        for marker in markers {
            let place = Int(column(marker).rounded())
            for y in stride(from: Int(top), to: Int(bottom), by: 10) { canvas.fill(x: place..<place + 1, y: y..<y + 5, Self.muted) }
        }
        for series in series {
            let color = Self.color(series.color), points = series.points.map { (x: column($0.x), y: row($0.y)) }
            switch series.style {
            case .faint: canvas.polyline(points, thickness: 1.2, Self.faint(color))
            case .line: canvas.polyline(points, thickness: 3, color)
            case .dots: canvas.polyline(points, thickness: 2.4, color)
            }
            if series.style == .dots && points.count <= 40 || points.count == 1 {
                for point in points { canvas.line(from: point, to: point, thickness: 9, color) }
            }
        }
    }

    private func drawLegend(x: Double, y: Double, width: Double, size: Double, on canvas: inout Canvas) {
        var place = x
        for series in series
        where series.style != .faint || !self.series.contains(where: { $0.color == series.color && $0.style != .faint }) {
            let color = series.style == .faint ? Self.faint(Self.color(series.color)) : Self.color(series.color)
            canvas.line(from: (place + 2, y - size * 0.35), to: (place + size * 1.3, y - size * 0.35), thickness: 4, color)
            canvas.text(series.name, x: place + size * 1.8, y: y, size: size, Self.ink)
            place += size * 3.2 + Canvas.width(of: series.name, size: size)
        }
    }

    private static func color(_ place: Int) -> Canvas.Color { Canvas.Color(palette[place % palette.count]) }

    /// Mixed with white.
    private static func faint(_ color: Canvas.Color) -> Canvas.Color {
        func mix(_ value: UInt8) -> UInt8 { UInt8(255 - (255 - Int(value)) * 2 / 5) }
        return Canvas.Color(mix(color.red), mix(color.green), mix(color.blue))
    }
}
