package client

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

func next(t *testing.T, w watch.Interface) watch.Event {
	t.Helper()
	select {
	case event, open := <-w.ResultChan():
		if !open {
			t.Fatal("the watch ended")
		}
		return event
	case <-time.After(20 * time.Second):
		t.Fatal("no event in 20 s")
	}
	return watch.Event{}
}

func describe(event watch.Event) string {
	if object, ok := event.Object.(*corev1.ConfigMap); ok {
		return fmt.Sprintf("%s %s %s", event.Type, object.Name, object.Data["n"])
	}
	return fmt.Sprintf("%s %T", event.Type, event.Object)
}

func TestWatchTransitions(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	maps := client.CoreV1().ConfigMaps(ns)
	w := must[watch.Interface](t)(maps.Watch(ctx, metav1.ListOptions{LabelSelector: "seen=y"}))
	defer w.Stop()
	at := must[*corev1.ConfigMap](t)(maps.Create(ctx, configMap("a", map[string]string{"n": "0"}), metav1.CreateOptions{}))
	for n, label := range []string{"y", "y", "n", "y"} {
		at.Labels, at.Data = map[string]string{"seen": label}, map[string]string{"n": fmt.Sprint(n + 1)}
		at = must[*corev1.ConfigMap](t)(maps.Update(ctx, at, metav1.UpdateOptions{}))
	}
	if err := maps.Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []string{"ADDED a 1", "MODIFIED a 2", "DELETED a 2", "ADDED a 4", "DELETED a 4"} {
		if got := describe(next(t, w)); got != wanted {
			t.Errorf("got %q, wanted %q", got, wanted)
		}
	}
}

// A watch that was cut off continues where it ended, and misses nothing.
func TestWatchResume(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	maps := client.CoreV1().ConfigMaps(ns)
	list := must[*corev1.ConfigMapList](t)(maps.List(ctx, metav1.ListOptions{}))
	for n := range 30 {
		must[*corev1.ConfigMap](t)(maps.Create(ctx, configMap(fmt.Sprintf("m-%02d", n), map[string]string{"n": fmt.Sprint(n)}), metav1.CreateOptions{}))
	}
	version, seen := list.ResourceVersion, []string{}
	for len(seen) < 30 {
		w := must[watch.Interface](t)(maps.Watch(ctx, metav1.ListOptions{ResourceVersion: version}))
		for range 7 {
			if len(seen) == 30 {
				break
			}
			event := next(t, w)
			object, ok := event.Object.(*corev1.ConfigMap)
			if !ok || event.Type != watch.Added {
				t.Fatalf("event %s", describe(event))
			}
			if object.Name == "kube-root-ca.crt" {
				version = object.ResourceVersion
				continue
			}
			seen, version = append(seen, object.Data["n"]), object.ResourceVersion
		}
		w.Stop()
	}
	for n, got := range seen {
		if got != fmt.Sprint(n) {
			t.Fatalf("out of order: %v", seen)
		}
	}
}

// client-go's own resuming watcher over watches that the server ends after a second.
func TestRetryWatcher(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	maps := client.CoreV1().ConfigMaps(ns)
	list := must[*corev1.ConfigMapList](t)(maps.List(ctx, metav1.ListOptions{}))
	second := int64(1)
	source := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
		options.TimeoutSeconds = &second
		return maps.Watch(ctx, options)
	}}
	w := must[*watchtools.RetryWatcher](t)(watchtools.NewRetryWatcherWithContext(ctx, list.ResourceVersion, source))
	defer w.Stop()
	go func() {
		for n := range 8 {
			maps.Create(ctx, configMap(fmt.Sprintf("m-%d", n), map[string]string{"n": fmt.Sprint(n)}), metav1.CreateOptions{})
			time.Sleep(400 * time.Millisecond)
		}
	}()
	for n := 0; n < 8; {
		event := next(t, w)
		if object, ok := event.Object.(*corev1.ConfigMap); ok && object.Name == "kube-root-ca.crt" {
			continue
		}
		if got, wanted := describe(event), fmt.Sprintf("ADDED m-%d %d", n, n); got != wanted {
			t.Fatalf("got %q, wanted %q", got, wanted)
		}
		n++
	}
}

