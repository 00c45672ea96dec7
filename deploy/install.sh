#!/usr/bin/env bash
# Installs the device or the base station as a service on Debian and its relatives. It can be repeated.
#
#   sudo deploy/install.sh device [--card] [--wheels FOLDER]
#   sudo deploy/install.sh base [--host NAME] [--wheels FOLDER]
#   sudo deploy/install.sh device|base --uninstall
#
# --card    analyse the cards in a USB reader instead of a microphone
# --host    name or address under which devices reach the broker; default: this computer's name
# --wheels  install from the wheels in a folder, without a network; default: from the project beside this script
#
# --uninstall keeps the settings in /etc/anura and the rows in /var/lib.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
venv=/opt/anura
units=/etc/systemd/system

fail() { echo "install.sh: $1" >&2 && exit 2; }

role=${1:-}
[[ $role == device || $role == base ]] || fail "name what to install: device or base"
shift
card='' host="$(cat /etc/hostname 2>/dev/null || echo localhost)" wheels='' uninstall=''
while [ $# -gt 0 ]; do
    case "$1" in
    --card) card=yes ;;
    --host) host=${2:?--host needs a name} && shift ;;
    --wheels) wheels=${2:?--wheels needs a folder} && shift ;;
    --uninstall) uninstall=yes ;;
    *) fail "unknown option $1; the head of this file lists the options" ;;
    esac
    shift
done
[ "$(id -u)" -eq 0 ] || fail "run it as root: sudo $0 $role"

if [ "$role" = device ]; then
    program=anura-edge extra='' other=anura-base
else
    program=anura-base extra='[base]' other=anura-edge
fi

systemd() { # Without a running systemd, as in a container, only files are installed.
    if [ -d /run/systemd/system ]; then systemctl "$@"; fi
}

remove() {
    systemd disable --now "$program" 2>/dev/null || true
    rm -f "$units/$program.service" "/usr/local/bin/$program"
    if [ "$role" = device ]; then
        rm -rf "$units/anura-edge.service.d/card.conf" "$units/media-card.mount" /etc/udev/rules.d/70-anura-card.rules \
            /etc/systemd/journald.conf.d/anura.conf
    else
        rm -f /etc/mosquitto/conf.d/anura.conf /etc/mosquitto/anura.acl
        systemd try-restart mosquitto
    fi
    [ -e "$units/$other.service" ] || rm -rf "$venv"
    systemd daemon-reload
    echo "$program is removed; its settings in /etc/anura and its rows in /var/lib/$program are kept"
}

install_program() {
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    if [ -n "$wheels" ]; then
        "$venv/bin/python" -m pip install --quiet --no-index --find-links "$wheels" --upgrade "anura-edge$extra"
    else
        # Without a cache, in which pip can find an older wheel of this folder.
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
            --constraint "$here/../constraints.txt" --upgrade "$here/..$extra"
    fi
    ln -sf "$venv/bin/$program" "/usr/local/bin/$program"
    getent group "$program" >/dev/null || groupadd --system "$program"
    install -d -m 0755 /etc/anura
}

install_settings() { # source, target: the settings of an earlier installation are kept
    [ -e "$2" ] || install -m 0644 "$1" "$2"
}

install_device() {
    install -d -m 0750 -g anura-edge /etc/anura/credentials
    install_settings "$here/device/anura.yaml" /etc/anura/anura.yaml
    install -D -m 0644 "$here/device/journald.conf" /etc/systemd/journald.conf.d/anura.conf
    install -m 0644 "$here/device/anura-edge.service" "$units/"
    if [ -n "$card" ]; then
        install -d -m 0755 /media/card
        install -D -m 0644 "$here/device/card.conf" "$units/anura-edge.service.d/card.conf"
        install -m 0644 "$here/device/media-card.mount" "$units/"
        install -D -m 0644 "$here/device/70-anura-card.rules" /etc/udev/rules.d/70-anura-card.rules
        if command -v udevadm >/dev/null && [ -d /run/udev ]; then udevadm control --reload; fi
    fi
}

install_base() {
    install -d -m 0750 -g anura-base /etc/anura/broker
    usermod --append --groups anura-base mosquitto # the broker reads its certificate and the passwords
    install_settings "$here/base/anura-base.yaml" /etc/anura/anura-base.yaml
    install -m 0644 "$here/base/mosquitto.conf" /etc/mosquitto/conf.d/anura.conf
    install -m 0644 "$here/base/anura.acl" /etc/mosquitto/anura.acl
    "$venv/bin/anura-base" broker create "$host"
    install -m 0644 "$here/base/anura-base.service" "$units/"
    systemd restart mosquitto
}

if [ -n "$uninstall" ]; then
    remove
    exit
fi
"$here/system-packages" "$role"
install_program
"install_$role"
systemd daemon-reload
systemd enable "$program"
systemd restart "$program"
echo "$program $("$venv/bin/$program" --version | grep -o '[0-9].*') is installed"
