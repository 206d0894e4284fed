#!/bin/sh
# Both sides of a move next to each other: ab and curl timings of OLD, NEW and, when given, of the
# proxy in front. What migration plans do by hand, in small slices that alternate between the
# sides, so that a slow minute of the network hits all of them.
set -eu

requests=1000
concurrency=10
samples=20
slices=5
pause=1

usage() {
    cat <<'TEXT'
usage: compare.sh [-n REQUESTS] [-c CONCURRENCY] [-s SAMPLES] [-p PAUSE] URL_OLD URL_NEW [URL_PROXY]
  -n  requests for each side, 10..10000 (default 1000), in 5 slices
  -c  at the same time, 1..50 (default 10)
  -s  single requests with curl for each side, 3..100 (default 20)
  -p  seconds between slices, 1..60 (default 1)
Only GET, and only where you may: these are real requests to real servers.
TEXT
}

fail() {
    status=$1
    shift
    printf 'compare: %s\n' "$*" >&2
    exit "$status"
}

# number VALUE MIN MAX OPTION
number() {
    case $1 in
    '' | *[!0-9]* | ??????*) fail 2 "$4: expected a number $2..$3, got \"$1\"" ;;
    esac
    if [ "$1" -lt "$2" ] || [ "$1" -gt "$3" ]; then
        fail 2 "$4: expected $2..$3, got $1"
    fi
}

check_url() {
    case $1 in
    *[[:space:]\"\'\`\\]*) fail 2 "not a URL: \"$1\"" ;;
    http://?* | https://?*) ;;
    *) fail 2 "expected http://... or https://..., got \"$1\"" ;;
    esac
    rest=${1#*://}
    case $rest in
    /* | :* | \?*) fail 2 "no host in \"$1\"" ;;
    esac
}

# ab wants a path.
with_path() {
    case ${1#*://} in
    */*) printf '%s\n' "$1" ;;
    *) printf '%s/\n' "$1" ;;
    esac
}

curl_format='%{time_namelookup} %{time_connect} %{time_appconnect} %{time_starttransfer} %{time_total} %{http_code} %{size_download} %{http_version}\n'

curl_once() {
    curl --silent --show-error --output /dev/null --max-time 30 --write-out "$curl_format" "$1"
}

check_reachable() {
    if ! curl_once "$1" >/dev/null 2>"$dir/error"; then
        fail 1 "cannot reach $1: $(head -n 1 "$dir/error")"
    fi
}

# Column $2 of file $1, at the percentage $3 of its sorted values, times $4.
percentile() {
    awk -v c="$2" '{print $c}' "$1" | sort -n | awk -v p="$3" -v f="$4" '
        {v[NR] = $1}
        END {
            if (NR == 0) {print "-"; exit}
            i = int((NR * p + 99) / 100)
            if (i < 1) i = 1
            printf "%.1f\n", v[i] * f
        }'
}

# The values of column $2 that occur, each once: "200" or "200/503".
distinct() {
    awk -v c="$2" '{print $c}' "$1" | sort -u | paste -s -d / -
}

# One slice with ab: its request times go to SIDE.times, its counts to SIDE.ab.
slice() {
    side=$1
    url=$2
    count=$3
    level=$concurrency
    [ "$level" -le "$count" ] || level=$count
    if ! ab -q -l -s 30 -n "$count" -c "$level" -g "$dir/plot" "$url" >"$dir/out" 2>"$dir/error"; then
        fail 1 "ab against $url: $(grep -v '^$' "$dir/error" | tail -n 1)"
    fi
    awk -F '\t' 'NR > 1 {print $5}' "$dir/plot" >>"$dir/$side.times"
    awk -v n="$count" '
        /^Failed requests:/ {failed = $3}
        /^Non-2xx responses:/ {non = $3}
        /^Time taken for tests:/ {seconds = $5}
        END {printf "%d %d %d %s\n", n, failed, non, seconds}' "$dir/out" >>"$dir/$side.ab"
}

measure() {
    i=0
    while [ "$i" -lt "$slices" ]; do
        count=$((requests * (i + 1) / slices - requests * i / slices))
        singles=$((samples * (i + 1) / slices - samples * i / slices))
        order=$sides
        # Every second slice goes the other way round.
        [ $((i % 2)) -eq 0 ] || order=$(printf '%s\n' "$sides" | tr ' ' '\n' | sort -r | tr '\n' ' ')
        for side in $order; do
            url=$(cat "$dir/$side.url")
            slice "$side" "$url" "$count"
            k=0
            while [ "$k" -lt "$singles" ]; do
                if curl_once "$url" >"$dir/one" 2>/dev/null; then
                    cat "$dir/one" >>"$dir/$side.curl"
                else
                    echo lost >>"$dir/$side.lost"
                fi
                k=$((k + 1))
            done
            sleep "$pause"
        done
        i=$((i + 1))
        printf '\rslice %d of %d' "$i" "$slices" >&2
    done
    printf '\n' >&2
}

