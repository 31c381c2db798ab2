#!/bin/sh
# Answers, in order of worth, what only a GPU can: do the kernels load, are the tokens right, how long do they take, and what
# limits them. Needs x86-64 Linux with glibc and NVIDIA's driver; neither .NET nor CUDA. tools/pack-gpu-bundle.sh appends the
# programs to this file.
#
# shellcheck disable=SC2086 # lists of words are split
#
# Each step has a share of the time; what it leaves over goes to the steps after it. A step that takes longer is stopped. Every
# result is written at once, as a line of results.jsonl and a row of results.md, so that nothing is lost if the run is cut off.
set -u

usage() {
    cat <<'END'
usage: sh msresampler-gpu-bundle.sh [--minutes N] [--out DIR | --resume DIR] [--steps "STEP..."]

  --minutes N      the time for all steps; default: 9. With 60 nearly everything is measured
  --out DIR        where results go; default: msresampler-gpu-results-DATE in the current folder
  --resume DIR     continue the run whose results are in DIR: what it finished is not repeated
  --steps "..."    only these steps, of: machine probe promises parity times sanitizer ncu torch shapes
  --unpack DIR     only unpack the programs: msresampler-gpu has all commands of msresampler, and test, probe, parity,
                   gpu, models, roofline
  --programs DIR   run the programs that are unpacked in DIR
  --emulate        a dry run without a GPU, with tiny models on a mock of the driver; needs a C compiler

The exit status is 0 only if there is a GPU and nothing failed. The folder of results has at most eight files.
MSRESAMPLER_LIBCUDA names the driver's library if it is not found; PYTHON names an interpreter with PyTorch.
END
}

refuse() {
    echo "run-on-gpu: $1" >&2
    exit 2
}

minutes=9 out='' resume='' unpack='' programs='' emulate=''
# The steps, in order, each with its share: the seconds of nine minutes.
all="machine:10 probe:60 promises:30 parity:60 times:150 sanitizer:60 ncu:60 torch:70 shapes:40"
chosen=" machine probe promises parity times sanitizer ncu torch shapes "
while [ $# -gt 0 ]; do
    case $1 in
        --minutes | --out | --resume | --unpack | --programs | --steps)
            [ $# -gt 1 ] || refuse "$1 needs a value"
            case $1 in
                --minutes) minutes=$2 ;;
                --out) out=$2 ;;
                --resume) resume=$2 ;;
                --unpack) unpack=$2 ;;
                --programs) programs=$2 ;;
                *)
                    for step in $2; do
                        case " $all" in *" $step:"*) ;; *) refuse "--steps: unknown step $step; see --help" ;; esac
                    done
                    chosen=" machine $2 " ;;
            esac
            shift ;;
        --emulate) emulate=1 ;;
        -h | --help) usage; exit 0 ;;
        *) echo "run-on-gpu: unknown argument $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done
case $minutes in
    *[!0-9.]* | *.*.* | .* | *. | '') refuse "--minutes: expected a number such as 9 or 0.5, found $minutes" ;;
esac
seconds=$(awk "BEGIN { printf \"%d\", 60 * $minutes }")
[ "$seconds" -gt 0 ] || refuse "--minutes: expected more than 0, found $minutes"
[ -z "$out" ] || [ -z "$resume" ] || refuse "--out and --resume: expected one of them"
[ -z "$resume" ] || [ -f "$resume/results.jsonl" ] || refuse "--resume $resume: there is no results.jsonl"
for tool in timeout truncate; do
    command -v "$tool" >/dev/null || refuse "the command $tool (of GNU coreutils) was not found"
done
[ -z "$programs" ] || [ -x "$programs/msresampler-gpu" ] || refuse "--programs $programs: there is no msresampler-gpu"

