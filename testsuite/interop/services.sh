# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced after hosts.sh: servers of every host (sshd, and NFS in user space, since the kernel need not
# have any), and their clients on the client host, laid out in $hosts_dir/services.

SERVICE_PACKAGES="openssh-server openssh-client rpcbind nfs-common nfs-ganesha nfs-ganesha-vfs libnfs13
	python3-fusepy fuse3"

# services_lay_out TOOLS: keys, settings, the exported folder; programs of the client host go to TOOLS
services_lay_out() {
	local dir=$hosts_dir/services name
	mkdir -p "$dir" "$hosts_dir/shared/export"
	chmod 777 "$hosts_dir/shared/export"
	# One key for all hosts: a public address is the same server wherever it is.
	ssh-keygen -q -t ed25519 -N '' -f "$dir/host_key"
	ssh-keygen -q -t ed25519 -N '' -f "$dir/user_key"
	cp "$dir/user_key.pub" "$dir/authorized"
	cat >"$dir/sshd_config" <<-SSHD
		HostKey $dir/host_key
		AuthorizedKeysFile $dir/authorized
		PermitRootLogin yes
		StrictModes no
		UsePAM no
		PidFile none
		Subsystem sftp internal-sftp
	SSHD
	cat >"$dir/ssh_config" <<-SSH
		IdentityFile $dir/user_key
		UserKnownHostsFile $dir/known_hosts
		StrictHostKeyChecking no
		BatchMode yes
	SSH
	for name in ssh scp; do
		printf '#!/bin/sh\nexec %s -F %s "$@"\n' "$(command -v $name)" "$dir/ssh_config" >"$1/$name"
	done
	# Version 3 alone, as the event scripts of upstream's tests have it.
	cat >"$dir/ganesha.conf" <<-GANESHA
		NFS_CORE_PARAM {
			Protocols = 3; mount_path_pseudo = false; Enable_NLM = false; Enable_RQUOTA = false;
		}
		EXPORT {
			Export_Id = 1; Path = $hosts_dir/shared/export; Pseudo = /export; Access_Type = RW;
			Squash = No_Root_Squash; Protocols = 3; Transports = TCP; SecType = sys;
			FSAL { Name = VFS; }
		}
		LOG { Default_Log_Level = EVENT; }
	GANESHA
	# mount -o OPTIONS [ADDRESS]:EXPORT DIRECTORY
	cat >"$1/mount" <<-MOUNT
		#!/bin/sh
		case "\$3" in
		*:/*)
			address=\${3%%:/*}
			address=\${address#[}
			exec $hosts_top/testsuite/interop/nfs_client.py "\${address%]}" "/\${3#*:/}" "\$4"
			;;
		*) exec $(command -v mount) "\$@" ;;
		esac
	MOUNT
	chmod 755 "$1/ssh" "$1/scp" "$1/mount"
}

# services_start N: both servers on a host, with a /run of their own below them
services_start() {
	local dir=$hosts_dir/services
	on "$1" sh -c "mount -t tmpfs run /run && mkdir /run/ctdb /run/sshd /run/rpcbind /run/ganesha &&
		mount --bind '$hosts_dir/h$1/run' /run/ctdb" || return 1
	on "$1" /usr/sbin/sshd -f "$dir/sshd_config" || return 1
	on "$1" rpcbind -w || return 1
	on "$1" ganesha.nfsd -L "$hosts_dir/h$1/log/ganesha" -f "$dir/ganesha.conf" -p /run/ganesha.pid ||
		return 1
	soon 20 on "$1" sh -c "showmount -e 127.0.0.1 | grep -q /export" >/dev/null 2>&1
}
