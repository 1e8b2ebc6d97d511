#!/bin/bash
# server.sh up|down|restart: a triad with empty data on loopback, flags as the golden answers were recorded with.
# TRIAD: the binary; RUN: a directory of its own; PORT: the secure port. The CA is RUN/data/pki/ca.crt.
set -u
TRIAD=${TRIAD:?the triad binary}
RUN=${RUN:?a directory to run in}
PORT=${PORT:-16443}

down() {
  [ -f "$RUN/pid" ] || return 0
  pid=$(cat "$RUN/pid")
  kill -9 "$pid" 2>/dev/null
  while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
  rm -f "$RUN/pid"
}

up() {
  mkdir -p "$RUN/pki"
  if [ ! -f "$RUN/pki/proxy.crt" ]; then
    openssl ecparam -name prime256v1 -genkey -noout -out "$RUN/pki/ca.key"
    openssl req -x509 -new -key "$RUN/pki/ca.key" -subj "/CN=front-proxy-ca" -days 30 -out "$RUN/pki/ca.crt"
    openssl ecparam -name prime256v1 -genkey -noout -out "$RUN/pki/proxy.key"
    openssl req -new -key "$RUN/pki/proxy.key" -subj "/CN=front-proxy-client" |
      openssl x509 -req -CA "$RUN/pki/ca.crt" -CAkey "$RUN/pki/ca.key" -CAcreateserial -days 30 -out "$RUN/pki/proxy.crt" 2>/dev/null
  fi
  # The PKI may stay; the store goes.
  rm -rf "$RUN/data/store"
  "$TRIAD" serve --data-dir="$RUN/data" --unsafe-no-fsync --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port="$PORT" \
    --token-auth-file="$TOKENS" --authorization-mode=Node,RBAC --service-cluster-ip-range=10.0.0.0/24 \
    --service-account-issuer=https://kubernetes.default.svc \
    --requestheader-client-ca-file="$RUN/pki/ca.crt" --requestheader-allowed-names=front-proxy-client \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --endpoint-reconciler-type=none --controllers=none >>"$RUN/log" 2>&1 </dev/null &
  echo $! >"$RUN/pid"
  for _ in $(seq 200); do
    code=$(curl -s -o /dev/null -m 5 -w '%{http_code}' --cacert "$RUN/data/pki/ca.crt" "https://127.0.0.1:$PORT/readyz" || true)
    [ "$code" = 200 ] && exit 0
    kill -0 "$(cat "$RUN/pid")" 2>/dev/null || { echo "triad ended:"; tail -5 "$RUN/log"; exit 1; }
    sleep 0.05
  done
  echo "not ready"
  exit 1
}

case "${1:-}" in
up) up ;;
down) down ;;
restart) down; up ;;
*) echo "usage: $0 up|down|restart"; exit 2 ;;
esac
