import Foundation

/// A smooth map of the plane that takes each handle p to its q, by moving least squares.
///
/// For a point v, the handles are weighted by wᵢ = |pᵢ − v|^(−2α); with the weighted means p*, q* and p̂ᵢ = pᵢ − p*, q̂ᵢ = qᵢ − q*,
/// the best map of the chosen kind in the weighted least-squares sense is applied to v:
///
/// - affine: f(v) = (v − p*) · (Σ wᵢ p̂ᵢᵀp̂ᵢ)⁻¹ · (Σ wᵢ p̂ᵢᵀq̂ᵢ) + q*, row vectors;
/// - similarity: f(v) = q* + (v − p*) · S / Σ wᵢ|p̂ᵢ|², with S = Σ wᵢ q̂ᵢ conj(p̂ᵢ) in complex numbers x + iy;
/// - rigid: f(v) = q* + (v − p*) · S / |S|.
///
/// Source: Schaefer, McPhail, Warren, "Image deformation using moving least squares", SIGGRAPH 2006.
/// To warp an image, let p be the handles in the output and q those in the source: output(v) = source(f(v)).
public struct MovingLeastSquares: Sendable, Equatable {
    /// The family from which the local map is taken.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// Rotation and translation: keeps the thickness of membranes.
        case rigid
        /// Rotation, translation and one scale.
        case similarity
        /// Any linear map and translation.
        case affine
    }

    /// A handle: where it is, and where it is taken, in pixels.
    public struct Handle: Sendable, Equatable {
        /// The handle's position p.
        public var x, y: Double
        /// The position q to which it is mapped.
        public var targetX, targetY: Double

        /// The handle p = (`x`, `y`) → q = (`targetX`, `targetY`).
        public init(x: Double, y: Double, targetX: Double, targetY: Double) {
            (self.x, self.y, self.targetX, self.targetY) = (x, y, targetX, targetY)
        }
    }

    /// The family of the local map.
    public let kind: Kind
    /// Fall-off of the weights; larger is more local, 1 is usual.
    public let alpha: Double
    /// The handles. None: the identity. One: a translation.
    public let handles: [Handle]

    /// The map that takes every handle to its target; `alpha` is positive.
    public init(kind: Kind, alpha: Double = 1, handles: [Handle]) {
        precondition(alpha > 0, "MovingLeastSquares: alpha \(alpha) is not positive")
        self.kind = kind
        self.alpha = alpha
        self.handles = handles
    }

    /// Where the point (`x`, `y`) is taken. A point on a handle is taken to its target exactly.
    ///
    /// Where the kind is not determined (affine with handles on one line, all handles in one place), the next simpler one is used:
    /// affine → similarity → translation by q* − p*.
    public func callAsFunction(x: Double, y: Double) -> (x: Double, y: Double) {
        if handles.isEmpty { return (x, y) }
        // First and second moments of the handles relative to v, which keeps them small where the weights are large.
        var w = 0.0, px = 0.0, py = 0.0, qx = 0.0, qy = 0.0
        var xx = 0.0, xy = 0.0, yy = 0.0  // Σ w pᵀp
        var xu = 0.0, xv = 0.0, yu = 0.0, yv = 0.0  // Σ w pᵀq
        for handle in handles {
            let hx = handle.x - x, hy = handle.y - y
            let squaredDistance = hx * hx + hy * hy
            if squaredDistance < 1e-12 { return (handle.targetX, handle.targetY) }
            let tx = handle.targetX - x, ty = handle.targetY - y
            let weight = alpha == 1 ? 1 / squaredDistance : pow(squaredDistance, -alpha)
            let wx = weight * hx, wy = weight * hy
            w += weight
            px += wx
            py += wy
            qx += weight * tx
            qy += weight * ty
            xx += wx * hx
            xy += wx * hy
            yy += wy * hy
            xu += wx * tx
            xv += wx * ty
            yu += wy * tx
            yv += wy * ty
        }
        // Means, then moments about them: Σ w p̂ᵀp̂ = Σ w pᵀp − (Σ w p)ᵀ p*.
        let pxMean = px / w, pyMean = py / w, qxMean = qx / w, qyMean = qy / w
        xx -= px * pxMean
        xy -= px * pyMean
        yy -= py * pyMean
        xu -= px * qxMean
        xv -= px * qyMean
        yu -= py * qxMean
        yv -= py * qyMean
        let dx = -pxMean, dy = -pyMean  // v − p*
        let translation = (x: x + (qxMean + dx), y: y + (qyMean + dy))

        let spread = xx + yy  // Σ w |p̂|²
        // One handle, or all in one place: nothing but rounding is left of the moments.
        guard spread > 1e-12 * w * (pxMean * pxMean + pyMean * pyMean) else { return translation }
        let determinant = xx * yy - xy * xy
        if kind == .affine, determinant > 1e-9 * spread * spread {
            let a = (dx * yy - dy * xy) / determinant, b = (dy * xx - dx * xy) / determinant  // (v − p*) · (Σ w p̂ᵀp̂)⁻¹
            return (x + (qxMean + a * xu + b * yu), y + (qyMean + a * xv + b * yv))
        }
        let real = xu + yv, imaginary = xv - yu  // S
        let scale = kind == .rigid ? (real * real + imaginary * imaginary).squareRoot() : spread
        guard scale > 0 else { return translation }
        let c = real / scale, s = imaginary / scale
        return (x + (qxMean + dx * c - dy * s), y + (qyMean + dx * s + dy * c))
    }
}
