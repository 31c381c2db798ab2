#!/usr/bin/env bash
# Downloads what the tests with real weights and real photos use; without it those tests are skipped:
# - ResNet18.onnx and ResNetPreprocess.onnx from the NuGet package Microsoft.ML.DnnImageFeaturizer.ResNet18 (MIT licence);
# - photos from Debian's package python3-skimage, downloaded from the machine's own package sources and unpacked.
# The script installs nothing, does not change the system and needs no root.
#
# usage: tools/get-vision-data.sh [FOLDER]     default: ~/.cache/msresampler/vision, where the tests look
set -euo pipefail

package=Microsoft.ML.DnnImageFeaturizer.ResNet18
package_version=0.23.1
models=(ResNet18Onnx/ResNet18.onnx ResNetPrepOnnx/ResNetPreprocess.onnx)
photos=(astronaut.png camera.png chelsea.png coffee.png rocket.jpg)
[ -n "${HOME:-}" ] || unset HOME   # Without HOME, ~ is the home folder in the system's list of users.
home=~
folder=${1:-${XDG_CACHE_HOME:-$home/.cache}/msresampler/vision}

say() { echo "get-vision-data: $1" >&2; }

# complete FILE...: whether the folder has all files.
complete() {
    local file
    for file in "$@"; do
        [ -f "$folder/$(basename "$file")" ] || return 1
    done
}

# keep FILE: moves a file to the folder, so that it appears there only when it is complete.
keep() {
    cp "$1" "$folder/.$$.part"
    mv "$folder/.$$.part" "$folder/$(basename "$1")"
}

bring_models() {
    command -v dotnet >/dev/null || { say "dotnet was not found"; return 1; }
    mkdir -p "$work/restore"
    cat >"$work/restore/restore.csproj" <<PROJECT
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><TargetFramework>net10.0</TargetFramework></PropertyGroup>
  <ItemGroup><PackageDownload Include="$package" Version="[$package_version]" /></ItemGroup>
</Project>
PROJECT
    dotnet restore "$work/restore" --packages "$work/packages" >"$work/log" 2>&1 ||
        { say "the package $package cannot be restored: $(grep -m1 error "$work/log" || tail -n 1 "$work/log")"; return 1; }
    local model
    for model in "${models[@]}"; do
        keep "$work/packages/${package,,}/$package_version/tools/DnnImageModels/$model" ||
            { say "expected $model in the package $package, found another layout"; return 1; }
    done
    say "${models[*]##*/} are now in $folder"
}

bring_photos() {
    local tool photo
    for tool in apt-get dpkg-deb tar; do
        command -v "$tool" >/dev/null || { say "$tool was not found: the photos need Debian or a derivative"; return 1; }
    done
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    local apt=(apt-get -q -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache"
        -o APT::Sandbox::User="$(id -un)")
    "${apt[@]}" update >"$work/log" 2>&1 || { say "packages cannot be listed: $(tail -n 1 "$work/log")"; return 1; }
    (cd "$work" && "${apt[@]}" download python3-skimage) >"$work/log" 2>&1 ||
        { say "the package python3-skimage cannot be downloaded: $(tail -n 1 "$work/log")"; return 1; }
    dpkg-deb --fsys-tarfile "$work"/python3-skimage_*.deb | tar -x -C "$work" --wildcards '*/skimage/data/*' ||
        { say "expected photos in the package python3-skimage, found none"; return 1; }
    for photo in "${photos[@]}"; do
        keep "$work/usr/lib/python3/dist-packages/skimage/data/$photo" ||
            { say "expected $photo in the package python3-skimage, found no such file"; return 1; }
    done
    say "${photos[*]} are now in $folder"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder"
status=0
if complete "${models[@]}"; then say "${models[*]##*/} are in $folder"; else bring_models || status=1; fi
if complete "${photos[@]}"; then say "${photos[*]} are in $folder"; else bring_photos || status=1; fi
exit $status
