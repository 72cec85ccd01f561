# Two stages: build and test with the Swift toolchain, then a slim image with the binary, Open MPI and the libraries it needs.
#
#   docker build --tag unet-mpi .
#   docker run --rm --volume "$PWD:/data" unet-mpi --help
#   docker run --rm --volume "$PWD:/data" --entrypoint mpirun unet-mpi -np 4 unet-mpi train --images train-volume.tif ...
#
# The image's user has number 1000; where yours is another, add --user "$(id -u):$(id -g)" so that the files are your own.

FROM swift:6.3-bookworm AS build
WORKDIR /source
# The packages first: they change less often than the sources, so this layer is kept between builds.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        binutils git hdf5-tools libhdf5-dev libopenblas-dev libopenmpi-dev libpng-dev libtiff-dev openmpi-bin pkg-config python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY . .
# Without the copy through the kernel between ranks, which a container is usually not allowed.
ENV OMPI_MCA_btl_vader_single_copy_mechanism=none
RUN scripts/test
RUN swift build --configuration release --static-swift-stdlib --product unet-mpi \
    && install -D --strip "$(swift build --configuration release --show-bin-path)/unet-mpi" /built/unet-mpi

FROM debian:bookworm-slim
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        libgcc-s1 libhdf5-103-1 libopenblas0-pthread libopenmpi3 libpng16-16 libstdc++6 libtiff6 openmpi-bin \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 unet \
    && install --directory --owner=unet --group=unet /data
COPY --from=build /built/unet-mpi /usr/local/bin/unet-mpi
ENV OMPI_MCA_btl_vader_single_copy_mechanism=none
USER unet
WORKDIR /data
ENTRYPOINT ["unet-mpi"]
