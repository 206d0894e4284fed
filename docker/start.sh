#!/bin/sh
# The image's entry point: cutover with the arguments as they are. Before that, for platforms that
# give a container variables but no files (Railway, Lightsail, Fargate), it makes files of these:
#
#     CUTOVER_CONFIG         cutover.yaml    the whole configuration
#     CUTOVER_TOKEN          admin-token     admin.token_file
#     CUTOVER_EDGE_SECRET    edge-secret     forwarded.secret_file
#
# A variable that is empty or not set makes no file, so whatever is mounted there stays. CUTOVER_FOLDER
# is where they go.
set -eu
folder=${CUTOVER_FOLDER:-/etc/cutover}

keep() { # TEXT FILE: readable by the proxy alone
    [ -n "$1" ] || return 0
    (umask 077 && printf '%s\n' "$1" >"$folder/$2") || {
        echo "cutover-start: cannot write $folder/$2" >&2
        exit 2
    }
}

keep "${CUTOVER_CONFIG-}" cutover.yaml
keep "${CUTOVER_TOKEN-}" admin-token
keep "${CUTOVER_EDGE_SECRET-}" edge-secret
# The proxy does not need them as well. The other verbs do: they ask a proxy, with the token.
[ "${1-}" != run ] || unset CUTOVER_CONFIG CUTOVER_TOKEN CUTOVER_EDGE_SECRET

exec cutover "$@"
