# clients.sh: how each real client is built (once, into CACHE) and how its suite is run. Sourced by run.sh.
# client_SUITE builds what is missing; run_SUITE RESULTS runs against KUBECONFIG and writes "pass NAME" / "fail NAME<tab>why".

GOFLAGS=${GOFLAGS:-}
GO_BUILD="nice -n 10 go build"
KUBECTL_VERSION=$(sed -n 's/^\tk8s.io\/kubectl \(v[0-9.]*\)$/\1/p' "$HERE/go.mod" | sed 's/^v0/v1/')

key() { cat "$@" | sha256sum | cut -c1-16; }

# cached DIR COMMAND...: runs the command with the new directory as its last word, unless DIR is there; all or nothing.
cached() {
  local dir=$1
  shift
  [ -d "$dir" ] && return 0
  rm -rf "$dir.part"
  mkdir -p "$dir.part" || return 1
  "$@" "$dir.part" && mv "$dir.part" "$dir" || return 1
  # What was built from earlier sources goes once no run of today can be using it.
  find "$CACHE" -mindepth 1 -maxdepth 1 -name "$(basename "${dir%-*}")-*" ! -path "$dir" -mtime +0 -exec rm -rf {} +
}

build_kubectl() {
  (cd "$HERE" && $GO_BUILD -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$KUBECTL_VERSION" -o "$1/kubectl" ./cmd/kubectl)
}

build_tests() {
  (cd "$HERE" && nice -n 10 go test -c -ldflags "-s -w" -o "$2/$1.test" "./$1")
}

# go_tests RESULTS BINARY: a compiled test binary's verdicts, subtests included.
go_tests() {
  local run=.
  [ "$MODE" = smoke ] && run=Smoke
  (cd "$RUN" && timeout -k 5 420 "$2" -test.v -test.timeout 400s -test.run "$run") 2>&1 | tee "$1.log"
  awk '
    /^ *--- (PASS|FAIL|SKIP):/ { verdict = tolower(substr($2, 1, 4)); print verdict, $3 (verdict == "fail" ? "\tsee its output" : "") }
    /^panic: / || /^fatal error: / { print "fail crash\t" $0 }' "$1.log" >>"$1"
}

client_kubectl() {
  KUBECTL_DIR=$CACHE/kubectl-$(key "$HERE/go.sum" "$HERE/cmd/kubectl/main.go")
  cached "$KUBECTL_DIR" build_kubectl
}
run_kubectl() {
  local files=("$HERE"/kubectl/*.steps)
  [ "$MODE" = smoke ] && files=("$HERE/kubectl/smoke.steps")
  PATH=$KUBECTL_DIR:$PATH timeout -k 5 500 python3 "$HERE/kubectl/run_steps.py" "$1" "${files[@]}"
}

client_client-go() {
  CLIENT_GO_DIR=$CACHE/client-$(key "$HERE/go.sum" "$HERE"/client/*.go)
  cached "$CLIENT_GO_DIR" build_tests client
}
run_client-go() { MANIFESTS=$HERE/manifests go_tests "$1" "$CLIENT_GO_DIR/client.test"; }

client_envtest() {
  ENVTEST_DIR=$CACHE/envtest-$(key "$HERE/go.sum" "$HERE"/envtest/*.go)
  cached "$ENVTEST_DIR" build_tests envtest
}
run_envtest() {
  mkdir -p "$RUN/assets"
  ln -sf "$TRIAD" "$RUN/assets/kube-apiserver"
  ln -sf "$TRIAD" "$RUN/assets/etcd"
  MANIFESTS=$HERE/manifests KUBEBUILDER_ASSETS=$RUN/assets go_tests "$1" "$ENVTEST_DIR/envtest.test"
}

build_venv() {
  # A virtual environment knows its own path, so packages go to a plain directory instead.
  python3 -m pip install -q --disable-pip-version-check --no-warn-script-location --target "$1" -r "$HERE/python/requirements.txt"
}
client_python() {
  PYTHON_DIR=$CACHE/python-$(key "$HERE/python/requirements.txt")
  cached "$PYTHON_DIR" build_venv
}
run_python() {
  PYTHONPATH=$PYTHON_DIR PYTHONDONTWRITEBYTECODE=1 timeout -k 5 300 python3 "$HERE/python/test_python.py" "$1"
}

build_node() {
  cp "$HERE/js/package.json" "$HERE/js/package-lock.json" "$1/" && (cd "$1" && npm ci --silent --ignore-scripts --no-audit --no-fund)
}
client_javascript() {
  NODE_DIR=$CACHE/node-$(key "$HERE/js/package-lock.json")
  cached "$NODE_DIR" build_node
}
run_javascript() {
  NODE_MODULES=$NODE_DIR/node_modules timeout -k 5 120 node "$HERE/js/test.mjs" "$1"
}

HELM=helm.sh/helm/v4/cmd/helm@v4.3.1
build_helm() { GOFLAGS="$GOFLAGS -p=2" GOBIN=$1 nice -n 10 go install -ldflags "-s -w" "$HELM"; }
client_helm() {
  client_kubectl && HELM_DIR=$CACHE/helm-$(echo "$HELM" | key -)
  cached "$HELM_DIR" build_helm
}
run_helm() {
  C=$HERE/helm/chart PATH=$HELM_DIR:$KUBECTL_DIR:$PATH timeout -k 5 300 python3 "$HERE/kubectl/run_steps.py" "$1" "$HERE/helm/helm.steps"
}

# The upstream components that a cluster has beside its API server, kwok in the place of kubelets.
KWOK=sigs.k8s.io/kwok/cmd/kwok@v0.8.0
build_kwok() { GOFLAGS="$GOFLAGS -p=2" GOBIN=$1 nice -n 10 go install -ldflags "-s -w" "$KWOK"; }
client_kwok() {
  client_kubectl && KWOK_DIR=$CACHE/kwok-$(echo "$KWOK" | key -)
  cached "$KWOK_DIR" build_kwok
}
client_cluster() {
  client_kwok && COMPONENTS=$(CACHE=${CACHE%/interop} "$HERE/../peers/build.sh" kube-controller-manager kube-scheduler)
}
# What kubeadm sets too: without a front proxy's CA the components complain for ever.
flags_cluster() {
  local dir=$RUN/cluster
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$dir/front-proxy.key" -out "$dir/front-proxy.crt" -subj /CN=front-proxy-ca -days 2 2>/dev/null
  echo "--requestheader-client-ca-file=$dir/front-proxy.crt --requestheader-allowed-names=front-proxy-client --requestheader-username-headers=X-Remote-User" \
    "--requestheader-group-headers=X-Remote-Group --requestheader-extra-headers-prefix=X-Remote-Extra-"
}
# beside LOG COMMAND...: a component that runs until the suite (its `name`) ends.
beside() {
  local log=$RUN/$name/$1.log
  shift
  timeout -k 5 900 "$@" >"$log" 2>&1 </dev/null &
  BESIDE+=($!)
}
run_cluster() {
  local dir=$RUN/cluster common
  common="--kubeconfig=$KUBECONFIG --authentication-kubeconfig=$KUBECONFIG --authorization-kubeconfig=$KUBECONFIG --bind-address=127.0.0.1"
  PATH=$KUBECTL_DIR:$PATH
  beside controller-manager "$COMPONENTS/kube-controller-manager" $common --secure-port="$(free_port)" --cert-dir="$dir/kcm" --use-service-account-credentials \
    --service-account-private-key-file="$DATA/pki/sa.key" --root-ca-file="$DATA/pki/ca.crt" --cluster-signing-cert-file="$DATA/pki/ca.crt" \
    --cluster-signing-key-file="$DATA/pki/ca.key" --controllers="*,bootstrapsigner,tokencleaner" --horizontal-pod-autoscaler-sync-period=2s
  beside scheduler "$COMPONENTS/kube-scheduler" $common --secure-port="$(free_port)" --cert-dir="$dir/scheduler"
  beside kwok "$KWOK_DIR/kwok" --kubeconfig="$KUBECONFIG" --manage-all-nodes=true --server-address="127.0.0.1:$(free_port)" --node-lease-duration-seconds=40 --config="$HERE/cluster/stages.yaml"
  beside provisioner python3 "$HERE/cluster/provisioner.py" fake
  STEPS=$HERE/cluster timeout -k 5 800 python3 "$HERE/kubectl/run_steps.py" "$1" "$HERE/cluster/cluster.steps"
  kill "${BESIDE[@]}"
  wait "${BESIDE[@]}"
  BESIDE=()
  return 0
}

# Nodes whose kubelet is kwok's, on loopback, and what is asked of them.
client_nodes() { client_kwok; }
flags_nodes() {
  local dir=$RUN/nodes
  free_port >"$dir/port"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$dir/kubelet.key" -out "$dir/kubelet.crt" -subj /CN=kubelet -addext subjectAltName=IP:127.0.0.1 -days 2 2>/dev/null
  echo "--kubelet-certificate-authority=$dir/kubelet.crt --kubelet-preferred-address-types=InternalIP --kubelet-port=$(cat "$dir/port")"
}
run_nodes() {
  local dir=$RUN/nodes target
  export LOG=$dir/log WORK=$dir/work
  mkdir -p "$WORK"
  printf '2026-01-01T00:00:00.000000000Z stdout F %s\n' 'first line' 'second line' >"$LOG"
  target=$(free_port)
  sed -e "s|LOG|$LOG|" -e "s|WORK|$WORK|" -e "s|TARGET|$target|" "$HERE/nodes/streams.yaml" >"$dir/streams.yaml"
  beside web python3 -m http.server --bind 127.0.0.1 --directory "$WORK" "$target"
  beside kwok "$KWOK_DIR/kwok" --kubeconfig="$KUBECONFIG" --manage-all-nodes=true --server-address="127.0.0.1:$(cat "$dir/port")" --node-ip=127.0.0.1 \
    --tls-cert-file="$dir/kubelet.crt" --tls-private-key-file="$dir/kubelet.key" --config="$HERE/cluster/stages.yaml" --config="$dir/streams.yaml"
  PATH=$KUBECTL_DIR:$PATH timeout -k 5 500 python3 "$HERE/kubectl/run_steps.py" "$1" "$HERE/nodes/nodes.steps"
  kill "${BESIDE[@]}"
  wait "${BESIDE[@]}"
  BESIDE=()
  return 0
}

# An extension server built on k8s.io/apiserver, with the etcd of `make peers` for its data, and a small one of metrics.
SAMPLE=k8s.io/sample-apiserver@v0.37.0
build_sample() { GOFLAGS="$GOFLAGS -p=2" GOBIN=$1 nice -n 10 go install -trimpath -ldflags "-s -w" "$SAMPLE"; }
client_extension() {
  client_kubectl && SAMPLE_DIR=$CACHE/sample-$(echo "$SAMPLE" | key -)
  cached "$SAMPLE_DIR" build_sample && PEERS=$(CACHE=${CACHE%/interop} "$HERE/../peers/build.sh" etcd)
}
# serving NAME HOST: a pair for a service's name, which is its own CA.
serving() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$EXT/$1.key" -out "$EXT/$1.crt" -subj "/CN=$2" -addext "subjectAltName=DNS:$2" -days 2 2>/dev/null
}
run_extension() {
  local etcd sample_log=$RUN/extension/sample.log
  export EXT=$RUN/extension SAMPLE_PORT METRICS_PORT
  SAMPLE_PORT=$(free_port) METRICS_PORT=$(free_port) etcd=http://127.0.0.1:$(free_port)
  PATH=$KUBECTL_DIR:$PATH
  serving ca api.wardle.svc && serving metrics api.monitoring.svc
  kubectl apply -f "$HERE/extension/rights.yaml"
  # The server's rights are those of its service account, no more.
  kubectl config view --raw --minify >"$EXT/sample.kubeconfig"
  kubectl --kubeconfig="$EXT/sample.kubeconfig" config set-credentials apiserver --token="$(kubectl create token apiserver -n wardle)"
  kubectl --kubeconfig="$EXT/sample.kubeconfig" config set-context --current --user=apiserver
  timeout -k 5 600 "$PEERS/etcd" --data-dir="$EXT/etcd" --listen-client-urls="$etcd" --advertise-client-urls="$etcd" --listen-peer-urls="http://127.0.0.1:$(free_port)" \
    --unsafe-no-fsync --log-level=warn >"$EXT/etcd.log" 2>&1 </dev/null &
  BESIDE+=($!)
  timeout -k 5 600 "$SAMPLE_DIR/sample-apiserver" --etcd-servers="$etcd" --bind-address=127.0.0.1 --secure-port="$SAMPLE_PORT" --tls-cert-file="$EXT/ca.crt" --tls-private-key-file="$EXT/ca.key" \
    --kubeconfig="$EXT/sample.kubeconfig" --authentication-kubeconfig="$EXT/sample.kubeconfig" --authorization-kubeconfig="$EXT/sample.kubeconfig" >"$sample_log" 2>&1 </dev/null &
  BESIDE+=($!)
  timeout -k 5 600 python3 "$HERE/extension/metrics.py" "$METRICS_PORT" "$EXT/metrics.crt" "$EXT/metrics.key" "$DATA/pki/front-proxy-ca.crt" >"$EXT/metrics.log" 2>&1 </dev/null &
  BESIDE+=($!)
  echo $! >"$EXT/metrics.pid"
  STEPS=$HERE/extension STEP_SECONDS=120 timeout -k 5 500 python3 "$HERE/kubectl/run_steps.py" "$1" "$HERE/extension/extension.steps"
  tail -5 "$sample_log"
  kill "${BESIDE[@]}" 2>/dev/null
  wait "${BESIDE[@]}"
  BESIDE=()
  return 0
}

build_moto() {
  python3 -m pip install -q --disable-pip-version-check --target "$1" -r "$HERE/buckets/requirements.txt"
}
# A server that speaks S3, on loopback, with everything in memory.
client_s3() {
  client_kubectl || return 1
  MOTO_DIR=$CACHE/moto-$(key "$HERE/buckets/requirements.txt")
  cached "$MOTO_DIR" build_moto
}
run_s3() {
  local port
  port=$(free_port)
  PYTHONPATH=$MOTO_DIR PYTHONDONTWRITEBYTECODE=1 timeout -k 5 300 python3 -m moto.server -H 127.0.0.1 -p "$port" >"$RUN/moto.log" 2>&1 &
  BESIDE+=($!)
  export MOTO_DIR AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_ACCESS_KEY_ID=someone AWS_SECRET_ACCESS_KEY=something AWS_REGION=us-east-1
  for _ in $(seq 100); do
    curl -sf -X PUT "$AWS_ENDPOINT_URL/backups" >/dev/null && break
    sleep 0.1
  done
  BUCKET=s3://backups NOBODY=s3://nobody PATH=$KUBECTL_DIR:$PATH timeout -k 5 300 python3 "$HERE/kubectl/run_steps.py" "$1" "$HERE"/buckets/{buckets,s3}.steps
}

# The same over Azure's protocol. (No server to be had speaks all that Google's needs: fake-gcs-server takes no plain PUT.)
build_azurite() { (cd "$1" && cp "$HERE"/buckets/package*.json . && npm ci --silent --no-audit --no-fund); }
client_azure() {
  client_kubectl || return 1
  AZURITE_DIR=$CACHE/azurite-$(key "$HERE/buckets/package-lock.json")
  cached "$AZURITE_DIR" build_azurite
}
run_azure() {
  local port
  port=$(free_port)
  timeout -k 5 300 "$AZURITE_DIR/node_modules/.bin/azurite-blob" --silent --inMemoryPersistence --skipApiVersionCheck --disableTelemetry --blobPort "$port" >"$RUN/azurite.log" 2>&1 &
  BESIDE+=($!)
  export AZURE_STORAGE_USE_EMULATOR=true AZURITE_BLOB_STORAGE_URL=http://127.0.0.1:$port
  for _ in $(seq 100); do
    python3 "$HERE/buckets/make_container.py" "$AZURITE_BLOB_STORAGE_URL" backups 2>/dev/null && break
    sleep 0.1
  done
  BUCKET=az://backups NOBODY=az://nobody PATH=$KUBECTL_DIR:$PATH timeout -k 5 300 python3 "$HERE/kubectl/run_steps.py" "$1" "$HERE/buckets/buckets.steps"
}

# controller-runtime's own tests of what needs a server: each package's specs, run where its sources lie, with the versions that its module
# asks for. One after another: each starts servers by itself, and finds them by the names that envtest knows. RUNTIME_SKIP: what tests
# an older server than this one, which it downloads.
RUNTIME=sigs.k8s.io/controller-runtime
RUNTIME_PACKAGES="builder cache client client/apiutil envtest envtest/komega webhook webhook/admission webhook/authentication webhook/conversion"
RUNTIME_SKIP=aggregatedDiscovery=false
runtime_at() { (cd "$HERE" && go mod download "$RUNTIME" && go list -m -f '{{.Dir}}' "$RUNTIME"); }
build_runtime() {
  local package
  for package in $RUNTIME_PACKAGES; do
    (cd "$RUNTIME_AT" && nice -n 10 go test -c -mod=readonly -p=2 -ldflags "-s -w" -o "$1/${package//\//-}.test" "./pkg/$package") || return 1
  done
}
client_runtime() {
  client_kubectl && RUNTIME_AT=$(runtime_at) || return 1
  RUNTIME_DIR=$CACHE/runtime-$(echo "$RUNTIME_AT $RUNTIME_PACKAGES" | key -)
  cached "$RUNTIME_DIR" build_runtime
}
run_runtime() {
  local package name
  mkdir -p "$RUN/runtime/assets" "$RUN/runtime/tmp"
  ln -sf "$TRIAD" "$RUN/runtime/assets/kube-apiserver"
  ln -sf "$TRIAD" "$RUN/runtime/assets/etcd"
  ln -sf "$KUBECTL_DIR/kubectl" "$RUN/runtime/assets/kubectl"
  for package in ${ONLY:-$RUNTIME_PACKAGES}; do
    name=${package//\//-}
    (cd "$RUNTIME_AT/pkg/$package" && KUBEBUILDER_ASSETS=$RUN/runtime/assets TMPDIR=$RUN/runtime/tmp timeout -k 5 1200 "$RUNTIME_DIR/$name.test" -test.v \
      -test.skip "/$RUNTIME_SKIP" -test.timeout 1150s -ginkgo.no-color -ginkgo.flake-attempts=3 -ginkgo.json-report="$RUN/runtime/$name.json") >"$RUN/runtime/$name.log" 2>&1 </dev/null
    python3 "$HERE/runtime/specs.py" "$1" "$package" "$RUN/runtime/$name.json" "$RUN/runtime/$name.log"
    grep -a -A 40 '\[FAILED\]\|^ *--- FAIL' "$RUN/runtime/$name.log" | tail -n 200
  done
  return 0
}

# Definitions of known projects, out of their modules.
take_bundles() { python3 "$HERE/bundles/take.py" "$HERE/bundles/bundles.tbl" "$1"; }
client_bundles() {
  client_kubectl && client_python || return 1
  BUNDLES_DIR=$CACHE/bundles-$(key "$HERE/bundles/bundles.tbl")
  cached "$BUNDLES_DIR" take_bundles
}
run_bundles() {
  # shellcheck disable=SC2086
  HOME=$RUN/bundles PATH=$KUBECTL_DIR:$PATH PYTHONPATH=$PYTHON_DIR PYTHONDONTWRITEBYTECODE=1 timeout -k 5 3600 \
    python3 "$HERE/bundles/bundles.py" "$1" "$BUNDLES_DIR" ${ONLY:-} || echo "fail run	it did not come to an end" >>"$1"
}

# What docs/operations says, done. Its servers lie beside the suite's own, on addresses of their own.
client_operations() { client_kubectl && PEERS=$(CACHE=${CACHE%/interop} "$HERE/../peers/build.sh"); }
run_operations() {
  local files=("$HERE"/operations/*.steps)
  [ -z "${ONLY:-}" ] || files=("$HERE/operations/$ONLY.steps")
  PEERS=$PEERS STEPS=$HERE/operations STEP_SECONDS=120 PATH=$RUN:$HERE/operations:$KUBECTL_DIR:$PATH timeout -k 5 900 python3 "$HERE/kubectl/run_steps.py" "$1" "${files[@]}"
  # What a failed step left running.
  cat "$RUN"/steps-*/*.pid 2>/dev/null | while read -r pid; do pkill -KILL -P "$pid"; kill -9 "$pid"; done 2>/dev/null
  return 0
}
