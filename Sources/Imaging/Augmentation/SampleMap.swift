/// The one map of a sample, from the pixels of its crop to coordinates in the source slice. Image and label are sampled through it alike.
///
/// The slice is laid on the pixel grid (`orientation`), deformed and mapped affinely, and the crop is taken from the result. Read from the
/// crop's side: source = orientation(deformation(elastic(affine(fold(pixel) + origin)))).
public struct SampleMap: Sendable, Equatable {
    /// Size of the crop in pixels.
    public let height, width: Int
    /// The crop's first pixel in the laid, deformed slice.
    public var originRow = 0, originColumn = 0
    /// How the slice is laid on the grid.
    public var orientation = Orientation.identity
    /// Rotation, shift, shear and zoom about the centre of the laid slice; nil for none.
    public var affine: AffineMap?
    /// Elastic deformation in pixels of the laid slice; nil for none.
    public var elastic: ElasticMap?
    /// A fold in pixels of the crop; nil for none.
    public var fold: Fold?
    /// Deformation in pixels of the laid slice; nil for none.
    public var deformation: MovingLeastSquares?
    /// Distance in pixels of the nodes at which the map is computed; it is bilinear between them.
    public var nodeSpacing = 8
    /// What lies outside the slice.
    public var fill = FillMode.reflect
    /// The image's value outside the slice if `fill` is `constant`; the label's is 0.
    public var fillValue: Float = 0

    /// The map that shows the slice's first `height` × `width` pixels.
    public init(height: Int, width: Int) {
        precondition(height > 0 && width > 0, "SampleMap: a crop of \(height) × \(width) pixels")
        self.height = height
        self.width = width
    }

    /// Whether pixels are taken to pixels, so that sampling is copying.
    public var takesPixelsToPixels: Bool { affine == nil && elastic == nil && deformation == nil && fold == nil }

    /// The source coordinate of a point of the crop, for a slice of `sliceHeight` × `sliceWidth` pixels: the exact map, without a grid.
    public func sourceCoordinate(of point: Coordinate, sliceHeight: Int, sliceWidth: Int) -> Coordinate {
        sourceCoordinate(of: point, laid: orientation.map(height: sliceHeight, width: sliceWidth))
    }

    private func sourceCoordinate(of point: Coordinate, laid: AffineMap) -> Coordinate {
        var place = fold.map { $0(point) } ?? point
        place.row += Double(originRow)
        place.column += Double(originColumn)
        if let affine { place = affine(place) }
        if let elastic { place = elastic(place) }
        if let deformation {
            let moved = deformation(x: place.column, y: place.row)
            place = Coordinate(row: moved.y, column: moved.x)
        }
        return laid(place)
    }

    /// The map at nodes `nodeSpacing` pixels apart.
    package func grid(sliceHeight: Int, sliceWidth: Int) -> SamplingGrid {
        let laid = orientation.map(height: sliceHeight, width: sliceWidth)
        return SamplingGrid(height: height, width: width, spacing: nodeSpacing) { sourceCoordinate(of: $0, laid: laid) }
    }
}
