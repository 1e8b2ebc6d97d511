package client

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/diff"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// raw sends one request and returns the status and the body.
func raw(t *testing.T, method, path string, body []byte, contentType, accept string) (int, []byte) {
	t.Helper()
	admin := config(t)
	client := must[*http.Client](t)(rest.HTTPClientFor(admin))
	request := must[*http.Request](t)(http.NewRequestWithContext(bounded(t), method, admin.Host+path, bytes.NewReader(body)))
	request.Header.Set("Accept", accept)
	if body != nil {
		request.Header.Set("Content-Type", contentType)
	}
	response := must[*http.Response](t)(client.Do(request))
	defer response.Body.Close()
	return response.StatusCode, must[[]byte](t)(io.ReadAll(response.Body))
}

// createKinds makes the twenty kinds of the manifest.
func createKinds(t *testing.T, ns string) {
	t.Helper()
	file := must[*os.File](t)(os.Open(os.Getenv("MANIFESTS") + "/kinds.yaml"))
	defer file.Close()
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discovery.NewDiscoveryClientForConfigOrDie(config(t))))
	client, decoder := dynamic.NewForConfigOrDie(config(t)), yaml.NewYAMLOrJSONDecoder(file, 4096)
	for {
		var object unstructured.Unstructured
		if err := decoder.Decode(&object); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		kind := object.GroupVersionKind()
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			t.Fatal(err)
		}
		must[*unstructured.Unstructured](t)(client.Resource(mapping.Resource).Namespace(ns).Create(bounded(t), &object, metav1.CreateOptions{}))
	}
}

const (
	asJSON     = "application/json"
	asProtobuf = runtime.ContentTypeProtobuf
)

// Whether an event's managed fields name its other group: a write through this one forgets them, as the reference's does.
func ownedUnderAnotherName(t *testing.T, item runtime.Object, groupVersion string) bool {
	object := must[metav1.Object](t)(meta.Accessor(item))
	for _, entry := range object.GetManagedFields() {
		if strings.Contains(entry.APIVersion, "/") != strings.Contains(groupVersion, "/") {
			return true
		}
	}
	return false
}

// Every list of every version says the same in protobuf as in JSON, in the reading of upstream's own types; and each of its
// objects, written back as it is in either form, is the same afterwards.
func TestProtobufSaysWhatJSONSays(t *testing.T) {
	ns := namespace(t, clientset(t))
	createKinds(t, ns)
	_, lists, err := discovery.NewDiscoveryClientForConfigOrDie(config(t)).ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	decode := clientscheme.Codecs.UniversalDeserializer().Decode
	encoder := protobuf.NewSerializer(clientscheme.Scheme, clientscheme.Scheme)
	compared := 0
	for _, list := range lists {
		base := "/apis/" + list.GroupVersion
		if !strings.Contains(list.GroupVersion, "/") {
			base = "/api/" + list.GroupVersion
		}
		for _, resource := range list.APIResources {
			verbs := strings.Join(resource.Verbs, " ")
			if strings.Contains(resource.Name, "/") || !strings.Contains(verbs, "list") || !strings.Contains(verbs, "update") {
				continue
			}
			_, inJSON := raw(t, "GET", base+"/"+resource.Name, nil, "", asJSON)
			one, _, err := decode(inJSON, nil, nil)
			if err != nil {
				if !runtime.IsNotRegisteredError(err) {
					t.Errorf("%s in JSON: %v", resource.Name, err)
				}
				continue
			}
			_, inProtobuf := raw(t, "GET", base+"/"+resource.Name, nil, "", asProtobuf)
			two, _, err := decode(inProtobuf, nil, nil)
			if err != nil {
				t.Errorf("%s in protobuf: %v", resource.Name, err)
				continue
			}
			forgetNestedKinds(one)
			if !apiequality.Semantic.DeepEqual(one, two) {
				t.Errorf("%s %s: %s", list.GroupVersion, resource.Name, diff.Diff(one, two))
			}
			compared++
			items := must[[]runtime.Object](t)(meta.ExtractList(two))
			for _, item := range items[:min(len(items), 30)] {
				if ownedUnderAnotherName(t, item, list.GroupVersion) {
					continue
				}
				putBack(t, base, resource, item, encoder)
			}
		}
	}
	if compared < 50 {
		t.Errorf("only %d lists", compared)
	}
}

// forgetNestedKinds takes away what protobuf has no field for: the kind of a claim within a StatefulSet.
func forgetNestedKinds(list runtime.Object) {
	if sets, ok := list.(*appsv1.StatefulSetList); ok {
		for _, set := range sets.Items {
			for n := range set.Spec.VolumeClaimTemplates {
				set.Spec.VolumeClaimTemplates[n].TypeMeta = metav1.TypeMeta{}
			}
		}
	}
}

// putBack writes an object as it was read, in protobuf; nothing may change by that.
func putBack(t *testing.T, base string, resource metav1.APIResource, object runtime.Object, encoder runtime.Encoder) {
	t.Helper()
	is := must[metav1.Object](t)(meta.Accessor(object))
	path := base + "/" + resource.Name + "/" + is.GetName()
	if resource.Namespaced {
		path = base + "/namespaces/" + is.GetNamespace() + "/" + resource.Name + "/" + is.GetName()
	}
	var body bytes.Buffer
	if err := encoder.Encode(object, &body); err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	code, answer := raw(t, "PUT", path, body.Bytes(), asProtobuf, asProtobuf)
	after, _, err := clientscheme.Codecs.UniversalDeserializer().Decode(answer, nil, nil)
	if err != nil || code != 200 {
		t.Errorf("PUT %s: %d %v %v", path, code, after, err)
		return
	}
	after.GetObjectKind().SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
	if !apiequality.Semantic.DeepEqual(object, after) {
		t.Errorf("PUT %s: %s", path, diff.Diff(object, after))
	}
}
