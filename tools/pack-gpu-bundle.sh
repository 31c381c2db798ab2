#!/usr/bin/env bash
# Packs one file that tests and measures the GPU backend on an x86-64 Linux machine without .NET. That machine needs only
# glibc and NVIDIA's driver; this one needs the .NET SDK and no GPU. The file consists of tools/run-on-gpu.sh and an archive
# of the programs and of compiled kernels: their PTX, and their machine code if there is an assembler (see get-ptxas.sh). Run
# it with --help on the GPU machine.
#
# usage: tools/pack-gpu-bundle.sh [FILE]     default: artifacts/msresampler-gpu-bundle.sh
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
    -h | --help) sed -n '2,7s/^# \{0,1\}//p' tools/pack-gpu-bundle.sh; exit ;;
    -*) echo "pack-gpu-bundle: expected a file to write, found $1; see --help" >&2; exit 2 ;;
esac

max_bytes=$((60 * 1000 * 1000))
output=${1:-artifacts/msresampler-gpu-bundle.sh}
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

fail() {
    echo "pack-gpu-bundle: $1" >&2
    exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

dotnet publish tools/MsResampler.GpuBundle -c Release -r linux-x64 -o "$work/publish" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; fail "dotnet publish failed"; }

mkdir "$work/bundle"
cp -r "$work/publish/msresampler-gpu" "$work/publish/MockDriver" perf/peers/*.py "$work/bundle"
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain 2>/dev/null)" ] || commit="$commit with changes"
echo "$commit" >"$work/bundle/commit"
MSRESAMPLER_CACHE="$work/bundle/kernels" "$work/bundle/msresampler-gpu" fill --machine-code 80 86 89 90 ||
    fail "the kernels were not compiled"

mkdir -p "$(dirname "$output")"
{
    cat tools/run-on-gpu.sh
    tar -C "$work/bundle" -c -z --owner=0 --group=0 .
} >"$output"
chmod +x "$output"

bytes=$(stat -c %s "$output")
[ "$bytes" -le "$max_bytes" ] || fail "$output has $bytes bytes, more than $max_bytes"
echo "pack-gpu-bundle: $output, $((bytes / 1000 / 1000)) MB"
