#!/usr/bin/env bash
# Downloads NVIDIA's PTX assembler and the programs that show its output: ptxas, cuobjdump, nvdisasm. The tests use them to
# check the registers and spills of every kernel; without them those tests are skipped. The programs are part of Debian's
# package nvidia-cuda-toolkit (component non-free), which is downloaded from the machine's own package sources and unpacked:
# that of the machine's release (11.8 in bookworm), and that of trixie (12.4), which knows newer architectures. The script
# installs nothing, does not change the system and needs no root.
#
# usage: tools/get-ptxas.sh [FOLDER]     default: ~/.cache/msresampler/cuda, where the tests look; each version has a folder
set -euo pipefail

programs=(ptxas cuobjdump nvdisasm)
newest_suite=trixie
newest_version=12.4
[ -n "${HOME:-}" ] || unset HOME   # Without HOME, ~ is the home folder in the system's list of users.
home=~
folder=${1:-${XDG_CACHE_HOME:-$home/.cache}/msresampler/cuda}

say() { echo "get-ptxas: $1" >&2; }

fail() {
    say "$1"
    exit 1
}

# version FOLDER: the version of the programs in a folder; fails if one of them is missing or does not run.
version() {
    local program
    for program in "${programs[@]}"; do
        "$1/$program" --version >/dev/null 2>&1 || return 1
    done
    "$1/ptxas" --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p'
}

# present: the versions that are already there, in the folder itself or in one of its own.
present() {
    local place
    for place in "$folder" "$folder"/*/; do
        version "$place" || true
    done
}

# sources SUITE: copies the machine's package sources for its release, in either format, as sources of a suite with
# non-free as their only component.
sources() {
    local suite=$1 file
    mkdir "$work/sources"
    for file in /etc/apt/sources.list.d/*.sources; do
        awk -v RS= -v ORS='\n\n' -v codename="$codename" -v suite="$suite" '
            { suites = ""; entry = ""; lines = split($0, line, "\n") }
            {
                for (i = 1; i <= lines; i++) {
                    if (line[i] ~ /^#/) continue
                    if (line[i] ~ /^Components:/) line[i] = "Components: non-free"
                    if (line[i] ~ /^Suites:/) { suites = line[i] " "; line[i] = "Suites: " suite }
                    entry = entry (entry == "" ? "" : "\n") line[i]
                }
                if (index(suites, " " codename " ")) print entry
            }' "$file" >"$work/sources/$(basename "$file")"
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$file" ] || continue
        awk -v codename="$codename" -v suite="$suite" '
            $1 == "deb" { for (i = 2; i < NF; i++) if ($i == codename) {
                for (j = 1; j < i; j++) printf "%s ", $j
                print suite, "non-free"
            } }' "$file" >"$work/sources/$(basename "$file")"
    done
    find "$work/sources" -type f -empty -delete
    [ -n "$(ls "$work/sources")" ]
}

# bring SUITE: downloads and unpacks the programs of a suite; says why if it fails.
bring() {
    local suite=$1 found program
    local work=$temporary/$suite
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    sources "$suite" || { say "apt's sources have no entry for $codename"; return 1; }
    local apt=(apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/sources"
        -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User="$(id -un)")
    "${apt[@]}" update >"$work/log" 2>&1 ||
        { say "the packages of $suite cannot be listed: $(tail -n 1 "$work/log")"; return 1; }
    (cd "$work" && "${apt[@]}" download nvidia-cuda-toolkit) >"$work/log" 2>&1 ||
        { say "the package nvidia-cuda-toolkit of $suite cannot be downloaded: $(tail -n 1 "$work/log")"; return 1; }
    dpkg-deb --fsys-tarfile "$work"/nvidia-cuda-toolkit_*.deb |
        tar -x -C "$work" --strip-components=3 "${programs[@]/#/./usr/bin/}" ||
        { say "expected the programs ${programs[*]} in the package nvidia-cuda-toolkit of $suite, found others"; return 1; }
    found=$(version "$work") || { say "the programs of $suite do not run on this machine"; return 1; }
    mkdir -p "$folder/$found"
    for program in "${programs[@]}"; do
        mv "$work/$program" "$folder/$found/$program"
    done
    say "${programs[*]} $found are now in $folder/$found"
}

shopt -s nullglob
has_newest=0
has_other=0
for found in $(present); do
    say "${programs[*]} $found are in $folder"
    if [ "$found" = "$newest_version" ]; then has_newest=1; else has_other=1; fi
done

# shellcheck source=/dev/null
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
wanted=()
if [ "$codename" = "$newest_suite" ]; then
    [ $has_other -eq 1 ] || say "$codename has only ptxas $newest_version; the tests run without an older one"
elif [ $has_other -eq 0 ]; then
    wanted+=("$codename")
fi
[ $has_newest -eq 1 ] || wanted+=("$newest_suite")
[ ${#wanted[@]} -gt 0 ] || exit 0

for tool in apt-get dpkg-deb awk tar; do
    command -v "$tool" >/dev/null || fail "$tool was not found: use Debian or a derivative, or install NVIDIA's CUDA toolkit"
done
[ -n "$codename" ] || fail "/etc/os-release names no release of Debian; install NVIDIA's CUDA toolkit instead"

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
status=0
for suite in "${wanted[@]}"; do
    bring "$suite" || status=1
done
exit $status
