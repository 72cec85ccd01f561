"""Prints as JSON what tifffile sees in a TIFF file: type, shape, axes, resolution, ImageJ's and OME's metadata, some values."""

import json
import sys
import xml.etree.ElementTree as tree

import tifffile

with tifffile.TiffFile(sys.argv[1]) as file:
    series, page = file.series[0], file.pages[0]
    data = file.asarray()
    ome = dict(tree.fromstring(file.ome_metadata).find(".//{*}Pixels").attrib) if file.is_ome else None
    resolution = None
    if "XResolution" in page.tags:
        resolution = [page.tags[name].value[0] / page.tags[name].value[1] for name in ("XResolution", "YResolution")]
    imagej = None
    if file.is_imagej:
        imagej = {key: value for key, value in file.imagej_metadata.items() if isinstance(value, (int, float, str)) and not isinstance(value, bool)}
    values = sorted(set(data.ravel().tolist()))
    print(
        json.dumps(
            {
                "dtype": str(data.dtype),
                "shape": list(series.shape),
                "axes": series.axes,
                "resolution": resolution,
                "imagej": imagej,
                "ome": ome,
                "values": values[:3] + values[-3:],
            }
        )
    )
