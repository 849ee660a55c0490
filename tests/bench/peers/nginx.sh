#!/bin/bash
# nginx's ngx.run_worker_thread, on an nginx of our own: its configuration, files
# and socket are in a directory that goes with it, and it is ended here.
#   nginx.sh one <calls> | many <in flight> <calls> <threads>
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
form=$1
if [ "$form" = one ]; then in_flight=1 calls=$2 threads=1
else in_flight=$2 calls=$3 threads=$4; fi

home=$(mktemp -d)
trap '[ -z "${pid:-}" ] || kill -TERM "$pid" 2>/dev/null; wait; rm -rf "$home"' EXIT
mkdir "$home/tmp"
# One interpreter for each call in flight, or calls fail; each is kept.
cat >"$home/nginx.conf" <<CONF
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
daemon off;
master_process off;
pid $home/pid;
error_log $home/error.log warn;
thread_pool bench threads=$threads max_queue=65536;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path $home/tmp;
  proxy_temp_path $home/tmp;
  fastcgi_temp_path $home/tmp;
  uwsgi_temp_path $home/tmp;
  scgi_temp_path $home/tmp;
  lua_package_path "$here/?.lua;;";
  lua_worker_thread_vm_pool_size $in_flight;
  server {
    listen unix:$home/socket;
    location / {
      default_type text/plain;
      content_by_lua_file "$here/nginx_bench.lua";
    }
  }
}
CONF
nginx -p "$home" -c "$home/nginx.conf" -e "$home/error.log" &
pid=$!
for ((i = 0; i < 200; ++i)); do
  [ -S "$home/socket" ] && break
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.05  # nothing tells when a foreign server has begun to listen
done
if ! curl -sf --max-time 120 --unix-socket "$home/socket" \
    "http://bench/?form=$form&in_flight=$in_flight&calls=$calls"; then
  tail -n 5 "$home/error.log" >&2
  exit 1
fi