start=$(date +%s)
end=$((start + seconds))
work=$(mktemp -d) || exit 2
child='' making=''
# shellcheck disable=SC2317,SC2329 # called by trap
clean_up() {
    for process in $child $making; do
        kill "$process" 2>/dev/null
    done
    wait
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' HUP INT TERM

# The archive of the programs starts after the last line of the script.
unpack_to() {
    first=1
    while IFS= read -r line; do
        first=$((first + 1))
        [ "$line" != __PROGRAMS__ ] || break
    done <"$0"
    [ "$(tail -n "+$first" "$0" | head -c 1 | wc -c)" -ne 0 ] ||
        refuse "this file does not contain the programs; tools/pack-gpu-bundle.sh makes one that does"
    mkdir -p "$1" || exit 2
    tail -n "+$first" "$0" | tar -x -z -C "$1" || refuse "cannot unpack to $1"
}

if [ -n "$unpack" ]; then
    unpack_to "$unpack"
    exit
fi
if [ -z "$programs" ]; then
    programs=$work/programs
    unpack_to "$programs"
fi
programs=$(cd "$programs" && pwd)
program=$programs/msresampler-gpu
out=${resume:-${out:-msresampler-gpu-results-$(date +%Y%m%d-%H%M%S)}}
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)
rows=$out/results.jsonl lost=''
# Programs of a run that was killed still hold its folder until they end.
exec 9<"$out"
tries=5
while command -v flock >/dev/null && ! flock -n 9; do
    [ "$tries" -gt 0 ] ||
        refuse "$out: another run, or a program of one that was killed, still writes there; wait until it ends"
    tries=$((tries - 1))
    sleep 1
done
[ -n "$resume" ] || [ ! -s "$rows" ] || refuse "--out $out: it has results already; continue them with --resume $out"

# Temporary files, compiled kernels and the driver's cache go to the work folder, not to the user's home. The packed kernels
# are copied, because the cache changes.
export DOTNET_BUNDLE_EXTRACT_BASE_DIR="$work/extracted" DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
export MSRESAMPLER_CACHE="$work/kernels" CUDA_CACHE_PATH="$work/driver-cache" TMPDIR="$work"
[ ! -d "$programs/kernels" ] || cp -r "$programs/kernels" "$work/kernels"
models=$work/models tiny=''
# A dry run uses the mock driver even if there is another one.
[ -z "$emulate" ] || { export MSRESAMPLER_MOCK_CUDA=1; tiny=--tiny; }

# plain: replaces bytes that are not ASCII and drops control characters, so that any output can become valid JSON.
plain() {
    tr '\t\r' '  ' | LC_ALL=C tr -d '\000-\010\013-\037' | LC_ALL=C tr '\177-\377' '?'
}

# drop_unfinished: removes a line that was cut off, because its process was killed or the disk was full.
drop_unfinished() {
    for file in "$rows" "$out/results.md"; do
        [ -z "$(tail -c 1 "$file" | tr '\000' x)" ] ||
            truncate -s "$(($(wc -c <"$file") - $(tail -n 1 "$file" | wc -c)))" "$file"
    done
}

# note STEP ROW OUTCOME TEXT [SECONDS]: writes a result. The result of a whole step has an empty ROW.
note() {
    drop_unfinished
    text=$(printf '%s' "$4" | tr '\n' ' ' | plain | cut -c 1-400 | sed 's/\\/\\\\/g; s/"/\\"/g')
    printf '{"step":"%s","row":"%s","outcome":"%s","text":"%s","seconds":%d}\n' "$1" "$2" "$3" "$text" "${5:-0}" >>"$rows" ||
        lost=1
    printf '| %s | %s | %s | %s |\n' "$1" "$2" "$3" "$(printf '%s' "$text" | tr '|' '/')" >>"$out/results.md" ||
        lost=1
}

# has STEP ROW [OUTCOMES]: whether there is a result.
has() {
    grep -E -q "^\{\"step\":\"$1\",\"row\":\"$2\",\"outcome\":\"(${3:-passed|failed|skipped})\"" "$rows"
}

# keep_log: appends the log of the running step to the log of all steps.
log=$out/running.log
keep_log() {
    [ -f "$log" ] || return
    head -c 1000000 "$log" >>"$out/logs.txt"
    rm "$log"
}

