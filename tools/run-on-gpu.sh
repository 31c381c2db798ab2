#!/bin/sh
# Tests and measures the GPU backend of MS-Resampler on this machine: x86-64 Linux with glibc and NVIDIA's driver. Neither
# .NET nor CUDA is needed. tools/pack-gpu-bundle.sh appends the programs to this file.
#
# Steps: list the devices; run the tests that need a GPU; time the engine (gpu.json, gpu.md); time the same models in
# PyTorch, if python3 has it (torch-TYPE.json, torch-TYPE.md). After a failed step the others still run. summary.md lists the
# outcomes. The exit status is 0 only if a GPU was found and no step failed.
set -u

usage() {
    cat <<'END'
usage: sh msresampler-gpu-bundle.sh [--out DIR] [--quick] [--torch-types "TYPE..."] [--unpack DIR]

  --out DIR       where results go; default: msresampler-gpu-results-DATE in the current folder
  --quick         a few seconds per row, batches 1 and 8, PyTorch in float16 only: minutes instead of an hour
  --torch-types   float32, tf32, float16, bfloat16; default: "float16 bfloat16 tf32"
  --unpack DIR    only unpack the programs: msresampler-gpu (all commands of msresampler, and test, gpu, models,
                  roofline) and torch_peer.py

MSRESAMPLER_LIBCUDA names the driver's library if it is not found; PYTHON names an interpreter with PyTorch.
END
}

out= unpack= quick= types="float16 bfloat16 tf32"
while [ $# -gt 0 ]; do
    case $1 in
        --out | --unpack | --torch-types)
            [ $# -gt 1 ] || { echo "run-on-gpu: $1 needs a value" >&2; exit 2; }
            case $1 in
                --out) out=$2 ;;
                --unpack) unpack=$2 ;;
                *) types=$2 ;;
            esac
            shift ;;
        --quick) quick=1 ;;
        -h | --help) usage; exit 0 ;;
        *) echo "run-on-gpu: unknown argument $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done
if [ -n "$quick" ] && [ "$types" = "float16 bfloat16 tf32" ]; then types=float16; fi

# The archive of the programs starts after the last line of the script.
first=1
while IFS= read -r line; do
    first=$((first + 1))
    [ "$line" != __PROGRAMS__ ] || break
done <"$0"
if [ "$(tail -n "+$first" "$0" | head -c 1 | wc -c)" -eq 0 ]; then
    echo "run-on-gpu: this file does not contain the programs; tools/pack-gpu-bundle.sh makes one that does" >&2
    exit 2
fi
if [ -n "$unpack" ]; then
    mkdir -p "$unpack" && tail -n "+$first" "$0" | tar -x -C "$unpack"
    exit
fi

out=${out:-msresampler-gpu-results-$(date +%Y%m%d-%H%M%S)}
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
tail -n "+$first" "$0" | tar -x -C "$work" || { echo "run-on-gpu: cannot unpack to $work" >&2; exit 2; }
# Unpacked files, compiled kernels and the driver's cache go to the temporary folder, not to the user's home.
export DOTNET_BUNDLE_EXTRACT_BASE_DIR="$work/extracted" DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
export MSRESAMPLER_CACHE="$work/kernels" CUDA_CACHE_PATH="$work/driver-cache"
program=$work/msresampler-gpu
failed=0

{
    echo "# Results of the GPU bundle"
    echo
    echo "- commit: $(cat "$work/commit")"
    echo "- date: $(date -u +%Y-%m-%dT%H:%M:%SZ)"
    echo "- system: $(uname -srm)"
    echo
    echo "| step | outcome | log |"
    echo "|---|---|---|"
} >"$out/summary.md"

record() {
    echo "| $1 | $2 | $1.log |" >>"$out/summary.md"
    echo "run-on-gpu: $1: $2"
}

# step NAME COMMAND...: runs a command, writes its output to NAME.log and records the outcome.
step() {
    name=$1
    shift
    echo "run-on-gpu: $name ..."
    "$@" >"$out/$name.log" 2>&1
    status=$?
    case $status in
        0) record "$name" passed ;;
        *) record "$name" "failed ($status): $(tail -n 1 "$out/$name.log" | cut -c 1-200 | tr '|' '/')"; failed=1 ;;
    esac
    return $status
}

skip() {
    echo "$2" >"$out/$1.log"
    record "$1" "not run: $2"
}

command -v nvidia-smi >/dev/null && nvidia-smi -q >"$out/nvidia-smi.txt" 2>&1
step devices "$program" devices
step models "$program" models --out "$work/models"
step verify-cpu "$program" verify --model "$work/models/clip-l-336-separate" --backend cpu
step verify "$program" verify --model "$work/models/clip-l-336-separate" --backend cuda
if [ $? -eq 2 ]; then
    skip test "there is no usable GPU (verify.log says why)"
    skip gpu "there is no usable GPU (verify.log says why)"
else
    step test "$program" test --xml "$out/test.xml"
    step gpu "$program" gpu --json "$out/gpu.json" --markdown "$out/gpu.md" ${quick:+--quick}
fi

python=${PYTHON:-python3}
for type in $types; do
    if ! command -v "$python" >/dev/null; then
        skip "torch-$type" "$python was not found; PYTHON names another interpreter"
    elif ! "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
        skip "torch-$type" "$python has no PyTorch that finds a GPU"
    else
        set -- --dtype "$type" --json "$out/torch-$type.json" --markdown "$out/torch-$type.md"
        [ -z "$quick" ] || set -- "$@" --batch 1 8 --seconds 0.3
        [ ! -f "$out/gpu.json" ] || set -- "$@" --engine "$out/gpu.json"
        step "torch-$type" "$python" "$work/torch_peer.py" "$work"/models/* "$@"
    fi
done

echo "run-on-gpu: results are in $out"
cat "$out/summary.md"
exit $failed
__PROGRAMS__
