"""The `kubernetes` package against the server: what scripts and operators in Python do.

    test_python.py RESULTS      MODE=smoke runs the first test alone
"""

import os
import sys
import threading
import time
import traceback

import yaml
from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock
from kubernetes.stream import stream

HERE = os.path.dirname(os.path.abspath(__file__))
config.load_kube_config(os.environ["KUBECONFIG"])
core, apps = client.CoreV1Api(), client.AppsV1Api()
tests = []


def test(function):
    tests.append(function)
    return function


def equal(got, wanted, what=""):
    if got != wanted:
        raise AssertionError(f"{what or 'got'} {got!r}, wanted {wanted!r}")


def refused(status, call, *args, reason=None, **kwargs):
    try:
        call(*args, **kwargs)
    except ApiException as error:
        equal(error.status, status, "status")
        if reason:
            equal(yaml.safe_load(error.body)["reason"], reason, "reason")
        return error
    raise AssertionError(f"not refused with {status}")


def config_map(name, **data):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data or None)


def deployment(name):
    labels = {"app": name}
    template = client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels=labels), spec=client.V1PodSpec(containers=[client.V1Container(name="web", image="web:1")]))
    return client.V1Deployment(metadata=client.V1ObjectMeta(name=name), spec=client.V1DeploymentSpec(selector=client.V1LabelSelector(match_labels=labels), template=template))


@test
def smoke(ns):
    made = core.create_namespaced_config_map(ns, config_map("a", k="v"))
    equal((made.data, bool(made.metadata.uid), made.metadata.creation_timestamp.tzinfo is not None), ({"k": "v"}, True, True))
    made.data["k"] = "w"
    equal(core.replace_namespaced_config_map("a", ns, made).data, {"k": "w"})
    equal([m.metadata.name for m in core.list_namespaced_config_map(ns, field_selector="metadata.name=a").items], ["a"])
    equal(core.delete_namespaced_config_map("a", ns)["status"], "Success")
    error = refused(404, core.read_namespaced_config_map, "a", ns, reason="NotFound")
    equal(yaml.safe_load(error.body)["message"], 'configmaps "a" not found')


@test
def versions(ns):
    equal(client.VersionApi().get_code().major, "1")
    assert "v1" in client.CoreApi().get_api_versions().versions
    assert "apps" in [group.name for group in client.ApisApi().get_api_versions().groups]
    assert "pods" in [resource.name for resource in core.get_api_resources().resources]


@test
def conflict(ns):
    core.create_namespaced_config_map(ns, config_map("shared"))
    one, two = core.read_namespaced_config_map("shared", ns), core.read_namespaced_config_map("shared", ns)
    one.data, two.data = {"by": "one"}, {"by": "two"}
    core.replace_namespaced_config_map("shared", ns, one)
    refused(409, core.replace_namespaced_config_map, "shared", ns, two, reason="Conflict")
    refused(409, core.create_namespaced_config_map, ns, config_map("shared"), reason="AlreadyExists")
    equal(core.read_namespaced_config_map("shared", ns).data, {"by": "one"})


@test
def patches(ns):
    apps.create_namespaced_deployment(ns, deployment("d"))
    # A dictionary goes as a strategic merge patch, a list as a JSON patch.
    patched = apps.patch_namespaced_deployment("d", ns, {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "side:1"}]}}}})
    equal(sorted(c.name for c in patched.spec.template.spec.containers), ["side", "web"])
    patched = apps.patch_namespaced_deployment("d", ns, [{"op": "replace", "path": "/spec/replicas", "value": 4}])
    equal((patched.spec.replicas, patched.metadata.generation), (4, 3))
    patched = apps.patch_namespaced_deployment("d", ns, {"spec": {"template": {"spec": {"containers": [{"name": "only", "image": "x"}]}}}}, _content_type="application/merge-patch+json")
    equal([c.name for c in patched.spec.template.spec.containers], ["only"])
    applied = core.patch_namespaced_config_map("applied", ns, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"a": "b"}}, field_manager="python", force=True, _content_type="application/apply-patch+yaml")
    equal(([m.operation for m in applied.metadata.managed_fields], applied.data), (["Apply"], {"a": "b"}))
    refused(415, core.patch_namespaced_config_map, "applied", ns, {"data": {}}, _content_type="application/json")
    scaled = apps.patch_namespaced_deployment_scale("d", ns, {"spec": {"replicas": 2}})
    equal((scaled.kind, scaled.spec.replicas, scaled.status.selector), ("Scale", 2, "app=d"))
    status = apps.patch_namespaced_deployment_status("d", ns, {"status": {"replicas": 2}})
    equal(status.status.replicas, 2)


