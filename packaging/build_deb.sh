#!/usr/bin/env bash
# Makes OUTPUT/sluice-switch_VERSION_ARCH.deb of the programs in BUILD. usage: build_deb.sh BUILD OUTPUT
# Debian has a package sluice of its own, with a program of that name: apt must not take one for the other.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$here")
build=$(readlink -f "$1")
mkdir -p "$2"
output=$(readlink -f "$2")
version=$("$build/sluiced" --version | awk '{print $NF}')
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree

install -D -m 755 -s "$build/sluiced" "$tree/usr/sbin/sluiced"
install -D -m 755 -s "$build/sluice" "$tree/usr/bin/sluice"
install -D -m 755 "$here/prepare-database" "$tree/usr/lib/sluice/prepare-database"
# Started under this name the program is ovs-vswitchd: its options, files and sockets.
ln -s ../../sbin/sluiced "$tree/usr/lib/sluice/ovs-vswitchd"
for unit in sluiced sluice-ovsdb sluice-vswitchd; do
  install -D -m 644 "$here/$unit.service" "$tree/lib/systemd/system/$unit.service"
done

mkdir -p "$tree/usr/share/man/man1" "$tree/usr/share/man/man8"
"$here/make_man.py" "$build/sluice" 1 'talks to sluiced; flow files, captures and OpenFlow offline' \
  <"$here/sluice.man" | gzip -9n >"$tree/usr/share/man/man1/sluice.1.gz"
ln -s "$build/sluiced" "$work/ovs-vswitchd"
env -i PATH="$PATH" "$here/make_man.py" "$build/sluiced" 8 'stateful OpenFlow switch' "as ovs-vswitchd=$work/ovs-vswitchd" \
  <"$here/sluiced.man" | gzip -9n >"$tree/usr/share/man/man8/sluiced.8.gz"

for shell in bash zsh fish; do
  case $shell in
    bash) file=usr/share/bash-completion/completions/sluice ;;
    zsh) file=usr/share/zsh/vendor-completions/_sluice ;;
    fish) file=usr/share/fish/vendor_completions.d/sluice.fish ;;
  esac
  script=$("$build/sluice" completion $shell 2>/dev/null) || continue
  mkdir -p "$tree/$(dirname $file)"
  printf '%s\n' "$script" >"$tree/$file"
done

documents=$tree/usr/share/doc/sluice-switch
mkdir -p "$documents/examples"
cp "$root"/README.md "$root"/docs/*.md "$documents/"
cp -r "$root"/examples/. "$documents/examples/"
if [ -e "$root/LICENSE" ]; then cp "$root/LICENSE" "$documents/copyright"; fi

# Which packages have the libraries that the programs are linked with.
mkdir -p "$work/debian"
printf 'Source: sluice-switch\n\nPackage: sluice-switch\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O "$tree/usr/sbin/sluiced" "$tree/usr/bin/sluice" 2>/dev/null |
  sed 's/^shlibs:Depends=//')

mkdir -p "$tree/DEBIAN"
cat >"$tree/DEBIAN/control" <<EOF
Package: sluice-switch
Version: $version
Architecture: $architecture
Maintainer: The Sluice developers <sluice@localhost>
Section: net
Priority: optional
Installed-Size: $(du -sk "$tree" | cut -f1)
Depends: $depends
Conflicts: sluice
Replaces: sluice
Recommends: openvswitch-common, openvswitch-switch, iproute2
Description: stateful OpenFlow software switch
 Sluice switches packets by OpenFlow rules that may match on the state of
 connections, which it tracks itself. It can stand in for ovs-vswitchd: with
 ovsdb-server (openvswitch-common) and ovs-vsctl (openvswitch-switch) it is
 configured and driven by the tools of Open vSwitch.
EOF
install -m 755 "$here/postinst" "$here/prerm" "$here/postrm" "$tree/DEBIAN/"
dpkg-deb --root-owner-group --build "$tree" "$output/sluice-switch_${version}_$architecture.deb"
