#!/usr/bin/env bash
# Downloads Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017; MIT licence), which the experiment perf/MsResampler.Claim needs:
# Debian's package dataset-fashion-mnist, downloaded from the machine's own package sources and unpacked.
# The script installs nothing, does not change the system and needs no root. It prints the folder.
#
# usage: tools/get-fashion-mnist.sh [FOLDER]     default: ~/.cache/msresampler/fashion-mnist, where the experiment looks
# DEB=FILE names a package that was downloaded before.
set -euo pipefail

package=dataset-fashion-mnist
files=({train,t10k}-{images-idx3,labels-idx1}-ubyte.gz)
[ -n "${HOME:-}" ] || unset HOME   # Without HOME, ~ is the home folder in the system's list of users.
home=~
folder=${1:-${XDG_CACHE_HOME:-$home/.cache}/msresampler/fashion-mnist}

say() { echo "get-fashion-mnist: $1" >&2; }

complete() {
    local file
    for file in "${files[@]}"; do
        [ -f "$folder/$file" ] || return 1
    done
}

download() {
    local tool
    for tool in apt-get dpkg-deb tar; do
        command -v "$tool" >/dev/null || { say "$tool was not found: the script needs Debian or a derivative"; return 1; }
    done
    if [ -n "${DEB:-}" ]; then
        cp "$DEB" "$work/${package}_given.deb"
    else
        mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
        local apt=(apt-get -q -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache"
            -o APT::Sandbox::User="$(id -un)")
        "${apt[@]}" update >"$work/log" 2>&1 || { say "packages cannot be listed: $(tail -n 1 "$work/log")"; return 1; }
        (cd "$work" && "${apt[@]}" download "$package") >"$work/log" 2>&1 ||
            { say "the package $package cannot be downloaded: $(tail -n 1 "$work/log")"; return 1; }
    fi
    dpkg-deb --fsys-tarfile "$work/$package"_*.deb | tar -x -C "$work" --wildcards '*-ubyte.gz' ||
        { say "expected idx files in the package $package, found none"; return 1; }
    local file found
    for file in "${files[@]}"; do
        found=$(find "$work/usr" -name "$file" -print -quit)
        [ -n "$found" ] || { say "expected $file in the package $package, found no such file"; return 1; }
        # Through a temporary name, so that a file appears in the folder only when it is complete.
        cp "$found" "$folder/.$$.part"
        mv "$folder/.$$.part" "$folder/$file"
    done
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder"
complete || download
say "${files[*]} are in $folder"
echo "$folder"
