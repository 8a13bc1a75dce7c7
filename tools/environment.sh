# Sourced by the commands beside it: virtual environments that are made once and kept up to date.

# make_environment FOLDER: a virtual environment, made if it is not there.
make_environment() {
    if [ ! -x "$1/bin/python" ]; then
        "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
            echo "emsync needs Python 3.11 or later; name one with PYTHON=python3.11 $0" >&2
            exit 1
        }
        "${PYTHON:-python3}" -m venv "$1" || {
            rm -rf "$1"
            echo "no virtual environment could be made; on Debian: apt install python3-venv" >&2
            exit 1
        }
    fi
}

# install_project FOLDER WHAT: this project as an editable install, again whenever pyproject.toml changed.
install_project() {
    if [ ! -e "$1/installed" ] || [ pyproject.toml -nt "$1/installed" ]; then
        "$1/bin/python" -m pip install --quiet --editable "$2"
        # Without its dependency pyaudio, which only live playback needs and which Linux must compile.
        "$1/bin/python" -m pip install --quiet --no-deps 'tinysoundfont>=0.3.6'
        touch "$1/installed"
    fi
}
