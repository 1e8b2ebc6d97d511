# clients.sh: how each real client is built (once, into CACHE) and how its suite is run. Sourced by run.sh.
# client_SUITE builds what is missing; run_SUITE RESULTS runs against KUBECONFIG and writes "pass NAME" / "fail NAME<tab>why".

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
  "$@" "$dir.part" && mv "$dir.part" "$dir"
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
