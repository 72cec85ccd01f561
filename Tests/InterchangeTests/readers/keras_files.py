"""keras_files.py FOLDER TOLERANCE: reads the files that unet-mpi has written into FOLDER for Keras, and writes some of Keras' own.

Reads model.hdf5, ours.weights.h5 and images-scaled.npy, and compares the predictions with ours.npy. Writes theirs.weights.h5,
theirs-model.h5 and theirs-weights.hdf5, with what they predict in theirs.npy.
"""
import sys

import h5py
import keras
import numpy
from keras import layers
from keras.src.legacy.saving import legacy_h5_format

folder, tolerance = sys.argv[1], float(sys.argv[2])
images = numpy.load(f"{folder}/images-scaled.npy")


def unet(base, depth):
    """The network of github.com/zhixuhao/unet with `base` instead of 64 channels and `depth` instead of 4 poolings."""

    def conv(x, filters, size=3, activation="relu"):
        bias = keras.initializers.RandomUniform(-0.1, 0.1)
        return layers.Conv2D(filters, size, activation=activation, padding="same", kernel_initializer="he_normal", bias_initializer=bias)(x)

    image = x = keras.Input((None, None, 1))
    skips = []
    for level in range(depth + 1):
        x = conv(conv(x, base << level), base << level)
        if level >= depth - 1:
            x = layers.Dropout(0.5)(x)
        if level < depth:
            skips.append(x)
            x = layers.MaxPooling2D(pool_size=(2, 2))(x)
    for level in reversed(range(depth)):
        x = conv(layers.UpSampling2D(size=(2, 2))(x), base << level, 2)
        x = layers.concatenate([skips[level], x], axis=3)
        x = conv(conv(x, base << level), base << level)
    return keras.Model(image, conv(conv(x, 2), 1, 1, "sigmoid"))


ours = numpy.load(f"{folder}/ours.npy")
if numpy.ptp(ours) < 0.01:
    sys.exit("our prediction is constant and would agree with anything")
own = unet(4, 2)
for name in ["model.hdf5", "ours.weights.h5", "weights of model.hdf5"]:
    if name == "model.hdf5":
        model = keras.models.load_model(f"{folder}/{name}", compile=False)
    else:
        model = own
        # A file that is not taken over must not pass for one that is.
        model.set_weights([numpy.zeros_like(weight) for weight in model.get_weights()])
        model.load_weights(f"{folder}/{name.split()[-1]}")
    error = abs(model.predict(images, verbose=0) - ours).max()
    print(f"{name}: {error:.2g}")
    if not error <= tolerance:
        sys.exit(f"{name}: the prediction differs by {error}")

keras.utils.set_random_seed(3)
theirs = unet(4, 2)
theirs.save_weights(f"{folder}/theirs.weights.h5")
theirs.save(f"{folder}/theirs-model.h5")
with h5py.File(f"{folder}/theirs-weights.hdf5", "w") as file:
    legacy_h5_format.save_weights_to_hdf5_group(file, theirs)
numpy.save(f"{folder}/theirs.npy", theirs.predict(images, verbose=0))
