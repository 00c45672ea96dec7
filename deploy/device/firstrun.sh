#!/bin/sh
# Installs the device at the first start. Copy it, the Debian package and the join file to the boot partition.
# Raspberry Pi OS runs it once with `systemd.run=/boot/firmware/firstrun.sh systemd.run_success_action=reboot` at the end
# of cmdline.txt. It can be repeated: after an error, the next start tries again.
set -eu

boot=${1:-/boot/firmware}
set -- "$boot"/anura-edge_*.deb
[ -e "$1" ] || { echo "firstrun: there is no anura-edge_*.deb in $boot" >&2 && exit 1; }
# A copied image has the identity of its original. An empty file makes systemd write a new one at the next start.
: >/etc/machine-id
apt-get install --yes --no-install-recommends "$1"
for join in "$boot"/*.join; do
    [ -e "$join" ] || continue
    /opt/anura/bin/anura-edge join "$join"
    rm -f "$join"
done
if [ -e "$boot/cmdline.txt" ]; then
    sed -i 's| systemd\.run[^ ]*||g' "$boot/cmdline.txt"
fi
