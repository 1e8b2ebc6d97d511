package client

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/cache"
)

var crds = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

func TestDiscovery(t *testing.T) {
	client := discovery.NewDiscoveryClientForConfigOrDie(config(t))
	if info := must[*version.Info](t)(client.ServerVersion()); info.Major != "1" || info.Minor != "37" {
		t.Errorf("version %+v", info)
	}
	groups, lists, err := client.ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	if len(groups) < 15 || len(lists) < 20 {
		t.Errorf("%d groups, %d lists", len(groups), len(lists))
	}
	// The aggregated form says what the plain one says.
	legacy := discovery.NewDiscoveryClientForConfigOrDie(config(t))
	legacy.UseLegacyDiscovery = true
	_, plain, err := legacy.ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	count := func(lists []*metav1.APIResourceList) map[string]string {
		found := map[string]string{}
		for _, list := range lists {
			for _, resource := range list.APIResources {
				found[list.GroupVersion+"/"+resource.Name] = resource.Kind
			}
		}
		return found
	}
	one, two := count(lists), count(plain)
	if len(one) != len(two) {
		t.Errorf("%d resources aggregated, %d plain", len(one), len(two))
	}
	for name, kind := range one {
		if two[name] != kind {
			t.Errorf("%s is %q aggregated, %q plain", name, kind, two[name])
		}
	}
}

// The document of all kinds reads back as protobuf, and what a definition adds is whole in it.
func TestOpenAPIv2(t *testing.T) {
	client, ctx := discovery.NewDiscoveryClientForConfigOrDie(config(t)), bounded(t)
	const name = "com.example.interop.v1.Dial"
	// How many definitions there are, and how far a dial goes.
	read := func() (int, float64) {
		document, err := client.OpenAPISchema()
		if err != nil {
			t.Fatal(err)
		}
		definitions, most := document.GetDefinitions().GetAdditionalProperties(), -1.0
		for _, definition := range definitions {
			if definition.GetName() != name {
				continue
			}
			for _, field := range definition.GetValue().GetProperties().GetAdditionalProperties() {
				if field.GetName() == "value" {
					most = field.GetValue().GetMaximum()
				}
			}
		}
		return len(definitions), most
	}
	before, _ := read()
	if before < 500 {
		t.Errorf("%d definitions", before)
	}
	text := func(text string) map[string]any { return map[string]any{"type": text} }
	value := map[string]any{"type": "integer", "maximum": int64(11)}
	written := map[string]any{"type": "object", "properties": map[string]any{"value": value, "unit": text("string")}}
	version := map[string]any{"name": "v1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": written}}
	definition := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "dials.interop.example.com"},
		"spec": map[string]any{"group": "interop.example.com", "scope": "Cluster", "names": map[string]any{"plural": "dials", "kind": "Dial"}, "versions": []any{version}},
	}}
	definitions := dynamic.NewForConfigOrDie(config(t)).Resource(crds)
	if _, err := definitions.Create(ctx, definition, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := definitions.Delete(ctx, definition.GetName(), metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
		eventually(t, "it goes with its definition", func() bool { after, _ := read(); return after == before })
	}()
	eventually(t, "a dial is described", func() bool { after, most := read(); return after == before+2 && most == 11 })
}

