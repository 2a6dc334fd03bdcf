# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by etcd-lock: TLS, passwords, several servers, and the C program of the same name.

# The server of before was killed by the last test.
rm -rf "$work"/data*

# --- certificates: an authority, a server's and a client's, and a client's of nobody
sign() { # NAME SUBJECT EXTENSION...
	local name=$1 subject=$2
	shift 2
	printf '%s\n' "$@" >"$work/$name.ext"
	openssl req -newkey rsa:2048 -nodes -keyout "$work/$name.key" -out "$work/$name.csr" -subj "$subject"
	openssl x509 -req -in "$work/$name.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial \
		-days 2 -extfile "$work/$name.ext" -out "$work/$name.crt"
	cat "$work/$name.crt" "$work/$name.key" >"$work/$name.pem"
}
make_certificates() {
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/ca.key" -out "$work/ca.crt" -days 2 \
		-subj "/CN=test authority"
	sign server /O=server subjectAltName=IP:127.0.0.1,IP:127.0.0.3,DNS:localhost \
		extendedKeyUsage=serverAuth,clientAuth
	sign client /O=client extendedKeyUsage=clientAuth
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/other.key" -out "$work/other.crt" -days 2 \
		-subj /CN=nobody
	cat "$work/other.crt" "$work/other.key" >"$work/other.pem"
} >"$work/openssl.log" 2>&1
make_certificates

tls=(--cert-file "$work/server.crt" --key-file "$work/server.key" --client-cert-auth
	--trusted-ca-file "$work/ca.crt")
secure=("protocol = https" "ca_cert = $work/ca.crt" "cert = $work/client.pem")

check "etcd with TLS starts" start_etcd "${tls[@]}"
config
check "http to it: an error" refuses plain .
config "protocol = https" "cert = $work/client.pem"
check "without ca_cert it is not believed" refuses no-ca 127.0.0.1:2379
config "protocol = https" "ca_cert = $work/other.crt" "cert = $work/client.pem"
check "nor with another authority" refuses other-ca 127.0.0.1:2379
config "protocol = https" "ca_cert = $work/ca.crt"
check "without a client certificate: an error" refuses no-cert 127.0.0.1:2379
config "protocol = https" "ca_cert = $work/ca.crt" "cert = $work/other.pem"
check "with one of another authority: an error" refuses other-cert 127.0.0.1:2379
config "protocol = https" "ca_cert = $work/ca.crt" "cert = $work/client.crt"
check "a certificate without key is named" refuses no-key "client.crt: no private key"
config "protocol = https" "ca_cert = $work/none"
check "a missing file is named" refuses no-file "$work/none: No such file"
config "${secure[@]}"
check "authority and client certificate: the lock is taken and kept" holds tls
config "protocol = https" "ca_cert = $work/ca.crt" "cert = $work/client.crt" "key = $work/client.key" \
	"host = localhost" "allow_redirect = True"
check "certificate and key in two files, a host by its name" holds two-files

# --- users
api() { # PATH REQUEST
	curl -sSf --cacert "$work/ca.crt" --cert "$work/client.pem" "https://127.0.0.1:2379/v3/auth/$1" -d "$2" >/dev/null
}
range="\"key\":\"$(printf /_locks/ | base64)\",\"range_end\":\"$(printf /_locks0 | base64)\""
add_users() {
	api user/add '{"name":"root","password":"all"}' && api role/add '{"name":"root"}' &&
		api user/grant '{"user":"root","role":"root"}' &&
		api user/add '{"name":"ctdb","password":"se=cret"}' && api role/add '{"name":"locks"}' &&
		api role/grant "{\"name\":\"locks\",\"perm\":{\"permType\":\"READWRITE\",$range}}" &&
		api user/grant '{"user":"ctdb","role":"locks"}' && api enable '{}'
}
check "users are made" add_users
config "${secure[@]}"
check "etcd with users, and none: an error" refuses no-user "user name is empty"
config "${secure[@]}" "username = ctdb" "password = wrong"
check "a wrong password: an error" refuses wrong "invalid user ID or password"
config "${secure[@]}" "username = ctdb" "password = se=cret"
check "user and password: the lock is taken and kept" holds user
config "${secure[@]}" "username = ctdb" "password = se=cret"
lock restart
restart=$locker
check "and taken again" says restart 0
kill -KILL "$server"
wait "$server" 2>/dev/null
check "etcd starts again" start_etcd "${tls[@]}"
sleep 5
check "and has forgotten its tokens: the holder asks for a new one" kill -0 "$restart"
kill -TERM "$restart"
check "and ends" ends "$restart" 30

