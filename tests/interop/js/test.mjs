// The JavaScript client against the server: list, create, conflict, watch, informer.
//
//   node test.mjs RESULTS      MODE=smoke runs the first test alone; NODE_MODULES: where the client is
import { appendFileSync } from 'node:fs';
import { strict as assert } from 'node:assert';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.env.NODE_MODULES}/`);
const k8s = await import(pathToFileURL(require.resolve('@kubernetes/client-node')));

const config = new k8s.KubeConfig();
config.loadFromFile(process.env.KUBECONFIG);
const core = config.makeApiClient(k8s.CoreV1Api);

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function eventually(what, holds) {
  for (const until = Date.now() + 15_000; Date.now() < until; await sleep(20)) if (holds()) return;
  throw new Error(`in 15 s it did not come true that ${what}`);
}
async function refused(code, call) {
  try {
    await call();
  } catch (error) {
    assert.equal(error.code, code, String(error));
    return error;
  }
  throw new Error(`not refused with ${code}`);
}

const tests = {
  async smoke(namespace) {
    const made = await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'a' }, data: { k: 'v' } } });
    assert.ok(made.metadata.uid && made.metadata.creationTimestamp instanceof Date);
    const list = await core.listNamespacedConfigMap({ namespace, fieldSelector: 'metadata.name=a' });
    assert.deepEqual(list.items.map((item) => item.data), [{ k: 'v' }]);
    await core.deleteNamespacedConfigMap({ name: 'a', namespace });
    const error = await refused(404, () => core.readNamespacedConfigMap({ name: 'a', namespace }));
    assert.match(error.body, /configmaps \\"a\\" not found/);
  },

  async conflict(namespace) {
    const at = await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'shared' } } });
    await core.replaceNamespacedConfigMap({ name: 'shared', namespace, body: { ...at, data: { by: 'one' } } });
    await refused(409, () => core.replaceNamespacedConfigMap({ name: 'shared', namespace, body: { ...at, data: { by: 'two' } } }));
  },

  async patch(namespace) {
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'p' }, data: { a: '1' } } });
    const body = [{ op: 'add', path: '/data/b', value: '2' }];
    const patched = await core.patchNamespacedConfigMap({ name: 'p', namespace, body });
    assert.deepEqual(patched.data, { a: '1', b: '2' });
    const merged = await core.patchNamespacedConfigMap({ name: 'p', namespace, body: { data: { a: null } } }, k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch));
    assert.deepEqual(merged.data, { b: '2' });
  },

  async objects(namespace) {
    const objects = k8s.KubernetesObjectApi.makeApiClient(config);
    const spec = k8s.loadYaml(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: ${namespace}}, spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: c}]}}}}`);
    assert.equal((await objects.create(spec)).spec.replicas, 1);
    assert.equal((await objects.read(spec)).metadata.name, 'web');
    const patched = await objects.patch({ ...spec, spec: { replicas: 3 } }, undefined, undefined, 'js', undefined, k8s.PatchStrategy.StrategicMergePatch);
    assert.equal(patched.spec.replicas, 3);
    assert.equal((await objects.delete(spec)).status, 'Success');
  },

  async watch(namespace) {
    const seen = [];
    const watch = new k8s.Watch(config);
    const { metadata } = await core.listNamespacedConfigMap({ namespace });
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const ended = new Promise((resolve) => {
      watch.watch(path, { resourceVersion: metadata.resourceVersion, timeoutSeconds: 3 }, (type, object) => seen.push(`${type} ${object.metadata.name}`), resolve);
    });
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'w' } } });
    await core.deleteNamespacedConfigMap({ name: 'w', namespace });
    await ended;
    assert.deepEqual(seen.filter((line) => line.endsWith(' w')), ['ADDED w', 'DELETED w']);
  },

  async informer(namespace) {
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'before' } } });
    const seen = [];
    const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`, () => core.listNamespacedConfigMap({ namespace }));
    for (const verb of ['add', 'update', 'delete']) informer.on(verb, (object) => seen.push(`${verb} ${object.metadata.name}`));
    const errors = [];
    informer.on('error', (error) => errors.push(error));
    await informer.start();
    await eventually('the object of before is there', () => informer.get('before', namespace));
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'later' } } });
    await eventually('the later one is there', () => informer.get('later', namespace));
    await core.patchNamespacedConfigMap({ name: 'later', namespace, body: [{ op: 'add', path: '/data', value: { a: 'b' } }] });
    await eventually('it is updated', () => informer.get('later', namespace)?.data?.a === 'b');
    await core.deleteNamespacedConfigMap({ name: 'later', namespace });
    await eventually('it is gone', () => !informer.get('later', namespace));
    assert.deepEqual(errors, []);
    await informer.stop();
    assert.deepEqual(seen.filter((line) => !line.includes('kube-root-ca')), ['add before', 'add later', 'update later', 'delete later']);
  },
};

let status = 0;
for (const [name, test] of Object.entries(tests)) {
  if (process.env.MODE === 'smoke' && name !== 'smoke') continue;
  let line = `pass ${name}`;
  try {
    const made = await core.createNamespace({ body: { metadata: { generateName: `js-${name}-` } } });
    await test(made.metadata.name);
  } catch (error) {
    console.log(`--- ${name}\n`, error);
    line = `fail ${name}\t${String(error).replace(/\s+/g, ' ').slice(0, 200)}`;
    status = 1;
  }
  appendFileSync(process.argv[2], `${line}\n`);
}
process.exit(status);
