# syntax=docker/dockerfile:1
# The toolkit as a command, for CPU or CUDA: docs/docker.md says how it is built and run.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS base
# An image with CUDA has no Python; which version of it, the image's release decides.
# hadolint ignore=DL3008
RUN if ! command -v python3; then \
      apt-get update && apt-get install -y --no-install-recommends python3 python3-venv \
      && rm -rf /var/lib/apt/lists/*; \
    fi

FROM base AS build
# The checkout, or a wheel in it: --build-arg SOURCE=/src/dist/NAME.whl
ARG SOURCE=/src
ARG EXTRAS=starter,vision,tabular,generation,serve,onnx,trackers
ARG TORCH_INDEX
COPY . /src
RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir \
      --constraint /src/constraints.txt ${TORCH_INDEX:+--extra-index-url "${TORCH_INDEX}"} \
      "${SOURCE}[${EXTRAS}]"

FROM base
COPY --from=build /opt/venv /opt/venv
# Whatever user `docker run --user` names may write to the caches; Python asks USER for a name.
RUN useradd --create-home --home-dir /home/toolkit --uid 10001 toolkit \
    && chmod 1777 /home/toolkit && install -d -m 1777 /workspace
ENV PATH=/opt/venv/bin:$PATH HOME=/home/toolkit USER=toolkit PYTHONUNBUFFERED=1
USER 10001
WORKDIR /workspace
EXPOSE 8000
# Only of `serve`: a container that trains answers nothing.
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s CMD ["sh", "-c", \
  "! grep -qz '^serve$' /proc/1/cmdline || \
   python3 -c \"import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=4)\""]
ENTRYPOINT ["toolkit"]
CMD ["--help"]
