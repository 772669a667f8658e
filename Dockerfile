# One image for every service of docker-compose.yml; a service is the command it runs.
ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim AS build
# Further ones: --build-arg EXTRAS=worker,http,dashboard,otel
ARG EXTRAS=worker,http,dashboard
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/segue
WORKDIR /src
# The dependencies of an empty distribution first: a change of the source keeps this layer.
COPY pyproject.toml constraints.txt ./
RUN mkdir -p producer/segue_producer producer/segue_tracking_api worker/segue_worker worker/segue_sandbox \
    && touch README.md producer/segue_producer/__init__.py worker/segue_worker/__init__.py \
    && pip --python /opt/segue/bin/python install -c constraints.txt ".[$EXTRAS]" flower
COPY README.md LICENSE ./
COPY producer producer
COPY worker worker
RUN pip --python /opt/segue/bin/python install --no-deps --force-reinstall .

FROM python:${PYTHON_VERSION}-slim
LABEL org.opencontainers.image.title="Segue" \
      org.opencontainers.image.description="Segment-style identify and track events into Loops" \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --gid 10001 segue \
    && useradd --uid 10001 --gid segue --no-create-home --shell /usr/sbin/nologin segue
COPY --from=build /opt/segue /opt/segue
ENV PATH=/opt/segue/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SEGUE_CONFIG=/etc/segue/segue.yaml
WORKDIR /etc/segue
USER 10001:10001
STOPSIGNAL SIGTERM
CMD ["celery", "-A", "segue_worker", "worker", "--loglevel", "INFO"]