# row LABEL COMMAND...: the command runs once for each side, with the side as its last argument.
row() {
    printf '%-26s' "$1"
    shift
    for side in $sides; do
        printf '%16s' "$("$@" "$side")"
    done
    printf '\n'
}

sum_ab() {
    awk -v c="$1" '{s += $c} END {print s + 0}' "$dir/$2.ab"
}

rate() {
    awk '{n += $1; t += $4} END {if (t > 0) printf "%.1f\n", n / t; else print "-"}' "$dir/$1.ab"
}

ab_time() {
    percentile "$dir/$2.times" 1 "$1" 1
}

curl_time() {
    percentile "$dir/$2.curl" "$1" 50 1000
}

# Differences of curl's running clock: column $1 minus column $2, per sample.
curl_step() {
    awk -v a="$1" -v b="$2" '{d = $a - $b; print ($a > 0 && d > 0) ? d : 0}' "$dir/$3.curl" >"$dir/step"
    percentile "$dir/step" 1 50 1000
}

curl_seen() {
    distinct "$dir/$2.curl" "$1"
}

lost() {
    if [ -f "$dir/$1.lost" ]; then
        awk 'END {print NR}' "$dir/$1.lost"
    else
        echo 0
    fi
}

table() {
    printf '%-26s' ''
    for side in $sides; do
        printf '%16s' "${side#?-}"
    done
    printf '\n'
    row 'ab: requests' sum_ab 1
    row 'ab: failed' sum_ab 2
    row 'ab: non-2xx' sum_ab 3
    row 'ab: requests/s' rate
    row 'ab: p50 ms' ab_time 50
    row 'ab: p95 ms' ab_time 95
    row 'ab: p99 ms' ab_time 99
    row 'curl: dns ms' curl_time 1
    row 'curl: connect ms' curl_step 2 1
    row 'curl: tls ms' curl_step 3 2
    row 'curl: first byte ms' curl_time 4
    row 'curl: total ms' curl_time 5
    row 'curl: failed' lost
    row 'curl: status' curl_seen 6
    row 'curl: size' curl_seen 7
    row 'curl: HTTP version' curl_seen 8
}

# Says "faster" only when the middle halves of both sides' single requests do not even overlap.
verdict() {
    for side in a-old b-new; do
        for p in 25 50 75; do
            percentile "$dir/$side.curl" 5 "$p" 1000
        done
    done | paste -s -d ' ' - | awk -v n="$(awk 'END {print NR}' "$dir/a-old.curl")" \
        -v m="$(awk 'END {print NR}' "$dir/b-new.curl")" '
        {
            printf "\nFrom this place, by %d and %d single requests: ", n, m
            if (n < 10 || m < 10)
                print "too few to tell."
            else if ($6 < $1)
                printf "new answered sooner (median %.1f ms against %.1f ms).\n", $5, $2
            else if ($4 > $3)
                printf "new answered later (median %.1f ms against %.1f ms).\n", $5, $2
            else
                printf "too few to tell, the difference (median %.1f ms against %.1f ms) is within the noise.\n", $5, $2
        }'
    bad=$(($(sum_ab 2 b-new) + $(sum_ab 3 b-new) + $(lost b-new)))
    bad_old=$(($(sum_ab 2 a-old) + $(sum_ab 3 a-old) + $(lost a-old)))
    if [ "$bad" -gt 0 ] || [ "$bad_old" -gt 0 ]; then
        printf 'Look at the failures first: %d on old, %d on new.\n' "$bad_old" "$bad"
    fi
    echo "ab speaks HTTP/1.0 and opens a connection for each request, so it shows the worst case of the set-up cost."
}

while getopts n:c:s:p:h option; do
    case $option in
    n) requests=$OPTARG && number "$requests" 10 10000 -n ;;
    c) concurrency=$OPTARG && number "$concurrency" 1 50 -c ;;
    s) samples=$OPTARG && number "$samples" 3 100 -s ;;
    p) pause=$OPTARG && number "$pause" 1 60 -p ;;
    h)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
done
shift $((OPTIND - 1))
if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    usage >&2
    exit 2
fi
for url in "$@"; do
    check_url "$url"
done
command -v ab >/dev/null || fail 2 "ab is missing: package apache2-utils (Debian) or httpd-tools (Fedora)"
command -v curl >/dev/null || fail 2 "curl is missing: package curl"

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
# The letters keep the sides in order, also backwards.
sides='a-old b-new'
with_path "$1" >"$dir/a-old.url"
with_path "$2" >"$dir/b-new.url"
if [ $# -eq 3 ]; then
    sides='a-old b-new c-proxy'
    with_path "$3" >"$dir/c-proxy.url"
fi
for side in $sides; do
    check_reachable "$(cat "$dir/$side.url")"
    : >"$dir/$side.curl"
    : >"$dir/$side.times"
done
measure
table
verdict