func TestWatchFromTheFuture(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	w, err := client.CoreV1().ConfigMaps("default").Watch(ctx, metav1.ListOptions{ResourceVersion: "not-a-number"})
	if err == nil {
		w.Stop()
		t.Error("a version that is not a number was taken")
	} else if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
		t.Errorf("a version that is not a number: %v", err)
	}
	// The typed client would try again ten times.
	err = client.CoreV1().RESTClient().Get().Namespace("default").Resource("configmaps").Param("resourceVersion", "99999999999").MaxRetries(0).Do(ctx).Error()
	if !apierrors.IsTimeout(err) || !apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge) {
		t.Errorf("a version of the future: %v", err)
	}
}

// The initial state as a stream, then its end.
func TestWatchList(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	maps := client.CoreV1().ConfigMaps(ns)
	for n := range 3 {
		must[*corev1.ConfigMap](t)(maps.Create(ctx, configMap(fmt.Sprintf("m-%d", n), nil), metav1.CreateOptions{}))
	}
	yes := true
	w := must[watch.Interface](t)(maps.Watch(ctx, metav1.ListOptions{SendInitialEvents: &yes, AllowWatchBookmarks: true, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan}))
	defer w.Stop()
	added := 0
	for {
		event := next(t, w)
		if event.Type == watch.Bookmark {
			object := event.Object.(*corev1.ConfigMap)
			if object.Annotations[metav1.InitialEventsAnnotationKey] != "true" || object.ResourceVersion == "" {
				t.Errorf("bookmark %+v", object.ObjectMeta)
			}
			break
		}
		added++
	}
	if added < 3 {
		t.Errorf("%d initial events", added)
	}
}

// follow starts an informer over every ConfigMap and returns its indexer.
func follow(t *testing.T, client kubernetes.Interface, ns string) (informers.SharedInformerFactory, cache.SharedIndexInformer) {
	t.Helper()
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(ns))
	informer := factory.Core().V1().ConfigMaps().Informer()
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop); factory.Shutdown() })
	factory.Start(stop)
	if !cache.WaitForCacheSync(bounded(t).Done(), informer.HasSynced) {
		t.Fatal("the informer does not sync")
	}
	return factory, informer
}

func TestInformer(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	maps := client.CoreV1().ConfigMaps(ns)
	for n := range 20 {
		must[*corev1.ConfigMap](t)(maps.Create(ctx, configMap(fmt.Sprintf("before-%02d", n), nil), metav1.CreateOptions{}))
	}
	factory, informer := follow(t, client, ns)
	var added, updated, deleted atomic.Int32
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { added.Add(1) },
		UpdateFunc: func(any, any) { updated.Add(1) },
		DeleteFunc: func(any) { deleted.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	cache.WaitForCacheSync(ctx.Done(), registration.HasSynced)
	before := added.Load()
	if before < 20 {
		t.Errorf("%d initial objects", before)
	}
	at := must[*corev1.ConfigMap](t)(maps.Create(ctx, configMap("later", nil), metav1.CreateOptions{}))
	at.Data = map[string]string{"a": "b"}
	must[*corev1.ConfigMap](t)(maps.Update(ctx, at, metav1.UpdateOptions{}))
	lister := factory.Core().V1().ConfigMaps().Lister().ConfigMaps(ns)
	eventually(t, "the lister has the update", func() bool {
		found, err := lister.Get("later")
		return err == nil && found.Data["a"] == "b"
	})
	if err := maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are deleted", func() bool {
		left, _ := lister.List(labels.Everything())
		for _, object := range left {
			if object.Name != "kube-root-ca.crt" {
				return false
			}
		}
		return deleted.Load() >= 21
	})
	if updated.Load() < 1 {
		t.Error("no update was seen")
	}
}