if [ -n "$resume" ]; then
    drop_unfinished
    keep_log
else
    commit=$(cat "$programs/commit" 2>/dev/null || echo unknown)
    cat >"$out/results.md" <<END || exit 2
# Results of the GPU bundle

- commit: $commit
- date: $(date -u +%Y-%m-%dT%H:%M:%SZ)
- system: $(uname -srm)

| step | row | outcome | result |
|---|---|---|---|
END
    : >"$rows"
    note run "" started "$commit, $(date -u +%Y-%m-%dT%H:%M:%SZ), $(uname -srm)"
fi

# limited COMMAND...: runs a command for the rest of the step's time. Returns its status, or 124 if it was stopped.
limited() {
    left=$((step_end - $(date +%s)))
    if [ "$left" -le 0 ]; then
        stopped=1
        return 124
    fi
    echo "\$ $*" >>"$log"
    before=$(wc -c <"$log")
    timeout -k 5 "$left" "$@" >>"$log" 2>&1 &
    child=$!
    wait "$child"
    status=$?
    child=''
    # A command can end by itself with the status of a stopped one.
    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ] && [ "$(date +%s)" -ge "$step_end" ]; then
        status=124 stopped=1
    elif [ "$status" -ne 0 ]; then
        # The last line that is not of a stack trace says what is wrong.
        failure=${failure:-status $status: $(said | grep -E -v '^ *$|^ +at ' | tail -n 1)}
    fi
    return "$status"
}

# said: prints the end of the output of the last command.
said() {
    tail -c "+$((before + 1))" "$log" | tail -c 100000 | plain
}

# note_tool STEP ROW TOOL: writes the result of a tool of CUDA. Its own failure to reach the GPU is not ours.
note_tool() {
    summary=$(said | grep -E "SUMMARY|==ERROR==|[Ee]rror:" | tail -n 1)
    if [ "$status" -eq 0 ]; then
        note "$1" "$2" passed "$summary"
    elif said | grep -E -q "ERR_NVGPUCTRPERM|LibraryNotLoaded|Device not supported|No supported GPUs"; then
        note "$1" "$2" skipped "$3 cannot use this GPU: $summary"
        failure=''
    else
        note "$1" "$2" failed "status $status: $summary"
    fi
}

# find_tool NAME FOLDER...: prints the path of a program of CUDA.
find_tool() {
    command -v "$1" && return
    name=$1
    shift
    for folder in "$@"; do
        [ ! -x "$folder/$name" ] || { echo "$folder/$name"; return; }
    done
    return 1
}

step_machine() {
    if command -v nvidia-smi >/dev/null; then limited nvidia-smi -q; fi
    limited "$program" devices
    limited "$program" machine --results "$out"
}

# await_models: waits until the models are made. If the step's time is over before, all steps do without them.
await_models() {
    [ -n "$making" ] || return
    until [ -f "$work/models.made" ] || [ "$(date +%s)" -ge "$step_end" ]; do sleep 1; done
    [ -f "$work/models.made" ] || kill "$making" 2>/dev/null
    wait "$making" || cat "$work/models.log" >>"$log"
    making=''
}

step_sanitizer() {
    tool=$(find_tool compute-sanitizer /usr/local/cuda/bin /usr/local/cuda/compute-sanitizer) || {
        skipped="compute-sanitizer was not found"
        return
    }
    for precision in float16 tf32 float32 bfloat16; do
        for check in memcheck racecheck; do
            ! has sanitizer "$check $precision" || continue
            limited "$tool" --tool "$check" --error-exitcode 9 --print-limit 20 "$program" parity --case small \
                --precision "$precision"
            [ -z "$stopped" ] || return
            note_tool sanitizer "$check $precision" compute-sanitizer
        done
    done
}

