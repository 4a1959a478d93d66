#!/usr/bin/env bash
# Starts the gateway as IOCs are started: in the foreground, until a signal ends it.
#
#   ./st.cmd                          serve, with dmioc.toml beside this file if there is one
#   ./st.cmd check                    would it work here? (also: config, pvs, render)
#   ./st.cmd --prefix 25IDC:DM:       further options are those of `dmioc run`
#
# Variables, each of which may be left out:
#   DM_SETUP       DM's dm.setup.sh: it is sourced, and its DM_* variables name the DM to watch
#   DMIOC_CONFIG   settings instead of dmioc.toml
#   DMIOC_PYTHON   the Python of an environment that has dmioc
#
# Without DMIOC_PYTHON: the environment of the checkout that this file is in (made by `make` when it is missing or older
# than its lock), that of the installed package it came with, or the dmioc on PATH.
#
# It works in its own directory (that of a link to it, if it is called by one): a relative state directory is below it.
# It ends as dmioc does: 0 stopped, 2 a setting is wrong, 3 the prefix is served already, 86 to be started again.

set -u

say() { printf 'st.cmd: %s\n' "$*" >&2; }
refuse() {
    say "$@"
    exit 2
}

boot=$(cd -- "$(dirname -- "$0")" && pwd) || exit 2
home=$(dirname -- "$(readlink -f -- "$0")")
top=$(cd -- "$home/../.." && pwd) || exit 2

# Paths in variables are meant from where the caller stands, those in options and settings from here.
for name in DM_SETUP DMIOC_CONFIG; do
    path=${!name:-}
    case $path in '' | /*) ;; *) printf -v "$name" '%s' "$PWD/$path" ;; esac
done
cd -- "$boot" || exit 2

# --- which dmioc

if [ -n "${DMIOC_PYTHON:-}" ]; then
    "$DMIOC_PYTHON" -P -c 'import dmioc' 2>/dev/null ||
        refuse "DMIOC_PYTHON=$DMIOC_PYTHON has no dmioc: give the python of an environment with it, e.g. /opt/dmioc/.venv/bin/python"
    dmioc=("$DMIOC_PYTHON" -P -m dmioc)
elif [ -f "$top/requirements.lock" ] && [ -d "$top/dmioc" ]; then
    if ! make -q -C "$top" .venv/.run >/dev/null 2>&1; then
        make -s -C "$top" .venv/.run >&2 ||
            refuse "the environment $top/.venv could not be made, see above: run \`make -C $top .venv/.run\` as its owner, or set DMIOC_PYTHON"
    fi
    dmioc=("$top/.venv/bin/dmioc")
elif [ -x "$top/../../bin/dmioc" ]; then # <prefix>/share/dmioc/iocBoot/iocdm of an installed package
    dmioc=("$(cd -- "$top/../../bin" && pwd)/dmioc")
elif command -v dmioc >/dev/null; then
    dmioc=("$(command -v dmioc)")
else
    refuse "no dmioc is found: $top is no checkout and no dmioc is on PATH; set DMIOC_PYTHON to the python of an environment with it"
fi

# --- which DM

if [ -n "${DM_SETUP:-}" ]; then
    [ -f "$DM_SETUP" ] && [ -r "$DM_SETUP" ] ||
        refuse "DM_SETUP=$DM_SETUP cannot be read: give DM's dm.setup.sh, e.g. /home/dm_idc/etc/dm.setup.sh"
    # In a shell of its own: it may exit, change directory and set the PATH of DM's own Python. DM_* is taken from it.
    variables=$(
        set +u --
        # shellcheck source=/dev/null
        . "$DM_SETUP" >&2
        declare -px "${!DM_@}"
    ) || refuse "DM_SETUP=$DM_SETUP failed, see above"
    case $variables in
    *' DM_DS_WEB_SERVICE_URL='*) eval "$variables" ;;
    *) refuse "DM_SETUP=$DM_SETUP sets no DM_DS_WEB_SERVICE_URL: give the dm.setup.sh of a DM station" ;;
    esac
fi

# --- which settings

command=run
case ${1:-} in
run | check | config | pvs | render)
    command=$1
    shift
    ;;
esac
settings=${DMIOC_CONFIG:-}
[ -n "$settings" ] || [ ! -f dmioc.toml ] || settings=$boot/dmioc.toml
case " $* " in
*' --config'*) ;;
*)
    if [ -n "$settings" ]; then
        set -- --config "$settings" "$@"
    else
        say "no dmioc.toml in $boot: the defaults hold, and DMIOC_* variables"
    fi
    ;;
esac

# dmioc takes every DMIOC_* variable for a setting; these two were for this file.
unset -v DMIOC_CONFIG DMIOC_PYTHON
say "${dmioc[*]} $command${*:+ $*}"
exec "${dmioc[@]}" "$command" "$@"
