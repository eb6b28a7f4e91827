# Shared by the scripts of this folder, each of which is called as: script PREFIX [...], PREFIX being an installed assay. They
# work in a folder of their own, see nothing of the user's, and know nothing of the source tree.
set -eu
prefix=$(cd "$1" && pwd)
pc=$(find "$prefix" -name assay-plugin.pc)
libdir=${pc%/pkgconfig/*} # lib, or lib/<machine> as some systems have it
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
unset ASSAY_PLUGIN_PATH CFLAGS CXXFLAGS LDFLAGS
export HOME="$work" XDG_DATA_HOME="$work/share" NO_COLOR=1
export PKG_CONFIG_PATH="$libdir/pkgconfig" CMAKE_PREFIX_PATH="$prefix"
PATH="$prefix/bin:$PATH"
cd "$work"

die() {
    echo "$*"
    exit 1
}

skip() {
    echo "skipped: $*"
    exit 77
}

# Runs it; what it says is shown only when it fails.
quietly() {
    "$@" > "$work/log" 2>&1 || { cat "$work/log"; die "ended with code $?: $*"; }
}

# A plugin must export its entry and nothing else, and be listed under its kind.
expect_plugin() {
    file=$1 kind=$2 id=$3
    exported=$(nm -D --defined-only "$file" | awk '{ print $3 }')
    case $exported in
    assay_plugin_v[0-9]*) ;;
    *) die "$file exports: $exported" ;;
    esac
    [ "$(echo "$exported" | wc -l)" -eq 1 ] || die "$file exports: $exported"
    ASSAY_PLUGIN_PATH=$(cd "$(dirname "$file")" && pwd) assay plugin list --ids --kind "$kind" > "$work/ids"
    grep -qx "$id" "$work/ids" || die "$file: no $kind \"$id\" is listed"
}
