extension RunReport {
    /// The page's style sheet. Colours of curves are those of Okabe and Ito, in another order on a dark ground.
    static var style: String {
        func colors(_ palette: [UInt32]) -> String {
            palette.enumerated().map { place, color in
                let digits = String(color, radix: 16)
                return "--s\(place):#\(String(repeating: "0", count: 6 - digits.count))\(digits);"
            }.joined()
        }
        return """
            :root{--ground:#f6f7f9;--panel:#fff;--ink:#1f2328;--muted:#59636e;--line:#d9dee3;--grid:#e9ecef;--accent:#0072b2;\(colors(Chart.palette))}
            @media (prefers-color-scheme:dark){:root{--ground:#0f1318;--panel:#171c22;--ink:#e6e9ed;--muted:#9aa5b1;--line:#2c343d;--grid:#252c34;--accent:#56b4e9;\(colors(Chart.darkPalette))}}
            *{box-sizing:border-box}
            body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
            main{max-width:1240px;margin:0 auto;padding:32px 24px 48px}
            header{display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 20px;margin-bottom:20px}
            h1{font-size:28px;line-height:1.2;margin:0;overflow-wrap:anywhere}
            header p{margin:0;color:var(--muted)}
            h2{font-size:18px;margin:0 0 14px}
            h3{font-size:15px;font-weight:600;margin:0 0 6px}
            section{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:20px 22px 22px;margin-top:20px}
            section h3:not(:first-child){margin-top:22px}
            .figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:0}
            .figures div{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:12px 16px}
            .figures dt{color:var(--muted);font-size:13px}
            .figures dd{margin:0;font-size:24px;font-weight:600;line-height:1.3;font-variant-numeric:tabular-nums}
            .figures dd.note{font-size:13px;font-weight:400}
            .note{color:var(--muted);font-size:13px}
            .charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,500px),1fr));gap:26px 32px}
            table+.charts{margin-top:22px}
            figure{margin:0;min-width:0}
            .chart{display:flex;flex-direction:column}
            .chart svg{margin-top:auto}
            svg{display:block;width:100%;height:auto}
            svg text{fill:var(--muted);font-size:13px;font-variant-numeric:tabular-nums}
            .end{text-anchor:end}.middle{text-anchor:middle}
            .grid{stroke:var(--grid)}.axis{stroke:var(--muted)}.marker{stroke:var(--muted);stroke-dasharray:4 4}
            polyline{fill:none;stroke-linejoin:round;stroke-linecap:round;stroke-width:2}
            polyline.faint{stroke-width:1;opacity:.4}
            \((0..<Chart.palette.count).map { "polyline.s\($0){stroke:var(--s\($0))}circle.s\($0){fill:var(--s\($0))}i.s\($0),.bar .s\($0){background-color:var(--s\($0))}" }.joined())
            .legend{display:flex;flex-wrap:wrap;gap:2px 18px;margin:0 0 6px;padding:0;list-style:none;color:var(--muted);font-size:13px}
            .legend b{color:var(--ink);font-weight:600;font-variant-numeric:tabular-nums}
            i{display:inline-block;width:14px;height:4px;border-radius:2px;margin-right:7px;vertical-align:middle}
            .legend i[style],td i{width:12px;height:12px;border-radius:3px;border:1px solid var(--line)}
            i.faint{opacity:.4}
            .pictures{display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:14px;margin-bottom:10px}
            .pictures.way{grid-template-columns:repeat(6,minmax(0,1fr))}
            @media (max-width:760px){.pictures,.pictures.way{grid-template-columns:repeat(2,minmax(0,1fr))}}
            img{display:block;width:100%;height:auto;border-radius:6px;background:var(--grid)}
            figcaption{color:var(--muted);font-size:13px;margin-top:4px}
            table{border-collapse:collapse;font-size:14px}
            .wide{overflow-x:auto}
            th,td{padding:5px 22px 5px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--grid);overflow-wrap:anywhere}
            th{color:var(--muted);font-weight:500;font-size:13px;white-space:nowrap}
            tbody th{color:var(--ink);font-size:14px}
            .number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
            .nowrap{white-space:nowrap}
            .share{padding:5px 12px;background:color-mix(in srgb,var(--accent) calc(var(--share)*55%),transparent)}
            .facts td:first-child{color:var(--muted);white-space:nowrap}
            .facts .own td{font-weight:600;color:var(--ink)}
            .wide+.facts{margin-top:18px}
            .columns{columns:2 420px;column-gap:40px}
            .columns table{width:100%}
            .columns tr{break-inside:avoid}
            .warning{color:var(--s1)}
            .bar{display:flex;height:26px;border-radius:6px;overflow:hidden;margin-bottom:16px;background:var(--grid)}
            .bar span{flex-basis:0;min-width:0}
            .hatched{background-image:repeating-linear-gradient(45deg,transparent 0 4px,rgb(255 255 255/.45) 4px 8px)}
            footer{color:var(--muted);font-size:13px;margin-top:22px}
            code{font:13px ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace}
            @media print{section{break-inside:avoid}}
            """
    }
}
