#!/usr/bin/env bash
# Brings NVIDIA's PTX assembler and the programs that show its output (ptxas, cuobjdump, nvdisasm), with which the tests
# check every kernel's registers and spills. They are in Debian's package nvidia-cuda-toolkit, of the component
# non-free; it is downloaded from the sources that the machine itself uses and unpacked. Nothing is installed, nothing
# of the system is changed, and root is not needed. Without the programs those tests are ignored.
#
# usage: tools/get-ptxas.sh [FOLDER]     default: ~/.cache/msresampler/cuda, where the tests look
set -euo pipefail

programs=(ptxas cuobjdump nvdisasm)
[ -n "${HOME:-}" ] || unset HOME   # Then ~ is the home that the system's list of users names.
home=~
folder=${1:-${XDG_CACHE_HOME:-$home/.cache}/msresampler/cuda}

fail() {
    echo "get-ptxas: $1" >&2
    exit 1
}

have() {
    for program in "${programs[@]}"; do
        "$folder/$program" --version >/dev/null 2>&1 || return 1
    done
}

if have; then
    echo "get-ptxas: ${programs[*]} are in $folder"
    exit 0
fi

for tool in apt-get dpkg-deb awk tar; do
    command -v "$tool" >/dev/null || fail "needs $tool, so Debian or alike; or install NVIDIA's CUDA toolkit"
done
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$codename" ] || fail "/etc/os-release names no release of Debian; install NVIDIA's CUDA toolkit instead"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/sources" "$work/lists/partial" "$work/cache/archives/partial"

# The release's own entries of the machine's sources, in either format, with the component non-free in place of theirs.
shopt -s nullglob
for file in /etc/apt/sources.list.d/*.sources; do
    awk -v RS= -v ORS='\n\n' -v codename="$codename" '
        { suites = ""; entry = ""; lines = split($0, line, "\n") }
        {
            for (i = 1; i <= lines; i++) {
                if (line[i] ~ /^#/) continue
                if (line[i] ~ /^Components:/) line[i] = "Components: non-free"
                if (line[i] ~ /^Suites:/) suites = line[i] " "
                entry = entry (entry == "" ? "" : "\n") line[i]
            }
            if (index(suites, " " codename " ")) print entry
        }' "$file" >"$work/sources/$(basename "$file")"
done
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -f "$file" ] || continue
    awk -v codename="$codename" '
        $1 == "deb" { for (i = 2; i < NF; i++) if ($i == codename) {
            for (j = 1; j <= i; j++) printf "%s ", $j
            print "non-free"
        } }' "$file" >"$work/sources/$(basename "$file")"
done
find "$work/sources" -type f -empty -delete
[ -n "$(ls "$work/sources")" ] ||
    fail "apt's sources have no entry for $codename; install NVIDIA's CUDA toolkit instead"

apt=(apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/sources"
    -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User="$(id -un)")
"${apt[@]}" update >"$work/log" 2>&1 || fail "apt-get update failed: $(tail -n 1 "$work/log")"
(cd "$work" && "${apt[@]}" download nvidia-cuda-toolkit) >"$work/log" 2>&1 ||
    fail "the package nvidia-cuda-toolkit cannot be had: $(tail -n 1 "$work/log")"

dpkg-deb --fsys-tarfile "$work"/nvidia-cuda-toolkit_*.deb |
    tar -x -C "$work" --strip-components=3 "${programs[@]/#/./usr/bin/}" ||
    fail "the package nvidia-cuda-toolkit has other programs than expected"
mkdir -p "$folder"
for program in "${programs[@]}"; do
    mv "$work/$program" "$folder/$program"
done
have || fail "the programs in $folder do not run on this machine"
echo "get-ptxas: ${programs[*]} are now in $folder"
