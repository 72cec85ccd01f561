extension SampleMap {
    /// Samples a slice through the map: the image bilinearly, the label by the nearest pixel, at the same coordinates.
    ///
    /// Coordinates are computed in double precision. Where the map takes pixels to pixels, the values are copied with all their bits.
    /// - Parameters:
    ///   - image: The source, planar: `channels` × `sliceHeight` × `sliceWidth`.
    ///   - label: The source's label, `sliceHeight` × `sliceWidth`.
    ///   - channels: Of the image.
    ///   - sliceHeight: Rows of the source.
    ///   - sliceWidth: Columns of the source.
    ///   - outputImage: Receives `channels` × `height` × `width`.
    ///   - outputLabel: Receives `height` × `width`.
    public func resample(
        image: UnsafeBufferPointer<Float>, label: UnsafeBufferPointer<Float>, channels: Int, sliceHeight: Int, sliceWidth: Int,
        outputImage: UnsafeMutableBufferPointer<Float>, outputLabel: UnsafeMutableBufferPointer<Float>
    ) {
        let plane = sliceHeight * sliceWidth, outputPlane = height * width
        precondition(
            channels > 0 && plane > 0 && image.count == channels * plane && label.count == plane
                && outputImage.count == channels * outputPlane && outputLabel.count == outputPlane,
            """
            SampleMap: \(channels) × \(sliceHeight) × \(sliceWidth) from buffers of \(image.count) and \(label.count), \
            to \(height) × \(width) in buffers of \(outputImage.count) and \(outputLabel.count)
            """)
        let sampler = Sampler(
            image: image.baseAddress!, label: label.baseAddress!, channels: channels, height: sliceHeight, width: sliceWidth,
            outputImage: outputImage.baseAddress!, outputLabel: outputLabel.baseAddress!, outputPlane: outputPlane, fill: fill,
            fillValue: fillValue)
        if takesPixelsToPixels && liesInside(sampler) {
            copy(sampler)
        } else {
            interpolate(sampler, on: grid(sliceHeight: sliceHeight, sliceWidth: sliceWidth))
        }
    }

    /// Whether all of the crop lies in the slice, where the map takes pixels to pixels.
    private func liesInside(_ sampler: Sampler) -> Bool {
        let laid = orientation.map(height: sampler.height, width: sampler.width)
        return sampler.contains(laid(Coordinate(row: Double(originRow), column: Double(originColumn))))
            && sampler.contains(laid(Coordinate(row: Double(originRow + height - 1), column: Double(originColumn + width - 1))))
    }

    /// Row by row with whole-numbered steps through the source, where all of the crop lies in it.
    private func copy(_ sampler: Sampler) {
        let laid = orientation.map(height: sampler.height, width: sampler.width)
        let first = laid(Coordinate(row: Double(originRow), column: Double(originColumn)))
        let rowStep = Int(laid.rowRow) * sampler.width + Int(laid.columnRow)
        let columnStep = Int(laid.rowColumn) * sampler.width + Int(laid.columnColumn)
        let start = Int(first.row) * sampler.width + Int(first.column)
        let plane = sampler.height * sampler.width
        for channel in 0..<sampler.channels {
            for row in 0..<height {
                let source = sampler.image + (channel * plane + start + row * rowStep)
                let output = sampler.outputImage + (channel * sampler.outputPlane + row * width)
                for column in 0..<width { output[column] = source[column * columnStep] }
            }
        }
        for row in 0..<height {
            let source = sampler.label + (start + row * rowStep)
            let output = sampler.outputLabel + row * width
            for column in 0..<width { output[column] = source[column * columnStep] }
        }
    }

    /// Row by row and cell by cell: in a cell, the source coordinate moves by a fixed step from pixel to pixel.
    private func interpolate(_ sampler: Sampler, on grid: SamplingGrid) {
        grid.nodes.withUnsafeBufferPointer { nodes in
            for row in 0..<height {
                let (i, fraction) = grid.cell(row, last: height - 1, nodes: grid.rows)
                let above = nodes.baseAddress! + i * grid.columns
                let below = nodes.baseAddress! + min(i + 1, grid.rows - 1) * grid.columns
                for j in 0..<max(1, grid.columns - 1) {
                    let start = j * grid.spacing
                    let right = min(j + 1, grid.columns - 1), size = min(grid.spacing, width - 1 - start)
                    let a = Coordinate.interpolate(above[j], below[j], fraction)
                    let b = Coordinate.interpolate(above[right], below[right], fraction)
                    // The last pixel of a row belongs to the last cell.
                    let count = start + size == width - 1 ? size + 1 : size
                    let scale = size == 0 ? 0 : 1 / Double(size)
                    let step = Coordinate(row: (b.row - a.row) * scale, column: (b.column - a.column) * scale)
                    if sampler.holdsNeighbors(of: a) && sampler.holdsNeighbors(of: b) {
                        sampler.sampleInside(from: a, step: step, count: count, output: row * width + start)
                    } else {
                        sampler.sampleAnywhere(from: a, step: step, count: count, output: row * width + start)
                    }
                }
            }
        }
    }
}