step_ncu() {
    tool=$(find_tool ncu /usr/local/cuda/bin /opt/nvidia/nsight-compute/*) || {
        skipped="ncu was not found"
        return
    }
    for precision in float16 bfloat16 tf32; do
        # The engine's choice first; on an H100 or H200 the others are mma.sync in place of wgmma.
        for variant in chosen 128x128Wide 128x128; do
            ! has ncu "$precision $variant" || continue
            rm -f "$work/ncu.csv"
            # The clocks stay as they are: a locked clock is a setting of the machine.
            limited "$tool" --csv --page raw --log-file "$work/ncu.csv" --clock-control none --launch-count 7 \
                --kernel-name 'regex:GemmWgmma|GemmMma|ScopeAttention' \
                --section SpeedOfLight --section ComputeWorkloadAnalysis --section MemoryWorkloadAnalysis \
                --section MemoryWorkloadAnalysis_Tables --section Occupancy --section LaunchStats --section WarpStateStats \
                "$program" profile --models "$models" --precision "$precision" $tiny \
                $([ "$variant" = chosen ] || echo "--variant $variant")
            [ -z "$stopped" ] || return
            [ ! -f "$work/ncu.csv" ] || { head -c 2000000 "$work/ncu.csv" | tee -a "$out/ncu.csv" | head -n 50 >>"$log"; }
            [ "$status" -ne 0 ] || limited "$program" counters "$work/ncu.csv" --results "$out" --variant "$precision $variant"
            note_tool ncu "$precision $variant" ncu
        done
    done
}

# torch TYPE SECONDS MODEL...: times models in PyTorch.
torch() {
    type=$1 duration=$2
    shift 2
    for model in "$@"; do
        shift
        [ ! -f "$models/$model/tokens.safetensors" ] || set -- "$@" "$models/$model"
    done
    limited "$python" "$programs/torch_peer.py" "$@" --dtype "$type" --seconds "$duration" --results "$out" --step "$name" \
        ${batches:+--batch $batches} ${emulate:+--device cpu}
}

step_torch() {
    if ! command -v "$python" >/dev/null; then
        skipped="$python was not found; PYTHON names another interpreter"
    elif ! limited "$python" -c "import torch; raise SystemExit('$emulate' == '' and not torch.cuda.is_available())"; then
        [ -n "$stopped" ] || skipped="$python has no PyTorch that finds a GPU"
    else
        batches="1 64"
        torch float16 0.3 $peers
    fi
}

step_shapes() {
    limited "$program" gpu --results "$out" --step shapes --models "$models" $tiny --shape siglip-384 hires
    if has torch "" skipped; then return; fi
    batches=''
    for type in float16 bfloat16 tf32 float32; do
        torch "$type" 0.5 $peers $others
    done
}

# run_step NAME SECONDS: runs a step and writes its result.
run_step() {
    name=$1
    begun=$(date +%s)
    step_end=$((begun + $2))
    failure='' skipped='' stopped=''
    echo "run-on-gpu: $name: at most $2 s ..."
    case $name in times | ncu | torch | shapes) await_models ;; esac
    case $name in
        machine) step_machine ;;
        probe) limited "$program" probe --results "$out" ;;
        # The tokens are the next step's.
        promises) limited "$program" test --filter 'CudaHardwareTests\.(?!Tokens_)' --results "$out" ;;
        parity) limited "$program" parity --results "$out" --seconds "$(($2 > 4 ? $2 - 2 : 2))" $tiny ;;
        times)
            # Float16 and how its products could be computed otherwise come before the other precisions.
            limited "$program" gpu --results "$out" --models "$models" $tiny --shape clip-l-336 --precision float16
            limited "$program" gpu --results "$out" --models "$models" --shape clip-l-336 --precision float16 \
                --kv separate --variant all --quick ${tiny:---batch 1 64}
            limited "$program" gpu --results "$out" --models "$models" $tiny --shape clip-l-336 ;;
        sanitizer) step_sanitizer ;;
        ncu) step_ncu ;;
        torch) step_torch ;;
        shapes) step_shapes ;;
    esac
    took=$(($(date +%s) - begun))
    keep_log
    count=$(grep -E -c "^\{\"step\":\"$name\",\"row\":\"[^\"]" "$rows")
    bad=$(grep -E -c "^\{\"step\":\"$name\",\"row\":\"([^\"\\]|\\\\.)+\",\"outcome\":\"failed\"" "$rows")
    text="$took s, $count rows"
    [ "$bad" -eq 0 ] || text="$text, $bad of them failed"
    if [ -n "$skipped" ]; then
        note "$name" "" skipped "$skipped" "$took"
    elif [ -n "$stopped" ]; then
        note "$name" "" stopped "$text; its time was up" "$took"
    elif [ -n "$failure" ] || [ "$bad" -gt 0 ]; then
        note "$name" "" failed "$text${failure:+; $failure}" "$took"
    else
        note "$name" "" passed "$text" "$took"
    fi
    result_of "$name"
}

# result_of STEP: prints the last result of a step.
result_of() {
    grep "^| $1 |  |" "$out/results.md" | tail -n 1 | cut -c 1-240
}

# More than nine minutes go to the steps with the most to measure.
surplus=$((seconds > 540 ? seconds - 540 : 0))
weight_of() {
    weight=${1#*:}
    case $1 in
        parity:* | times:*) weight=$((weight + surplus / 8)) ;;
        torch:*) weight=$((weight + surplus / 4)) ;;
        shapes:*) weight=$((weight + surplus / 2)) ;;
    esac
}

python=${PYTHON:-python3}
peers="clip-l-336-separate clip-l-336-shared" others="siglip-384-separate siglip-384-shared hires-separate hires-shared"
[ -z "$emulate" ] || peers="tiny-separate tiny-shared" others=''
todo='' weights=0
for entry in $all; do
    name=${entry%%:*}
    case $chosen in *" $name "*) ;; *) continue ;; esac
    ! has "$name" "" || continue
    todo="$todo $entry"
    weight_of "$entry"
    weights=$((weights + weight))
done

# cuBLAS is often inside a Python package only.
if [ -z "${MSRESAMPLER_CUBLAS:-}" ]; then
    for folder in /usr/local/cuda* $("$python" -c 'import sys; print("\n".join(sys.path))' 2>/dev/null); do
        for file in "$folder"/lib64/libcublas.so.1[1-9] "$folder"/nvidia/*/lib/libcublas.so.1[1-9]; do
            [ ! -f "$file" ] || export MSRESAMPLER_CUBLAS="$file"
        done
    done
fi

# The models of the times and of PyTorch are made while the first steps run.
# shellcheck disable=SC2016 # the inner shell expands it
timeout -k 5 300 sh -c '"$@"; status=$?; : >"$0"; exit "$status"' "$work/models.made" \
    "$program" models --out "$models" $tiny >"$work/models.log" 2>&1 9>&- &
making=$!

for entry in $todo; do
    name=${entry%%:*}
    left=$((end - $(date +%s)))
    weight_of "$entry"
    share=$((left * weight / weights))
    weights=$((weights - weight))
    [ "$share" -ge 5 ] || share=$((left < 5 ? left : 5))
    if [ "$share" -lt 2 ]; then
        note "$name" "" "not reached" "no time was left"
        continue
    fi
    if [ "$name" != machine ] && ! has machine device passed; then
        note "$name" "" skipped "there is no usable GPU; the row of the step machine says why"
        continue
    fi
    run_step "$name" "$share"
done

echo
echo "| step | row | outcome | result |"
echo "|---|---|---|---|"
for entry in $all; do
    result_of "${entry%%:*}"
done
grep -E '^\| [a-z]+ \| [^|]+ \| failed \|' "$out/results.md" | head -n 12 | cut -c 1-300
grep -E '^\| times \| [^|]+ \|' "$out/results.md" | head -n 24 | cut -c 1-260
echo
echo "run-on-gpu: the results are in $out"
if [ -n "$lost" ]; then
    echo "run-on-gpu: results are missing: $out cannot be written, or is full; make room, then --resume $out" >&2
    exit 1
fi
has machine device passed && ! grep -q '"outcome":"failed","text"' "$rows"
exit
__PROGRAMS__
