#!/usr/bin/env bash
# Traffic for the README's picture, made by programs that use kernel TLS, and a recording of it in $1.
# It runs in a guest: make recording.
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
modprobe tls

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 2 \
	-keyout "$dir/key" -out "$dir/cert" 2>"$dir/log"
head -c 200000 /dev/zero >"$dir/big"
head -c 30000 /dev/zero >"$dir/page"
head -c 700 /dev/zero >"$dir/item"
cat >"$dir/nginx.conf" <<END
daemon off; worker_processes 2; user root; pid $dir/pid; error_log $dir/error;
events {}
http {
	access_log off; sendfile on;
	client_body_temp_path $dir/b; proxy_temp_path $dir/p; fastcgi_temp_path $dir/f; uwsgi_temp_path $dir/u; scgi_temp_path $dir/s;
	ssl_certificate $dir/cert; ssl_certificate_key $dir/key; ssl_conf_command Options KTLS; ssl_protocols TLSv1.2 TLSv1.3;
	upstream items { server 127.0.0.1:9443; keepalive 4; }
	server {
		listen 127.0.0.1:8443 ssl; root $dir;
		location /api/ { proxy_pass https://items/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_ssl_conf_command Options KTLS; }
	}
	server { listen 127.0.0.1:9443 ssl; root $dir; }
}
END
# As systemd would start it.
service=/sys/fs/cgroup/system.slice/nginx.service
mkdir -p "$service"
(echo $BASHPID >"$service/cgroup.procs" && exec nginx -c "$dir/nginx.conf") &
until curl -sk -o /dev/null https://127.0.0.1:8443/item; do sleep 0.1; done

bin/ktlstop trace -o json -w "$1" --ready-file "$dir/ready" --duration "${DURATION:-16s}" &
trace=$!
until [ -e "$dir/ready" ]; do sleep 0.1; done

get() { # rate path options...: one connection
	curl -sSk --http1.1 --rate "$1" -o /dev/null "${@:3}" "https://127.0.0.1:8443/$2?[1-99]" &
}
get 60/m big --tlsv1.2 --tls-max 1.2 --ciphers ECDHE-ECDSA-AES128-GCM-SHA256
get 120/m page --tlsv1.3
get 180/m api/item --tlsv1.3
get 120/m item --tlsv1.2 --tls-max 1.2 --ciphers ECDHE-ECDSA-CHACHA20-POLY1305
get 60/m page --tlsv1.2 --tls-max 1.2
bin/ktlstop gen -n 2 -s 1400 --rate 2 --duration 1m >/dev/null &
bin/ktlstop gen -n 1 -s 40000 --rate 1 --sendfile --dir rx --duration 1m >/dev/null &
for i in 1 2 3; do curl -sk -o /dev/null --tlsv1.2 --tls-max 1.2 https://127.0.0.1:8443/page; done
wait $trace
