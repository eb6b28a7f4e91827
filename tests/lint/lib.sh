# Shared by the checks of this folder. Each is called as: check SOURCE_DIR [BUILD_DIR], prints what it finds, and is wrong
# to be content with nothing to look at.
set -eu
root=$(cd "$1" && pwd)
build=$(cd "${2:-$1}" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

skip() {
    echo "skipped: $*"
    exit 77
}

# At least $1 things of the kind $3 must have been seen; $2 were.
expect() {
    if [ "$2" -lt "$1" ]; then
        echo "saw $2 $3, expected at least $1: does the pattern still match?"
        exit 1
    fi
    echo "checked $2 $3"
}

# Whether the build tree holds code that a sanitizer or gcov wove in.
is_instrumented() {
    grep -qE '^ASSAY_(SANITIZE:STRING=.+|COVERAGE:BOOL=(ON|1|TRUE|YES))$' "$build/CMakeCache.txt"
}

# C sources on stdin without comments, strings and characters; lines stay lines.
bare() {
    awk '{
        out = ""
        for (i = 1; i <= length($0); i++) {
            c = substr($0, i, 1)
            two = substr($0, i, 2)
            if (comment) { if (two == "*/") { comment = 0; i++ } }
            else if (quote != "") { if (c == "\\") i++; else if (c == quote) { quote = ""; out = out c } }
            else if (two == "/*") { comment = 1; i++; out = out " " }
            else if (two == "//") break
            else { if (c == "\"" || c == "\047") quote = c; out = out c }
        }
        quote = ""
        print out
    }'
}
