# Studies of a table: run once, for all that is asked of them. Read by tests/papers/run, whose variables these functions use;
# what is measured in them study.awk works out from `assay study show --trials --csv`.
# shellcheck shell=sh disable=SC2154

# is_study RUN: whether RUN is STUDY, or STUDY:CONTENDER, of a study in the table.
is_study() {
    lines study | awk -v name="${1%%:*}" '$1 == name { found = 1 } END { exit !found }'
}

# study NAME CONFIG OVERRIDE...: into $work/<experiment>/<name>.study, and its trials into <name>.csv. One that fails has no such
# file: its numbers are missing from the table.
study() {
    name=$1
    config=$2
    shift 2
    base=$work/$experiment/$name
    begun=$(date +%s)
    # shellcheck disable=SC2086
    {
        "$build/assay" study run "$here/$config" $always "$@" --store "$base.study" --progress none &&
            "$build/assay" study show "$base.study" --trials --csv > "$base.rows" && mv "$base.rows" "$base.csv"
    } < /dev/null > "$base.log" 2>&1 || {
        printf '  %s: the study failed:\n' "$name"
        tail -n 5 "$base.log" | sed 's/^/    /'
        return 0
    }
    [ ! -t 2 ] || printf '  %s: %s s\n' "$name" $(($(date +%s) - begun)) >&2
}

run_studies() {
    lines study > "$work/studies"
    while read -r arguments; do
        # shellcheck disable=SC2086
        study $arguments
    done < "$work/studies"
}

# ask_study RUN ASK QUANTITY VARIABLE=VALUE...: numbers, as study.awk says; nothing where the study has none.
ask_study() {
    csv=$work/$experiment/${1%%:*}.csv
    contender=${1#"${1%%:*}"}
    ask=$2
    quantity=$3
    shift 3
    [ -f "$csv" ] || return 0
    awk -f "$here/study.awk" -v ask="$ask" -v contender="${contender#:}" -v quantity="$quantity" "$@" "$csv"
}

# behind RUN QUANTITY K OTHER: how much worse the expected best of K trials is than the other contender's best of all, tuning by
# tuning; for quantities of which less is better.
behind() {
    differences "$(ask_study "$1" best_of "$2" "k=$3")" "$(ask_study "$4" winners "$2")"
}
