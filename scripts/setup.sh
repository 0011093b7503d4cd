#!/usr/bin/env bash
# Sets up everything Segue needs: a Python environment in .venv, and Java 17.
#
#   scripts/setup.sh          to run it
#   scripts/setup.sh --dev    to test it as well
#
# Run again, it does nothing unless the locked requirements, pyproject.toml or Python changed.
set -euo pipefail
cd "$(dirname "$0")/.."

lock=requirements.txt
[ "${1:-}" = "--dev" ] && lock=requirements-dev.txt

say() { printf 'setup: %s\n' "$*" >&2; }

stop() {
    say "$1"
    shift
    printf '  %s\n' "$@" >&2
    exit 1
}

# Prints how to run a command as root; fails when it cannot.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        echo env
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        echo sudo env
    else
        return 1
    fi
}

# Installs the first of several alternative packages that apt has; fails when it may not.
apt_install() {
    local root package
    command -v apt-get >/dev/null && root=$(as_root) || return 1
    if [ -z "${apt_updated:-}" ]; then
        say "reading the package lists"
        $root DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null || return 1
        apt_updated=yes
    fi
    for package in "$@"; do
        say "installing $package"
        if $root DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
            --no-install-recommends "$package" >/dev/null 2>&1; then
            return 0
        fi
        say "apt does not have $package for this system"
    done
    return 1
}

java_version() {
    # The Java that Spark's scripts choose.
    local java="${JAVA_HOME:+$JAVA_HOME/bin/}java"
    "$java" -version 2>&1 | sed -n '1s/^[^"]*"\([0-9]*\).*/\1/p' || true
}

ensure_java() {
    [ "$(java_version)" -ge 17 ] 2>/dev/null && return
    local found
    found=$(java_version)
    say "Spark needs Java 17 or newer; there is ${found:-none}${JAVA_HOME:+ in JAVA_HOME}"
    apt_install openjdk-17-jre-headless default-jre-headless || true
    [ "$(java_version)" -ge 17 ] 2>/dev/null || stop "there is no Java 17. Install one, then run this again:" \
        "Debian, Ubuntu  sudo apt-get install openjdk-17-jre-headless" \
        "Fedora          sudo dnf install java-17-openjdk-headless" \
        "macOS           brew install openjdk@17" \
        "or point JAVA_HOME at an installation"
}

suits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.12 python3.13 python3.11; do
        if command -v "$candidate" >/dev/null && suits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

ensure_venv() {
    if [ -x .venv/bin/python ] && suits .venv/bin/python; then
        return
    fi
    local python
    python=$(find_python) || { apt_install python3 && python=$(find_python); } ||
        stop "there is no Python 3.11, 3.12 or 3.13. Install one, then run this again:" \
            "Debian 12, Ubuntu 24.04 or newer  sudo apt-get install python3 python3-venv" \
            "elsewhere                         https://docs.astral.sh/uv/guides/install-python/" \
            "or name one: PYTHON=/path/to/python3.12 make setup"
    if ! has_venv "$python"; then
        apt_install "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" \
            python3-venv || true
        has_venv "$python" || stop "$python has no venv module. Install it, then run this again:" \
            "Debian, Ubuntu  sudo apt-get install python3-venv"
    fi
    say "making .venv with $("$python" -V)"
    rm -rf .venv
    "$python" -m venv .venv
}

# What the environment was made from.
fingerprint() {
    { pwd; .venv/bin/python -V; cat pyproject.toml "$1"; } | cksum
}

is_current() {
    local stamp=".venv/.$1"
    [ -f "$stamp" ] && [ "$(fingerprint "$1")" = "$(cat "$stamp")" ]
}

# uv does not read pip's configuration.
share_pip_configuration() {
    local index
    index=${PIP_INDEX_URL:-$(.venv/bin/pip config get global.index-url 2>/dev/null || true)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
    [ -z "${PIP_CERT:-}" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"
}

ensure_requirements() {
    # The development lock holds all of the other one.
    is_current requirements-dev.txt && return
    [ "$lock" = requirements.txt ] && is_current requirements.txt && return
    share_pip_configuration
    [ -x .venv/bin/uv ] || .venv/bin/python -m pip install -q --disable-pip-version-check uv
    say "installing $(grep -c '==' "$lock") locked packages, about 1 GB (minutes the first time)"
    .venv/bin/uv pip install -q --python .venv/bin/python --require-hashes -r "$lock"
    .venv/bin/uv pip install -q --python .venv/bin/python --no-deps -e .
    fingerprint "$lock" >".venv/.$lock"
}

# The mongod of the wheel needs a library that slim images leave out.
ensure_mongod() {
    [ -z "${SEGUE_MONGO_URI:-}" ] || return 0
    local mongod
    mongod=$(.venv/bin/python -c 'from segue.stack.mongod import mongod_binary; print(mongod_binary())' \
        2>/dev/null) || stop "there is no mongod for this system. Install MongoDB 6 or newer," \
        "or set SEGUE_MONGO_URI to one that runs elsewhere"
    "$mongod" --version >/dev/null 2>&1 && return
    apt_install libcurl4 libcurl4t64 || true
    "$mongod" --version >/dev/null 2>&1 || stop "$mongod does not run here:" \
        "$("$mongod" --version 2>&1 | head -1)"
}

ensure_java
ensure_venv
if ! is_current "$lock"; then
    ensure_requirements
    ensure_mongod
fi
say "ready"
