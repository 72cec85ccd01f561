"""A network of unet-mpi in PyTorch: every architecture, built from the list of layers that comes with the weights.

    network = load("model.safetensors")          # needs the package safetensors
    probabilities = network(images)              # [N, C, H, W], normalised as the file's metadata say
"""
import json

import torch
import torch.nn.functional as F
from torch import nn


class UNet(nn.Module):
    """The layers in order, each with the names of those that it takes its input from."""

    def __init__(self, layers, logits=False):
        super().__init__()
        self.layers, self.logits = layers, logits
        for layer in layers:
            module = self.module(**layer)
            if module is not None:
                self.add_module(layer["name"], module)

    @staticmethod
    def module(name, kind, inputs, relu=False, channels=(), kernel=(), padding=(), bias=True, groups=1, epsilon=1e-5):
        if kind in ("conv", "upsample_conv"):
            return nn.Conv2d(*channels, kernel, bias=bias)
        if kind == "transposed_conv":
            return nn.ConvTranspose2d(*channels, kernel, stride=2, bias=bias)
        if kind == "group_norm":
            return nn.GroupNorm(groups, *channels, eps=epsilon)
        return nn.BatchNorm2d(*channels, eps=epsilon) if kind == "batch_norm" else None

    def forward(self, image):
        values = {}
        for layer in self.layers:
            kind, padding = layer["kind"], layer.get("padding")
            x = [values[name] for name in layer["inputs"]]
            if kind == "input":
                y = image
            elif kind == "max_pool":
                y = F.max_pool2d(x[0], 2)
            elif kind == "concatenate":
                y = torch.cat(x, dim=1)
            elif kind == "add":
                y = x[0] + x[1]
            elif kind == "gate":
                y = x[0] * torch.sigmoid(x[1])
            elif kind == "pad":  # zeros around the image; negative: a part of it
                y = F.pad(x[0], padding)
            elif kind == "dropout":
                y = x[0]
            else:
                y = F.interpolate(x[0], scale_factor=2, mode="nearest") if kind == "upsample_conv" else x[0]
                y = getattr(self, layer["name"])(F.pad(y, padding) if padding else y)
            values[layer["name"]] = F.relu(y) if layer.get("relu") else y
        return y if self.logits else torch.softmax(y, 1) if y.shape[1] > 1 else torch.sigmoid(y)


def load(path, logits=False):
    """The network of a .safetensors file that unet-mpi exported, ready to predict with."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        network = UNet(json.loads(file.metadata()["layers"]), logits)
        network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})
    return network.eval()