/// The buffers of one sampling, and its two inner loops.
private struct Sampler {
    let image, label: UnsafePointer<Float>
    let channels, height, width: Int
    let outputImage, outputLabel: UnsafeMutablePointer<Float>
    let outputPlane: Int
    let fill: FillMode
    let fillValue: Float

    func contains(_ point: Coordinate) -> Bool {
        point.row >= 0 && point.column >= 0 && point.row <= Double(height - 1) && point.column <= Double(width - 1)
    }

    /// Whether the four pixels around `point` lie in the source, with room for rounding along a row of steps.
    func holdsNeighbors(of point: Coordinate) -> Bool {
        let margin = 1e-6
        return point.row >= margin && point.column >= margin && point.row < Double(height - 1) - margin
            && point.column < Double(width - 1) - margin
    }

    /// Samples `count` pixels along a line, all of whose neighbours lie in the source.
    func sampleInside(from start: Coordinate, step: Coordinate, count: Int, output: Int) {
        for k in 0..<count {
            let row = start.row + Double(k) * step.row, column = start.column + Double(k) * step.column
            let i = Int32(row), j = Int32(column)
            store(i: Int(i), j: Int(j), fi: Float(row - Double(i)), fj: Float(column - Double(j)), below: width, right: 1, at: output + k)
            outputLabel[output + k] = label[Int(Int32(row + 0.5)) * width + Int(Int32(column + 0.5))]
        }
    }

    /// The same for any coordinates; bit for bit the same where they lie inside.
    func sampleAnywhere(from start: Coordinate, step: Coordinate, count: Int, output: Int) {
        for k in 0..<count {
            let row = fill.resolve(start.row + Double(k) * step.row, count: height)
            let column = fill.resolve(start.column + Double(k) * step.column, count: width)
            guard let row, let column else {
                for channel in 0..<channels { outputImage[channel * outputPlane + output + k] = fillValue }
                outputLabel[output + k] = 0
                continue
            }
            let i = Int(row), j = Int(column)
            store(
                i: i, j: j, fi: Float(row - Double(i)), fj: Float(column - Double(j)), below: i + 1 < height ? width : 0,
                right: j + 1 < width ? 1 : 0, at: output + k)
            outputLabel[output + k] = label[Int(row + 0.5) * width + Int(column + 0.5)]
        }
    }

    /// Bilinear interpolation at (i + fi, j + fj); `below` and `right` are the offsets of the neighbours.
    @inline(__always)
    private func store(i: Int, j: Int, fi: Float, fj: Float, below: Int, right: Int, at output: Int) {
        for channel in 0..<channels {
            let p = image + ((channel * height + i) * width + j)
            let top = p[0] + fj * (p[right] - p[0])
            let bottom = p[below] + fj * (p[below + right] - p[below])
            outputImage[channel * outputPlane + output] = top + fi * (bottom - top)
        }
    }
}