// Many informers and many writers: each ends with exactly what the server has.
func TestInformersConverge(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	maps := client.CoreV1().ConfigMaps(ns)
	var all []cache.SharedIndexInformer
	for range 8 {
		_, informer := follow(t, clientset(t), ns)
		all = append(all, informer)
	}
	var group sync.WaitGroup
	for writer := range 4 {
		group.Go(func() {
			for n := range 40 {
				name := fmt.Sprintf("w%d-%d", writer, n%9)
				if _, err := maps.Create(ctx, configMap(name, map[string]string{"n": fmt.Sprint(n)}), metav1.CreateOptions{}); apierrors.IsAlreadyExists(err) {
					maps.Delete(ctx, name, metav1.DeleteOptions{})
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	list := must[*corev1.ConfigMapList](t)(maps.List(ctx, metav1.ListOptions{}))
	wanted := map[string]string{}
	for _, object := range list.Items {
		wanted[object.Name] = object.ResourceVersion
	}
	for n, informer := range all {
		eventually(t, fmt.Sprintf("informer %d has what the server has", n), func() bool {
			objects := informer.GetStore().List()
			for _, object := range objects {
				if object := object.(*corev1.ConfigMap); wanted[object.Name] != object.ResourceVersion {
					return false
				}
			}
			return len(objects) == len(wanted)
		})
	}
}

// Pages hold together over writes in between, and an expired token is told apart.
func TestPages(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	maps := client.CoreV1().ConfigMaps(ns)
	for n := range 23 {
		object := configMap(fmt.Sprintf("m-%02d", n), nil)
		object.Labels = map[string]string{"paged": "y"}
		must[*corev1.ConfigMap](t)(maps.Create(ctx, object, metav1.CreateOptions{}))
	}
	options := metav1.ListOptions{Limit: 5, LabelSelector: "paged=y"}
	var names []string
	version := ""
	for page := 0; ; page++ {
		list := must[*corev1.ConfigMapList](t)(maps.List(ctx, options))
		for _, object := range list.Items {
			names = append(names, object.Name)
		}
		if version != "" && list.ResourceVersion != version {
			t.Errorf("page %d is of version %s, the first of %s", page, list.ResourceVersion, version)
		}
		version = list.ResourceVersion
		if page == 1 {
			maps.Delete(ctx, "m-22", metav1.DeleteOptions{})
			maps.Create(ctx, configMap("m-00a", nil), metav1.CreateOptions{})
		}
		if options.Continue = list.Continue; options.Continue == "" {
			break
		}
	}
	if len(names) != 23 || names[22] != "m-22" {
		t.Errorf("%d names, the last %s", len(names), names[len(names)-1])
	}
	_, err := maps.List(ctx, metav1.ListOptions{Limit: 5, Continue: "nonsense"})
	if !apierrors.IsBadRequest(err) {
		t.Errorf("a broken token: %v", err)
	}
}

// The typed client asks for protobuf; what was sent and what came back is protobuf.
func TestProtobuf(t *testing.T) {
	plain := config(t)
	plain.ContentType = runtime.ContentTypeProtobuf
	plain.AcceptContentTypes = runtime.ContentTypeProtobuf
	var types sync.Map
	plain.Wrap(func(inner http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			response, err := inner.RoundTrip(request)
			if err == nil {
				types.Store(request.Method+" "+request.URL.Query().Get("watch"), response.Header.Get("Content-Type"))
			}
			return response, err
		})
	})
	client, ctx := kubernetes.NewForConfigOrDie(plain), bounded(t)
	ns := namespace(t, client)
	maps := client.CoreV1().ConfigMaps(ns)
	// The namespace is given a ConfigMap of its own.
	w := must[watch.Interface](t)(maps.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=binary"}))
	defer w.Stop()
	binary := configMap("binary", map[string]string{"n": "ü€😀"})
	binary.BinaryData = map[string][]byte{"all": {0, 1, 254, 255}}
	must[*corev1.ConfigMap](t)(maps.Create(ctx, binary, metav1.CreateOptions{}))
	if event := next(t, w); describe(event) != "ADDED binary ü€😀" || event.Object.(*corev1.ConfigMap).BinaryData["all"][3] != 255 {
		t.Errorf("watched %s", describe(event))
	}
	must[*corev1.ConfigMapList](t)(maps.List(ctx, metav1.ListOptions{}))
	_, err := maps.Create(ctx, binary, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		t.Errorf("a status in protobuf: %v", err)
	}
	for key, wanted := range map[string]string{"GET ": "application/vnd.kubernetes.protobuf", "POST ": "application/vnd.kubernetes.protobuf", "GET true": "application/vnd.kubernetes.protobuf;stream=watch"} {
		if got, _ := types.Load(key); got != wanted {
			t.Errorf("%q answered %v, wanted %s", key, got, wanted)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }
