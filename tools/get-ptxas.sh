#!/usr/bin/env bash
# Downloads NVIDIA's PTX assembler and the programs that show its output: ptxas, cuobjdump, nvdisasm. The tests use them to
# check the registers and spills of every kernel; without them those tests are skipped. The programs are part of Debian's
# package nvidia-cuda-toolkit (component non-free), which is downloaded from the machine's own package sources and unpacked.
# The script installs nothing, does not change the system and needs no root.
#
# usage: tools/get-ptxas.sh [FOLDER]     default: ~/.cache/msresampler/cuda, where the tests look
set -euo pipefail

programs=(ptxas cuobjdump nvdisasm)
[ -n "${HOME:-}" ] || unset HOME   # Without HOME, ~ is the home folder in the system's list of users.
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
    command -v "$tool" >/dev/null || fail "$tool was not found: use Debian or a derivative, or install NVIDIA's CUDA toolkit"
done
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$codename" ] || fail "/etc/os-release names no release of Debian; install NVIDIA's CUDA toolkit instead"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/sources" "$work/lists/partial" "$work/cache/archives/partial"

# Copies the machine's package sources for this release, in either format, with non-free as their only component.
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
    fail "the package nvidia-cuda-toolkit cannot be downloaded: $(tail -n 1 "$work/log")"

dpkg-deb --fsys-tarfile "$work"/nvidia-cuda-toolkit_*.deb |
    tar -x -C "$work" --strip-components=3 "${programs[@]/#/./usr/bin/}" ||
    fail "expected the programs ${programs[*]} in the package nvidia-cuda-toolkit, found others"
mkdir -p "$folder"
for program in "${programs[@]}"; do
    mv "$work/$program" "$folder/$program"
done
have || fail "the programs in $folder do not run on this machine"
echo "get-ptxas: ${programs[*]} are now in $folder"
