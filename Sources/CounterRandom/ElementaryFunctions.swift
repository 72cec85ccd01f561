#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension Double {
    var naturalLogarithm: Double { log(self) }
    var cosine: Double { cos(self) }
    var sine: Double { sin(self) }
}
