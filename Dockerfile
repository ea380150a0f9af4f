# The operator's image.
#
# `docker build -t batchyard .` takes the packages from the package index. `python -m localcluster image` builds the same
# file with buildah or Docker on the local Python image instead and puts the packages into packages/ beforehand: such a
# build needs no network.
ARG BASE=python:3.13-slim

FROM ${BASE} AS packages
WORKDIR /build
COPY requirements-runtime.lock hack/lean_packages.py ./
COPY requirements-runtime.lock package[s]/ /opt/packages/
RUN test -d /opt/packages/kopf || python3 -m pip install --no-cache-dir --no-compile --no-deps --only-binary :all: \
        --require-hashes --target /opt/packages --requirement requirements-runtime.lock
# Compiled here and below, because nothing can be written where the operator runs.
RUN python3 lean_packages.py /opt/packages \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/packages

FROM ${BASE}
LABEL org.opencontainers.image.title="Batchyard operator" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PYTHONPATH=/opt/batchyard:/opt/packages PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=packages /opt/packages /opt/packages
COPY operator/batchyard /opt/batchyard/batchyard
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/batchyard && python3 -m batchyard --version
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python3", "-m", "batchyard"]
