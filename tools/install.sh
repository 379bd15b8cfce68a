#!/bin/sh
# Sees to what the tests need besides Go: a C compiler, for the race detector, and a redis-server. On Debian and Ubuntu
# it installs what is missing, elsewhere it says what to install.
#
#   install.sh DIR
#
# DIR is where a link called redis-server goes if the system has no such command. The program itself is in Debian's
# package redis-tools, under the name of its checking tool, and the package redis-server adds the service that runs at
# once and at every boot: the tests start their own servers, so only the former is installed.
set -eu

dir=$1

install() { # PACKAGE [what to install elsewhere]
	if ! command -v apt-get >/dev/null; then
		echo "make test needs $2: install it and run make test again" >&2
		exit 1
	fi
	if [ "$(id -u)" = 0 ]; then
		as_root=
	elif command -v sudo >/dev/null; then
		as_root=sudo
	else
		echo "make test needs $2: as root, apt-get install $1, then run make test again" >&2
		exit 1
	fi
	echo "make test needs $2: installing the package $1"
	$as_root apt-get update -qq
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

if ! command -v "$(go env CC | cut -d ' ' -f 1)" >/dev/null; then
	install build-essential "a C compiler"
fi

if [ -n "${SLUICE_REDIS_SERVER:-}" ] || command -v redis-server >/dev/null; then
	exit 0
fi
command -v redis-check-rdb >/dev/null || install redis-tools "redis-server, 6.2 or newer (brew install redis on macOS)"
mkdir -p "$dir"
ln -sf "$(command -v redis-check-rdb)" "$dir/redis-server"
"$dir/redis-server" --version
