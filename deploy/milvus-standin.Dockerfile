# A Milvus server of its Python package, to try vicinal's image where Milvus' own image cannot be had. Not for production.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS package
RUN python -m venv /tmp/venv && /tmp/venv/bin/pip install --no-cache-dir "setuptools<80" milvus==2.3.5
# The package's launcher unpacks the server at its first start and may choose another port: here it does so now. Logs go
# to /tmp, which can be written where the root cannot.
RUN /tmp/venv/bin/python -c "import milvus; \
    milvus.MilvusServerConfig(data_dir='/opt/milvus', proxy_port=19530).resolve(); \
    milvus._initialize_data_files('/opt/milvus')" \
    && rm -r /opt/milvus/logs && ln -s /tmp /opt/milvus/logs

FROM python:${PYTHON}
COPY --from=package --chown=10001:10001 /opt/milvus /opt/milvus
ENV DEPLOY_MODE=STANDALONE METRICS_PORT=9091 LD_LIBRARY_PATH=/opt/milvus/bin
WORKDIR /opt/milvus
USER 10001
VOLUME ["/opt/milvus/data"]
EXPOSE 19530
HEALTHCHECK --interval=10s --timeout=20s --start-period=90s --retries=6 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9091/healthz', timeout=10)"]
ENTRYPOINT ["/opt/milvus/bin/milvus", "run", "standalone"]
