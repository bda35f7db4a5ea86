# Two stages: the first builds wheels, the second holds only what runs.
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements-postgres.lock requirements-build.lock ./
# Wheels only: building from source would run code of the package.
RUN pip wheel --require-hashes --only-binary :all: --no-deps --wheel-dir /wheels \
      -r requirements-postgres.lock \
 && pip install --require-hashes --only-binary :all: -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY cds_service cds_service
COPY hooks hooks
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.13-slim
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    CDS_MODE=production CDS_HOST=0.0.0.0 CDS_PORT=8000 \
    CDS_DATABASE_URL=sqlite:////data/cds-service.db
# Bytecode is made here once: at run time the root file system may be read-only.
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --disable-pip-version-check --no-index --no-deps --compile /wheels/*.whl \
 && ln -s "$(python -c 'import cds_service; print(cds_service.__path__[0])')/gunicorn.conf.py" /etc/gunicorn.conf.py
# Used tokens, keys and switches; of no use when CDS_DATABASE_URL names a PostgreSQL.
RUN mkdir /data && chown 65532:65532 /data
VOLUME /data
USER 65532:65532
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=15s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['CDS_PORT'] + '/livez', timeout=2)"]
CMD ["gunicorn", "--config", "/etc/gunicorn.conf.py"]