@test
def dry_run(ns):
    equal(bool(core.create_namespaced_config_map(ns, config_map("dry"), dry_run="All").metadata.uid), True)
    refused(404, core.read_namespaced_config_map, "dry", ns)
    real = core.create_namespaced_config_map(ns, config_map("real"))
    equal(core.patch_namespaced_config_map("real", ns, {"data": {"a": "b"}}, dry_run="All").data, {"a": "b"})
    core.delete_namespaced_config_map("real", ns, dry_run="All")
    equal(core.read_namespaced_config_map("real", ns).metadata.resource_version, real.metadata.resource_version)


@test
def pages(ns):
    for n in range(12):
        core.create_namespaced_config_map(ns, client.V1ConfigMap(metadata=client.V1ObjectMeta(name=f"m-{n:02d}", labels={"paged": "y"})))
    names, token, versions, remaining = [], None, set(), []
    while True:
        page = core.list_namespaced_config_map(ns, label_selector="paged=y", limit=5, _continue=token)
        names += [m.metadata.name for m in page.items]
        versions.add(page.metadata.resource_version)
        token = page.metadata._continue
        if not token:
            break
    equal(names, [f"m-{n:02d}" for n in range(12)])
    equal(len(versions), 1, "versions")
    page = core.list_config_map_for_all_namespaces(limit=1)
    assert page.metadata.remaining_item_count >= 11, page.metadata
    refused(400, core.list_namespaced_config_map, ns, limit=5, _continue="nonsense", reason="BadRequest")


@test
def watches(ns):
    version = core.list_namespaced_config_map(ns).metadata.resource_version

    def write():
        core.create_namespaced_config_map(ns, config_map("w"))
        core.patch_namespaced_config_map("w", ns, {"data": {"a": "b"}})
        core.delete_namespaced_config_map("w", ns)

    writer = threading.Timer(0.3, write)
    writer.start()
    seen, watcher = [], watch.Watch()
    for event in watcher.stream(core.list_namespaced_config_map, ns, resource_version=version, timeout_seconds=15):
        if event["object"].metadata.name == "w":
            seen.append((event["type"], event["object"].data))
        if event["type"] == "DELETED":
            watcher.stop()
    writer.join()
    equal(seen, [("ADDED", None), ("MODIFIED", {"a": "b"}), ("DELETED", {"a": "b"})])


@test
def watch_ends_in_time(ns):
    started = time.monotonic()
    events = list(watch.Watch().stream(core.list_namespaced_secret, ns, timeout_seconds=1))
    took = time.monotonic() - started
    assert 0.5 < took < 5, took
    equal(events, [])


@test
def watch_of_an_old_version(ns):
    try:
        for event in watch.Watch().stream(core.list_namespaced_config_map, ns, resource_version="1", timeout_seconds=2):
            assert event["type"] in ("ADDED", "MODIFIED", "DELETED"), event
    except ApiException as error:
        equal(error.status, 410)


@test
def documents(ns):
    """utils.create_from_yaml, over twenty kinds; again, it tells what is there already."""
    path = os.path.join(HERE, "..", "manifests", "kinds.yaml")
    equal(len(utils.create_from_yaml(client.ApiClient(), path, namespace=ns)), 20)
    try:
        utils.create_from_yaml(client.ApiClient(), path, namespace=ns)
    except utils.FailToCreateError as error:
        equal({e.status for e in error.api_exceptions}, {409})
    else:
        raise AssertionError("created twice")
    secret = core.read_namespaced_secret("shop-database", ns)
    equal((secret.data["password"], secret.string_data), ("czNjcjN0IQ==", None))


