# Two images from one file: `docker build .` serves on the CPU, `docker build --target cuda .` on an NVIDIA GPU.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS base
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONUNBUFFERED=1
RUN python -m venv /opt/heedmap
ENV PATH=/opt/heedmap/bin:$PATH

# What the lock holds for serving, in a stage of its own: the packages are installed anew only when the lock changes.
# `--build-arg EXTRA=cluster` adds what replicas on Ray need, EXTRA=telemetry what spans do.
FROM base AS locked
ARG EXTRA=serve
WORKDIR /source
COPY pyproject.toml requirements.lock ./
COPY .build .build
RUN mkdir /locked \
 && python .build/locked.py build > /locked/build.txt \
 && python .build/locked.py "$EXTRA" > /locked/serve.txt \
 && python .build/locked.py --torch "$EXTRA" > /locked/serve-cuda.txt \
 && python .build/locked.py --versions > /locked/versions.txt

FROM base AS wheel
COPY --from=locked /locked /locked
RUN pip install --require-hashes --no-deps -r /locked/build.txt
WORKDIR /source
COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /dist .

# `--build-arg TORCH_INDEX=`, the address of PyTorch's own index of CPU builds, makes an image of a tenth of the size:
# without it comes the default index's PyTorch, which serves on a CPU too but carries its CUDA libraries along.
FROM base AS cpu-packages
ARG TORCH_INDEX=
COPY --from=locked /locked /locked
RUN pip install --require-hashes --no-deps -r /locked/serve.txt \
 && pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -c /locked/versions.txt torch
COPY --from=wheel /dist/*.whl /dist/
RUN pip install --no-deps /dist/*.whl

# The default index's PyTorch brings its own CUDA libraries; only the driver comes from the host.
FROM base AS cuda-packages
COPY --from=locked /locked /locked
RUN pip install --require-hashes --no-deps -r /locked/serve-cuda.txt
COPY --from=wheel /dist/*.whl /dist/
RUN pip install --no-deps /dist/*.whl

FROM base AS runtime
RUN useradd --system --uid 10001 --home-dir /var/lib/heedmap --create-home heedmap \
 && install -d -o heedmap -g heedmap /var/lib/heedmap/traces /var/lib/heedmap/hub
# Letters of maps as PDF: Latin, Greek, Cyrillic, Arabic; Chinese, Japanese, Korean.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends fonts-dejavu-core fonts-droid-fallback \
 && rm -rf /var/lib/apt/lists/*
# Reached from outside the container, so that it starts with API keys (HEEDMAP_API_KEYS or HEEDMAP_KEYS_FILE) or, where
# whoever reaches it may use it, with HEEDMAP_OPEN=true.
ENV HEEDMAP_HOST=0.0.0.0 HEEDMAP_PORT=8000 HEEDMAP_TRACES=/var/lib/heedmap/traces HF_HOME=/var/lib/heedmap/hub \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/heedmap
VOLUME ["/var/lib/heedmap/traces", "/var/lib/heedmap/hub"]
EXPOSE 8000
USER heedmap
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", \
  "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"HEEDMAP_PORT\"]}/readyz', timeout=4)"]
ENTRYPOINT ["heedmap"]
CMD ["serve"]

# Kernels are compiled where they run: for that a C compiler, and a folder that programs may be loaded from.
FROM runtime AS cuda
USER root
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o heedmap -g heedmap /var/lib/heedmap/kernels
USER heedmap
ENV HEEDMAP_DEVICE=cuda NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    TRITON_CACHE_DIR=/var/lib/heedmap/kernels/triton TORCHINDUCTOR_CACHE_DIR=/var/lib/heedmap/kernels/inductor
VOLUME ["/var/lib/heedmap/kernels"]
COPY --from=cuda-packages /opt/heedmap /opt/heedmap

FROM runtime AS cpu
ENV HEEDMAP_DEVICE=cpu
COPY --from=cpu-packages /opt/heedmap /opt/heedmap
