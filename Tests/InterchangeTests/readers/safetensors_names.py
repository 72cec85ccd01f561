"""safetensors_names.py FOLDER COUNT: are COUNT files what the safetensors library takes, with the tensors that their layers need?"""
import json
import pathlib
import sys

import numpy
from safetensors import safe_open

folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
files = sorted(folder.glob("*.safetensors"))
if len(files) != count:
    sys.exit(f"{len(files)} files instead of {count}")


def shapes(layer):
    """What a module of PyTorch has, by name."""
    kind, channels, kernel = layer["kind"], layer.get("channels"), layer.get("kernel")
    if kind in ("conv", "upsample_conv", "transposed_conv"):
        first = channels if kind == "transposed_conv" else channels[::-1]
        return {"weight": first + kernel} | ({"bias": [channels[1]]} if layer.get("bias", True) else {})
    roles = {"group_norm": ["weight", "bias"], "batch_norm": ["weight", "bias", "running_mean", "running_var"]}.get(kind, [])
    return {role: channels for role in roles}


for path in files:
    with safe_open(path, "numpy") as file:
        found = {name: list(file.get_tensor(name).shape) for name in file.keys()}
        if not all(file.get_tensor(name).dtype == numpy.float32 for name in file.keys()):
            sys.exit(f"{path}: a tensor is not float32")
        layers = json.loads(file.metadata()["layers"])
        if file.metadata()["format"] != "pt":
            sys.exit(f"{path}: not marked as PyTorch's")
    wanted = {f"{layer['name']}.{role}": shape for layer in layers for role, shape in shapes(layer).items()}
    if found != wanted or not found:
        sys.exit(f"{path}: {found} instead of {wanted}")
    print(f"{path.stem}: {len(found)} tensors")