# --- several servers
config "${secure[@]}" "username = ctdb" "password = se=cret" "host = 127.0.0.9, 127.0.0.1:2379"
check "the first of two hosts is not there" holds dead
python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.0.0.8", 2379)); s.listen(50); time.sleep(300)' &
silent=$!
config "${secure[@]}" "username = ctdb" "password = se=cret" "host = 127.0.0.8, 127.0.0.1"
check "the first of two hosts says nothing" holds silent
kill "$silent"
config "${secure[@]}" "host = 127.0.0.9,127.0.0.10"
check "none of two hosts is there: both are named" refuses none "127.0.0.9:2379: .*127.0.0.10:2379: "
stop_etcd "$server"

initial=m1=http://127.0.0.1:2380,m2=http://127.0.0.2:2380,m3=http://127.0.0.3:2380
members=()
for n in 1 2 3; do
	"$etcd" --name m$n --data-dir "$work/data$n" --listen-client-urls http://127.0.0.$n:2379 \
		--advertise-client-urls http://127.0.0.$n:2379 --listen-peer-urls http://127.0.0.$n:2380 \
		--initial-advertise-peer-urls http://127.0.0.$n:2380 --initial-cluster $initial \
		>"$work/etcd$n.log" 2>&1 &
	members+=($!)
done
for n in 1 2 3; do check "etcd member $n starts" serves etcd$n; done
config "allow_reconnect = True"
lock member
member=$locker
check "a cluster of three: the lock is taken" says member 0
kill -KILL "${members[0]}"
sleep 7
check "the member that was named dies: the holder goes on with another" kill -0 "$member"
lock member-second
check "the named one is dead: nobody can ask it" says member-second 3
config "host = 127.0.0.1, 127.0.0.2, 127.0.0.3"
lock member-third
check "with all named, the lock is found taken" says member-third 1
kill -STOP "${members[1]}"
kill -STOP "${members[2]}"
check "no member answers: the holder ends within the time to live" ends "$member" 60
kill -CONT "${members[1]}"
stop_etcd "${members[1]}" "${members[2]}"

# --- the C program: not excluded, but at least seen
mkdir "$work/bin"
printf '#!/bin/sh\necho CTDB\n' >"$work/bin/testparm"
printf '#!/bin/sh\necho 0\n' >"$work/bin/ctdb"
chmod +x "$work/bin"/*
PATH=$work/bin:$PATH
c_lock() {
	/usr/bin/python3 "$c_helper" -c "$work/etcd.conf" >"$work/$1.out" 2>>"$work/log" &
	locker=$!
}
check "etcd with both versions of its API starts" start_etcd --enable-v2 "${tls[@]}"
config "${secure[@]}"
: >"$work/log"
c_lock c
c=$locker
check "the C program takes the lock, with the same file" says c 0
lock ours
check "ours does not take it as well" says ours 1
check "and says why" grep -q "is held by C CTDB's program" "$work/log"
kill -TERM "$c"
check "the C program gives it back" ends "$c" 50
lock after
after=$locker
check "then ours takes it" says after 0
c_lock blind
blind=$locker
check "the C program does not see that: one of the two for a whole cluster" says blind 0
kill -TERM "$after" "$blind"
stop_etcd "$server"