func TestRESTMapperAndDynamicClient(t *testing.T) {
	ctx := bounded(t)
	ns := namespace(t, clientset(t))
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discovery.NewDiscoveryClientForConfigOrDie(config(t))))
	mapper.Reset()
	mapping, err := mapper.RESTMapping(schema.GroupKind{Group: "apps", Kind: "Deployment"})
	if err != nil || mapping.Resource.Resource != "deployments" || mapping.Resource.Version != "v1" || mapping.Scope.Name() != "namespace" {
		t.Fatalf("mapping %+v: %v", mapping, err)
	}
	for short, wanted := range map[string]string{"cm": "configmaps", "hpa": "horizontalpodautoscalers", "ns": "namespaces"} {
		expander := restmapper.NewShortcutExpander(mapper, discovery.NewDiscoveryClientForConfigOrDie(config(t)), nil)
		if got, err := expander.ResourceFor(schema.GroupVersionResource{Resource: short}); err != nil || got.Resource != wanted {
			t.Errorf("%s is %v: %v", short, got, err)
		}
	}
	client := dynamic.NewForConfigOrDie(config(t))
	deployments := client.Resource(mapping.Resource).Namespace(ns)
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "dynamic"},
		"spec": map[string]any{"selector": map[string]any{"matchLabels": map[string]any{"a": "b"}}, "template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"a": "b"}},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "c", "image": "c"}}},
		}},
	}}
	made := must[*unstructured.Unstructured](t)(deployments.Create(ctx, object, metav1.CreateOptions{}))
	if replicas, _, _ := unstructured.NestedInt64(made.Object, "spec", "replicas"); replicas != 1 {
		t.Errorf("replicas %v", replicas)
	}
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, ns, nil)
	informer := factory.ForResource(mapping.Resource)
	informer.Informer()
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.Informer().HasSynced) {
		t.Fatal("the dynamic informer does not sync")
	}
	if _, err := informer.Lister().ByNamespace(ns).Get("dynamic"); err != nil {
		t.Error(err)
	}
	patched := must[*unstructured.Unstructured](t)(deployments.Patch(ctx, "dynamic", types.MergePatchType, []byte(`{"spec":{"paused":true}}`), metav1.PatchOptions{}))
	if paused, _, _ := unstructured.NestedBool(patched.Object, "spec", "paused"); !paused {
		t.Error("not paused")
	}
	// Metadata alone, by its own client.
	partial := metadata.NewForConfigOrDie(config(t))
	list := must[*metav1.PartialObjectMetadataList](t)(partial.Resource(mapping.Resource).Namespace(ns).List(ctx, metav1.ListOptions{}))
	if len(list.Items) != 1 || list.Items[0].Name != "dynamic" || list.Items[0].UID != made.GetUID() {
		t.Errorf("metadata %+v", list.Items)
	}
	// Scales of any kind.
	resolver := scale.NewDiscoveryScaleKindResolver(discovery.NewDiscoveryClientForConfigOrDie(config(t)))
	scales, err := scale.NewForConfig(config(t), mapper, dynamic.LegacyAPIPathResolverFunc, resolver)
	if err != nil {
		t.Fatal(err)
	}
	at, err := scales.Scales(ns).Get(ctx, mapping.Resource.GroupResource(), "dynamic", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	at.Spec.Replicas = 5
	if at, err = scales.Scales(ns).Update(ctx, mapping.Resource.GroupResource(), at, metav1.UpdateOptions{}); err != nil || at.Spec.Replicas != 5 {
		t.Errorf("scaled %+v: %v", at, err)
	}
	if _, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "unicorns"}).List(ctx, metav1.ListOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a resource that is not there: %v", err)
	}
}

// Every resource that can be listed and watched is, by the dynamic client.
func TestEveryResource(t *testing.T) {
	ctx := bounded(t)
	lists, err := discovery.NewDiscoveryClientForConfigOrDie(config(t)).ServerPreferredResources()
	if err != nil {
		t.Fatal(err)
	}
	client, seen := dynamic.NewForConfigOrDie(config(t)), 0
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "watch"}}, lists) {
		gv, _ := schema.ParseGroupVersion(list.GroupVersion)
		for _, resource := range list.APIResources {
			seen++
			items, err := client.Resource(gv.WithResource(resource.Name)).List(ctx, metav1.ListOptions{Limit: 3})
			if err != nil {
				t.Errorf("list %s: %v", resource.Name, err)
				continue
			}
			if items.GetKind() != resource.Kind+"List" {
				t.Errorf("%s lists as %s", resource.Name, items.GetKind())
			}
			w, err := client.Resource(gv.WithResource(resource.Name)).Watch(ctx, metav1.ListOptions{ResourceVersion: items.GetResourceVersion()})
			if err != nil {
				t.Errorf("watch %s: %v", resource.Name, err)
				continue
			}
			w.Stop()
		}
	}
	if seen < 45 {
		t.Errorf("only %d resources", seen)
	}
}

// Who cannot be told is refused, who is nobody may not.
func TestUnauthorized(t *testing.T) {
	wrong := config(t)
	wrong.TLSClientConfig.CertData, wrong.TLSClientConfig.KeyData = nil, nil
	wrong.BearerToken = "wrong"
	_, err := dynamic.NewForConfigOrDie(wrong).Resource(schema.GroupVersionResource{Version: "v1", Resource: "nodes"}).List(bounded(t), metav1.ListOptions{})
	if !apierrors.IsUnauthorized(err) {
		t.Errorf("a wrong token: %v", err)
	}
	wrong.BearerToken = ""
	_, err = dynamic.NewForConfigOrDie(wrong).Resource(schema.GroupVersionResource{Version: "v1", Resource: "nodes"}).List(bounded(t), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("no token: %v", err)
	}
}
