#!/usr/bin/env bash
# `make bare`: the README's two commands as an ordinary user of a machine that has nothing but git, make and Python.
#
# usage: tests/bare.sh [SUITE]        a Debian suite: trixie (Debian 13) where it is left out, forky, sid
#
# Makes a Debian root of its own with debootstrap, has a user there clone the last commit, run `make demo` twice and
# `make test`, and removes the root. Everything runs in namespaces of its own, so that nothing outlives it.
# Needs root, for chroot, and debootstrap. The network, proxies and certificates are this machine's.
set -euo pipefail

suite=${1:-trixie}
quick_demo_s=60
cd "$(dirname "$0")/.."

fail() {
  echo "make bare: $*" >&2
  exit 1
}

# The second half, inside the namespaces: `tests/bare.sh --inside ROOT`.
inside() {
  root=$1
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  as_user "git clone --quiet /tmp/segue.bundle segue && python3 --version"
  as_user "cd segue && make demo" | tee "$root/tmp/demo"
  began=$SECONDS
  as_user "cd segue && make demo" | tee "$root/tmp/demo"
  took=$((SECONDS - began))
  grep -E "^Redis +process [0-9]+: (Redis|Valkey) [0-9]" "$root/tmp/demo" || fail "the demo named no real server"
  [ "$took" -lt "$quick_demo_s" ] || fail "the second make demo took $took s, at most $quick_demo_s promised"
  as_user "cd segue && make test"
  echo "make bare: passed on Debian $(cat "$root/etc/debian_version"), the second demo in $took s, all in $SECONDS s"
}

as_user() {
  chroot "$root" su --login newcomer --command "$1" \
    --whitelist-environment=http_proxy,https_proxy,no_proxy,HTTP_PROXY,HTTPS_PROXY,NO_PROXY,PIP_INDEX_URL
}

if [ "${1:-}" = --inside ]; then
  inside "$2"
  exit
fi

[ "$(id -u)" = 0 ] || fail "needs root, for chroot: sudo make bare"
command -v debootstrap >/dev/null || fail "needs debootstrap (Debian's package debootstrap)"
scripts=/usr/share/debootstrap/scripts
# A suite that is younger than this debootstrap is made as sid is.
[ -e "$scripts/$suite" ] && script="" || script=$scripts/sid

root=$(mktemp --directory --tmpdir=/var/tmp segue-bare.XXXXXX)
chmod 755 "$root"
trap 'rm -rf --one-file-system "$root"' EXIT
# Certificates: git brings them where recommended packages are installed, as they are unless somebody objects.
debootstrap --variant=minbase --include=git,make,python3,python3-venv,ca-certificates "$suite" "$root" "" $script \
  >"$root.log" 2>&1 || { tail -5 "$root.log" >&2; fail "debootstrap failed; its log: $root.log"; }
rm "$root.log"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
chroot "$root" useradd --create-home --shell /bin/bash newcomer
git bundle create --quiet "$root/tmp/segue.bundle" HEAD
unshare --mount --pid --fork --kill-child "$0" --inside "$root"
