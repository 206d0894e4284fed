#!/bin/sh
# Builds docker/Dockerfile for real where no Docker engine runs, and runs what came out once.
#
#     docker/build-check.sh              makes a base image with debootstrap (as root)
#     BASE=debian:12-slim docker/build-check.sh
#
# Needs buildah and debootstrap. Containers are isolated by chroot alone; all images live in a folder
# that is removed at the end, unless STORE names one (a second run is quicker then).
set -eu
cd "$(dirname "$0")/.."

[ "$(id -u)" -eq 0 ] || { echo "build-check: must run as root" >&2; exit 1; }
for tool in buildah debootstrap; do
    command -v "$tool" >/dev/null || { echo "build-check: $tool is missing" >&2; exit 1; }
done

store=${STORE:-$(mktemp -d)}
mkdir -p "$store/root" "$store/run" "$store/flag"
rm -f "$store/flag/stop"
export STORAGE_DRIVER="${STORAGE_DRIVER:-vfs}" BUILDAH_ISOLATION=chroot
buildah() { command buildah --root "$store/root" --runroot "$store/run" "$@"; }

clean() {
    status=$?
    trap - EXIT HUP INT TERM
    buildah rm --all >/dev/null 2>&1 || true
    [ -n "${STORE-}" ] || rm -rf "$store"
    exit "$status"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

# The archives that this machine takes its own Debian packages from.
archives() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) bookworm .*/\2/p'
    cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
        awk '/^URIs:/ {uri = $2} /^Suites:.* bookworm( |$)/ {print uri}'
}

make_base() {
    archive=$(archives | head -n 1)
    [ -n "$archive" ] || { echo "build-check: no Debian 12 archive in /etc/apt; set BASE" >&2; exit 1; }
    echo "build-check: a base image with debootstrap"
    base=$(buildah from scratch)
    debootstrap --variant=minbase bookworm "$(buildah mount "$base")" "$archive" >"$store/log" 2>&1 ||
        { tail -n 20 "$store/log" >&2; exit 1; }
    # What a slim image leaves out.
    (cd "$(buildah mount "$base")" && rm -rf var/cache/apt/archives/*.deb var/cache/apt/*.bin \
        var/lib/apt/lists/* var/log/* usr/share/doc usr/share/man usr/share/locale usr/share/info)
    buildah umount "$base" >/dev/null
    buildah commit -q "$base" localhost/cutover-base >/dev/null
    buildah rm "$base" >/dev/null
}

BASE=${BASE:-}
if [ -z "$BASE" ]; then
    BASE=localhost/cutover-base
    buildah inspect --type image "$BASE" >/dev/null 2>&1 || make_base
fi

for target in proxy origin; do
    echo "build-check: building $target"
    # The docker format has HEALTHCHECK; OCI's own has not.
    buildah bud -q --isolation chroot --format docker --layers --build-arg "BASE=$BASE" \
        --ignorefile docker/Dockerfile.dockerignore -f docker/Dockerfile --target "$target" \
        -t "cutover-$target" . >"$store/log" 2>&1 || { tail -n 40 "$store/log" >&2; exit 1; }
done

# in IMAGE COMMAND...: with the image's own user.
in_image() {
    container=$(buildah from --pull-never "localhost/cutover-$1")
    shift
    status=0
    buildah run --isolation chroot -v "$store/flag:/flag:ro" "$container" -- "$@" || status=$?
    buildah rm "$container" >/dev/null
    return "$status"
}

echo "build-check: running what was built"
in_image proxy /usr/local/bin/cutover version
# shellcheck disable=SC2016 # for the shell inside
in_image proxy sh -c '[ "$(id -u)" = 10001 ] && touch /var/lib/cutover/state.json' ||
    { echo "build-check: the user cannot write the state" >&2; exit 1; }
in_image proxy sh -c '! /usr/local/bin/cutover healthcheck' ||
    { echo "build-check: healthcheck says yes and nothing runs" >&2; exit 1; }
# shellcheck disable=SC2016 # for the shell inside
in_image proxy sh -c '[ "$(ls /usr/lib/ssl/certs/*.0 | wc -l)" -gt 50 ]' ||
    { echo "build-check: no authorities, so no https:// server would be believed" >&2; exit 1; }
in_image origin /usr/local/bin/cutover-origin --help >/dev/null

# Both together. Isolation by chroot shares the network of this machine, hence odd ports.
# shellcheck disable=SC2016 # for the shell inside
(in_image origin sh -c '
    cutover-origin --name old --listen 127.0.0.1:23000 &
    tries=0
    until [ -e /flag/stop ] || [ "$tries" -ge 120 ]; do
        tries=$((tries + 1))
        sleep 0.5
    done
    kill $!') >/dev/null &
# shellcheck disable=SC2016 # for the shell inside
in_image proxy sh -c '
    set -eu
    # As on a platform that knows no files: all of it in variables.
    export CUTOVER_CONFIG="
listen: [{address: 127.0.0.1:23080}]
admin: {address: 127.0.0.1:23081, token_file: /etc/cutover/admin-token}
state_file: /var/lib/cutover/state.json
backends: {old: {servers: [http://127.0.0.1:23000]}, new: {servers: [https://127.0.0.1:23001]}}
health: {interval: 1s, timeout: 1s}
forwarded: {client_ip_header: X-Client-IP, secret_file: /etc/cutover/edge-secret}
"
    export CUTOVER_TOKEN=a-token-of-the-check CUTOVER_EDGE_SECRET=a-word-of-the-check
    export CUTOVER_ADMIN=http://127.0.0.1:23081
    cutover-start check -c /etc/cutover/cutover.yaml >/dev/null
    cutover-start run -c /etc/cutover/cutover.yaml >/dev/null &
    proxy=$!
    tries=0
    until cutover healthcheck; do
        tries=$((tries + 1))
        [ "$tries" -lt 50 ] || { echo "never healthy"; kill "$proxy"; exit 1; }
        sleep 0.2
    done
    cutover weight 30 >/dev/null
    kill "$proxy"
    wait "$proxy"
    grep -q "\"weight\":3000" /var/lib/cutover/state.json
' || { echo "build-check: the proxy does not work in its image" >&2; exit 1; }
touch "$store/flag/stop"
wait

for target in proxy origin; do
    echo "build-check: cutover-$target: $(buildah images --format '{{.Size}}' "localhost/cutover-$target")," \
        "$(buildah inspect --type image --format '{{.Docker.Config.User}} {{.Docker.Config.Healthcheck}} {{.Docker.Config.StopSignal}}' "localhost/cutover-$target")"
done
echo "build-check: all is well"
