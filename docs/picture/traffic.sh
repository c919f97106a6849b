#!/usr/bin/env bash
# Traffic for the manual's pictures, made by programs that use kernel TLS, and recordings of it in the directory $1:
#   recording.jsonl  a web server: nginx, its clients, and ktlstop gen with errors and alerts
#   lb1.jsonl        a proxy in a network namespace of its own, HAProxy, in front of that nginx
#   *.frame, *.text  what the dashboard, inspect and doctor showed meanwhile
# It runs in a guest: make recording.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$1
dir=/srv/web1
mkdir -p "$dir"
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
modprobe tls
hostname web1

await() { # COMMAND...: until it succeeds
	local i
	for i in {1..600}; do
		if "$@"; then return; fi
		sleep 0.1
	done
	echo "traffic.sh: in a minute not once: $*" >&2
	exit 1
}
answers() { curl -sk -m 2 -o /dev/null "$1"; }

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=web1 -days 2 \
	-keyout "$dir/key" -out "$dir/cert" 2>"$dir/log"
cat "$dir/cert" "$dir/key" >"$dir/both"
head -c 200000 /dev/zero >"$dir/big"
head -c 30000 /dev/zero >"$dir/page"
printf '{"id": 17, "name": "a lamp", "price": 20}\n%.0s' {1..2} >"$dir/item"

# The proxy's host is a network namespace; 10.0.0.1 is the web server's.
ip netns add lb1
ip link add web type veth peer name lb netns lb1
ip addr add 10.0.0.1/24 dev web
ip link set web up
ip -n lb1 addr add 10.0.0.2/24 dev lb
ip -n lb1 link set lb up
ip -n lb1 link set lo up
proxy=$(readlink -f bin/root/haproxy)
mkdir -p "$proxy/srv"
for tree in proc dev srv; do mount --bind "/$tree" "$proxy/$tree"; done

cat >"$dir/nginx.conf" <<END
daemon off; worker_processes 2; user root; pid $dir/pid; error_log $dir/error;
events {}
http {
	access_log off; sendfile on;
	client_body_temp_path $dir/b; proxy_temp_path $dir/p; fastcgi_temp_path $dir/f; uwsgi_temp_path $dir/u; scgi_temp_path $dir/s;
	ssl_certificate $dir/cert; ssl_certificate_key $dir/key; ssl_conf_command Options KTLS; ssl_protocols TLSv1.2 TLSv1.3;
	upstream items { server 127.0.0.1:9443; keepalive 4; }
	server {
		listen 10.0.0.1:443 ssl; root $dir;
		location /api/ { proxy_pass https://items/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_ssl_conf_command Options KTLS; }
	}
	server { listen 127.0.0.1:9443 ssl; root $dir; }
}
END
cat >"$dir/haproxy.cfg" <<END
global
	expose-experimental-directives
	nbthread 1
defaults
	mode http
	timeout client 60s
	timeout server 60s
	timeout connect 60s
	option splice-response
frontend web
	bind 10.0.0.2:443 ssl crt $dir/both ktls on
	default_backend web1
backend web1
	server web1 10.0.0.1:443 ssl verify none ktls on
END
# As systemd would start it.
service=/sys/fs/cgroup/system.slice/nginx.service
mkdir -p "$service"
(echo $BASHPID >"$service/cgroup.procs" && exec nginx -c "$dir/nginx.conf") &
service=/sys/fs/cgroup/system.slice/haproxy.service
mkdir -p "$service"
(echo $BASHPID >"$service/cgroup.procs" && exec ip netns exec lb1 chroot "$proxy" haproxy -db -f "$dir/haproxy.cfg" >"$dir/haproxy.log" 2>&1) &
await answers https://10.0.0.2/item

# Its handshakes are what doctor looks at: a server whose configuration does not ask for kernel TLS.
sed "s,10.0.0.1:443,127.0.0.1:8444,; s,127.0.0.1:9443,127.0.0.1:8445,; s,[a-z_]*ssl_conf_command Options KTLS;,,; s,$dir/pid,$dir/pid2," "$dir/nginx.conf" >"$dir/plain.conf"
nginx -c "$dir/plain.conf" &
await answers https://127.0.0.1:8444/item
COLUMNS=120 bin/ktlstop doctor nginx >"$out/doctor.text" || [ $? = 1 ]
kill $!
wait $! || true

duration=${DURATION:-13s}
here=$(stat -Lc %i /proc/self/ns/net)
bin/ktlstop trace -o json -w "$out/lb1.jsonl" --netns lb1 --ready-file "$dir/ready.lb1" --duration "$duration" &
traces=$!
bin/ktlstop trace -o json -w "$out/recording.jsonl" --netns "$here" --ready-file "$dir/ready" --duration "$duration" &
traces+=" $!"
until [ -e "$dir/ready" ] && [ -e "$dir/ready.lb1" ]; do sleep 0.1; done

get() { # rate host path options...: one connection
	curl -sSk --http1.1 --rate "$1" -o /dev/null "${@:4}" "https://$2/$3?[1-9999]" &
}
# A record that is damaged on its way, and a client that resets its connection.
for fault in corrupt reset corrupt; do bin/ktlstop gen -n 1 -s 2000 --rate 4 --rounds 4 --fault $fault >/dev/null || true; done &
get 60/m 10.0.0.1 big --tlsv1.2 --tls-max 1.2 --ciphers ECDHE-ECDSA-AES128-GCM-SHA256
get 120/m 10.0.0.1 page --tlsv1.3
get 180/m 10.0.0.1 api/item --tlsv1.3
get 120/m 10.0.0.1 item --tlsv1.2 --tls-max 1.2 --ciphers ECDHE-ECDSA-CHACHA20-POLY1305
get 60/m 10.0.0.2 page --tlsv1.2 --tls-max 1.2
get 60/m 10.0.0.2 big --tlsv1.3
bin/ktlstop gen -n 2 -s 1400 --rate 2 --duration 1m >/dev/null &
bin/ktlstop gen -n 1 -s 40000 --rate 1 --sendfile --dir rx --duration 1m >/dev/null &
bin/ktlstop gen -n 1 -s 500 --rate 2 --alert-every 6 --duration 1m >/dev/null &
for i in 1 2 3; do curl -sk -o /dev/null --tlsv1.2 --tls-max 1.2 https://10.0.0.1/page; done
wait $traces

# The same traffic, live: the requests within nginx, and what the dashboard shows of its own run.
bin/ktlstop inspect --comm nginx --port 9443 --duration 5s | sed '/ HTTP.1.1 GET .* > 200/q' >"$out/inspect.text"
tmux -L picture -f /dev/null new-session -d -x 132 -y 42 "bin/ktlstop 2>$dir/dashboard"
screen() { tmux -L picture capture-pane -p "$@"; }
shows() { screen | grep "$1" >/dev/null; }
await shows nginx
tmux -L picture send-keys 5
await shows 'push_enter  *[1-9]'
screen -e >"$out/losses.frame"
tmux -L picture send-keys q