@test
def dynamic_client(ns):
    dynamic_core = dynamic.DynamicClient(client.ApiClient())
    deployments = dynamic_core.resources.get(api_version="apps/v1", kind="Deployment")
    body = client.ApiClient().sanitize_for_serialization(deployment("dyn")) | {"apiVersion": "apps/v1", "kind": "Deployment"}
    made = deployments.create(body=body, namespace=ns)
    equal(made.spec.replicas, 1)
    applied = deployments.server_side_apply(body={"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "dyn"}, "spec": {"replicas": 3}}, name="dyn", namespace=ns, field_manager="dyn", force_conflicts=True)
    equal(applied.spec.replicas, 3)
    equal([d.metadata.name for d in deployments.get(namespace=ns).items], ["dyn"])
    equal(deployments.status.get(name="dyn", namespace=ns).kind, "Deployment")
    deployments.delete(name="dyn", namespace=ns)


@test
def errors(ns):
    refused(422, core.create_namespaced_config_map, ns, config_map("Not A Name"), reason="Invalid")
    refused(404, core.create_namespaced_config_map, "no-such-namespace", config_map("a"), reason="NotFound")
    # The typed client keeps wrong types to itself, the dynamic one does not.
    maps = dynamic.DynamicClient(client.ApiClient()).resources.get(api_version="v1", kind="ConfigMap")
    refused(400, maps.create, body={"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}}, namespace=ns)
    refused(400, maps.create, body={"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"n": 1}}, namespace=ns)
    refused(400, maps.create, body={"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "datum": {}}, namespace=ns, query_params=[("fieldValidation", "Strict")])
    refused(404, client.CustomObjectsApi().list_cluster_custom_object, "nothing.example", "v1", "unicorns")
    anonymous = client.Configuration.get_default_copy()
    anonymous.cert_file = anonymous.key_file = None
    refused(403, client.CoreV1Api(client.ApiClient(anonymous)).list_node, reason="Forbidden")


@test
def invalid_fields(ns):
    error = refused(422, core.create_namespaced_service, ns, client.V1Service(metadata=client.V1ObjectMeta(name="s"), spec=client.V1ServiceSpec(ports=[client.V1ServicePort(port=70000)])), reason="Invalid")
    equal([cause["field"] for cause in yaml.safe_load(error.body)["details"]["causes"]], ["spec.ports[0].port", "spec.ports[0].targetPort"])


@test
def exec_without_a_node(ns):
    """The error of an exec reaches the caller through the handshake of a web socket."""
    try:
        core.create_namespaced_service_account(ns, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="default")))
    except ApiException as error:
        equal(error.status, 409)
    pod = client.V1Pod(metadata=client.V1ObjectMeta(name="p"), spec=client.V1PodSpec(containers=[client.V1Container(name="c", image="c")]))
    equal(core.create_namespaced_pod(ns, pod).status.phase, "Pending")
    error = refused(0, stream, core.connect_get_namespaced_pod_exec, "p", ns, command=["true"], stdout=True)
    assert "400 Bad Request" in str(error) and "does not have a host assigned" in str(error), error
    error = refused(0, stream, core.connect_get_namespaced_pod_exec, "nothing", ns, command=["true"], stdout=True)
    assert "404 Not Found" in str(error), error
    core.create_namespaced_pod_eviction("p", ns, client.V1Eviction(metadata=client.V1ObjectMeta(name="p")))
    refused(404, core.read_namespaced_pod, "p", ns)


@test
def log_without_a_node(ns):
    pod = client.V1Pod(metadata=client.V1ObjectMeta(name="p"), spec=client.V1PodSpec(containers=[client.V1Container(name="c", image="c")]))
    # The server makes it too, a moment after the namespace.
    try:
        core.create_namespaced_service_account(ns, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="default")))
    except ApiException as error:
        equal(error.status, 409)
    core.create_namespaced_pod(ns, pod)
    # Nowhere nothing is said: 204, of which the client makes nothing.
    said, status, _ = core.read_namespaced_pod_log_with_http_info("p", ns)
    equal((said, status), (None, 204))


@test
def reviews(ns):
    review = client.AuthorizationV1Api().create_subject_access_review({"spec": {"user": "jane", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": ns}}})
    equal(review.status.allowed, False)
    review = client.AuthenticationV1Api().create_token_review({"spec": {"token": "wrong"}})
    equal(bool(review.status.authenticated), False)


@test
def tokens(ns):
    core.create_namespaced_service_account(ns, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="robot")))
    token = core.create_namespaced_service_account_token("robot", ns, client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))).status.token
    review = client.AuthenticationV1Api().create_token_review({"spec": {"token": token}})
    equal((review.status.authenticated, review.status.user.username), (True, f"system:serviceaccount:{ns}:robot"))


@test
def collections(ns):
    for n in range(3):
        core.create_namespaced_config_map(ns, client.V1ConfigMap(metadata=client.V1ObjectMeta(name=f"c-{n}", labels={"group": "odd" if n % 2 else "even"})))
    core.delete_collection_namespaced_config_map(ns, label_selector="group=even")
    equal([m.metadata.name for m in core.list_namespaced_config_map(ns, label_selector="group").items], ["c-1"])


@test
def leader_election(ns):
    led = threading.Event()
    lock = LeaseLock("leader", ns, "python-0")
    choice = electionconfig.Config(lock, lease_duration=5, renew_deadline=3, retry_period=1, onstarted_leading=led.set, onstopped_leading=None)
    threading.Thread(target=leaderelection.LeaderElection(choice).run, daemon=True).start()
    assert led.wait(15), "never led"
    equal(client.CoordinationV1Api().read_namespaced_lease("leader", ns).spec.holder_identity, "python-0")


def main():
    chosen = [smoke] if os.environ.get("MODE") == "smoke" else tests
    with open(sys.argv[1], "a", encoding="utf-8") as results:
        for function in chosen:
            name = function.__name__
            try:
                ns = core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(generate_name=name.replace("_", "-") + "-"))).metadata.name
                function(ns)
                print(f"pass {name}", file=results, flush=True)
            except Exception as error:  # every failure is a result
                print(f"--- {name}")
                traceback.print_exc(file=sys.stdout)
                why = " ".join(str(error).split())[:200]
                print(f"fail {name}\t{type(error).__name__}: {why}", file=results, flush=True)
    sys.stdout.flush()
    # A leader's thread never ends by itself.
    os._exit(0)


main()
