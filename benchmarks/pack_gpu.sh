#!/usr/bin/env bash
# Packs the project, gpu.py and the packages that a bare GPU machine lacks into one archive.
#
#   bash benchmarks/pack_gpu.sh OUT [PYTHON]      e.g. bash benchmarks/pack_gpu.sh /tmp/packed 3.12
#
# Run it where the project is installed with [vision,serve] and there is a network. The machine needs
# Linux on x86-64, PYTHON (3.12) and the packages of `has`, in versions that pyproject.toml allows.
# There:
#
#   mkdir /tmp/gpu && tar xJf toolkit-gpu.tar.xz -C /tmp/gpu
#   PYTHONPATH=/tmp/gpu/site-packages python3 /tmp/gpu/benchmarks/gpu.py --out lines.json
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
out=$(mkdir -p "$1" && cd "$1" && pwd)
python=${2:-3.12}
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
has="torch numpy scipy scikit-learn matplotlib pandas pillow"
limit=$((64 * 1024 * 1024))
# dill, which hashes functions for datasets, knows by this name that modules are not the user's own.
site="$work/tree/site-packages"
mkdir -p "$work/wheels" "$site" "$work/tree/benchmarks"

# What the project needs beyond that, all the way down, as it is installed here: NAME==VERSION.
python3 - "$python" $has > "$work/needed" <<'CODE'
import sys
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

version, seen = sys.argv[1], {canonicalize_name(name) for name in sys.argv[2:]}
there = {"python_version": version, "python_full_version": f"{version}.0",
         "sys_platform": "linux", "platform_machine": "x86_64"}
waiting = [Requirement("finetune-toolkit[vision,serve]")]
while waiting:
    asked = waiting.pop()
    name = canonicalize_name(asked.name)
    if name in seen:
        continue
    seen.add(name)
    try:
        found = distribution(name)
    except PackageNotFoundError:
        sys.exit(f"{name} is not installed for {sys.executable}; install the project first: "
                 "pip install -c constraints.txt -e '.[vision,serve]'")
    if name != "finetune-toolkit":
        print(f"{name}=={found.version}")
    extras = ["", *asked.extras]
    for needed in map(Requirement, found.requires or ()):
        marks = [needed.marker is None or needed.marker.evaluate({**there, "extra": extra})
                 for extra in extras]
        if any(marks):
            waiting.append(needed)
CODE

platforms=()
for glibc in 39 35 34 31 28 27 26 24 17; do platforms+=(--platform "manylinux_2_${glibc}_x86_64"); done
platforms+=(--platform manylinux2014_x86_64 --platform manylinux1_x86_64)
python3 -m pip download --quiet --no-deps --only-binary=:all: --implementation cp \
  --python-version "$python" "${platforms[@]}" --dest "$work/wheels" --requirement "$work/needed"
python3 -m pip wheel --quiet --no-deps --wheel-dir "$work/wheels" .
for wheel in "$work"/wheels/*.whl; do python3 -m zipfile -e "$wheel" "$site"; done

# Headers, tests, and clients of remote storage are a third of pyarrow.
(cd "$site/pyarrow" && rm -rf include includes src tests ./*.pxd ./*.pyx libarrow_flight* \
  libarrow_python_flight* _flight* _s3fs* _gcsfs* _azurefs*)
cp -r benchmarks/gpu.py benchmarks/on_gpu benchmarks/common.py "$work/tree/benchmarks"
find "$work/tree" -name __pycache__ -prune -exec rm -rf {} +
tar cf - -C "$work/tree" . | xz -T2 > "$out/toolkit-gpu.tar.xz"
size=$(stat -c %s "$out/toolkit-gpu.tar.xz")
echo "$out/toolkit-gpu.tar.xz: $size bytes, $(wc -l < "$work/needed") packages for Python $python"
[ "$size" -le "$limit" ] || { echo "that is over the limit of $limit bytes" >&2; exit 1; }
