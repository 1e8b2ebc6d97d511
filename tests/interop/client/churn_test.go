package client

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// One object in two versions: what is written in the one is read in the other.
func TestVersions(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	cpu := int32(60)
	old := &autoscalingv1.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "h"}, Spec: autoscalingv1.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv1.CrossVersionObjectReference{Kind: "Deployment", Name: "d", APIVersion: "apps/v1"}, MaxReplicas: 4, TargetCPUUtilizationPercentage: &cpu,
	}}
	must[*autoscalingv1.HorizontalPodAutoscaler](t)(client.AutoscalingV1().HorizontalPodAutoscalers(ns).Create(ctx, old, metav1.CreateOptions{}))
	at := must[*autoscalingv2.HorizontalPodAutoscaler](t)(client.AutoscalingV2().HorizontalPodAutoscalers(ns).Get(ctx, "h", metav1.GetOptions{}))
	if len(at.Spec.Metrics) != 1 || *at.Spec.Metrics[0].Resource.Target.AverageUtilization != 60 || *at.Spec.MinReplicas != 1 {
		t.Fatalf("the second version: %+v", at.Spec)
	}
	memory := resource.MustParse("200Mi")
	at.Spec.Metrics = append(at.Spec.Metrics, autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{Name: "memory", Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: &memory}}})
	must[*autoscalingv2.HorizontalPodAutoscaler](t)(client.AutoscalingV2().HorizontalPodAutoscalers(ns).Update(ctx, at, metav1.UpdateOptions{}))
	back := must[*autoscalingv1.HorizontalPodAutoscaler](t)(client.AutoscalingV1().HorizontalPodAutoscalers(ns).Get(ctx, "h", metav1.GetOptions{}))
	if !strings.Contains(back.Annotations["autoscaling.alpha.kubernetes.io/metrics"], `"memory"`) || *back.Spec.TargetCPUUtilizationPercentage != 60 {
		t.Errorf("the first version: %+v %+v", back.Annotations, back.Spec)
	}
	back.Spec.MaxReplicas = 9
	must[*autoscalingv1.HorizontalPodAutoscaler](t)(client.AutoscalingV1().HorizontalPodAutoscalers(ns).Update(ctx, back, metav1.UpdateOptions{}))
	at = must[*autoscalingv2.HorizontalPodAutoscaler](t)(client.AutoscalingV2().HorizontalPodAutoscalers(ns).Get(ctx, "h", metav1.GetOptions{}))
	if len(at.Spec.Metrics) != 2 || at.Spec.MaxReplicas != 9 || len(at.Annotations) != 0 {
		t.Errorf("there and back: %+v %+v", at.Spec, at.Annotations)
	}
	event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: "e"}, InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "p", Namespace: ns}, Reason: "R", Message: "m", Type: "Normal", Source: corev1.EventSource{Component: "c", Host: "h"}, Count: 2}
	must[*corev1.Event](t)(client.CoreV1().Events(ns).Create(ctx, event, metav1.CreateOptions{}))
	other := must[*eventsv1.Event](t)(client.EventsV1().Events(ns).Get(ctx, "e", metav1.GetOptions{}))
	if other.Note != "m" || other.Regarding.Name != "p" || other.DeprecatedSource.Host != "h" || other.DeprecatedCount != 2 {
		t.Errorf("event %+v", other)
	}
}

// An eviction is refused while the budget allows none.
func TestEvictionAndBudget(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	if _, err := client.CoreV1().ServiceAccounts(ns).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Labels: map[string]string{"app": "p"}}, Spec: corev1.PodSpec{NodeName: "n", Containers: []corev1.Container{{Name: "c", Image: "c"}}}}
	made := must[*corev1.Pod](t)(client.CoreV1().Pods(ns).Create(ctx, pod, metav1.CreateOptions{}))
	made.Status.Phase = corev1.PodRunning
	made.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	made = must[*corev1.Pod](t)(client.CoreV1().Pods(ns).UpdateStatus(ctx, made, metav1.UpdateOptions{}))
	one := intstr.FromInt32(1)
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "b"}, Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "p"}}}}
	b := must[*policyv1.PodDisruptionBudget](t)(client.PolicyV1().PodDisruptionBudgets(ns).Create(ctx, budget, metav1.CreateOptions{}))
	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: ns}}
	// The answer says when to come back, which the typed client would obey.
	err := client.CoreV1().RESTClient().Post().Namespace(ns).Resource("pods").Name("p").SubResource("eviction").Body(eviction).MaxRetries(0).Do(ctx).Error()
	if seconds, says := apierrors.SuggestsClientDelay(err); !apierrors.IsTooManyRequests(err) || !says || seconds != 10 {
		t.Fatalf("with a budget that nobody has counted yet: %v", err)
	}
	b.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: b.Generation, DisruptionsAllowed: 0, CurrentHealthy: 1, DesiredHealthy: 1, ExpectedPods: 1}
	b = must[*policyv1.PodDisruptionBudget](t)(client.PolicyV1().PodDisruptionBudgets(ns).UpdateStatus(ctx, b, metav1.UpdateOptions{}))
	err = client.PolicyV1().Evictions(ns).Evict(ctx, eviction)
	if !apierrors.IsTooManyRequests(err) || !apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause) {
		t.Fatalf("beyond the budget: %v", err)
	}
	b.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: b.Generation, DisruptionsAllowed: 1, CurrentHealthy: 2, DesiredHealthy: 1, ExpectedPods: 2}
	must[*policyv1.PodDisruptionBudget](t)(client.PolicyV1().PodDisruptionBudgets(ns).UpdateStatus(ctx, b, metav1.UpdateOptions{}))
	if err := client.PolicyV1().Evictions(ns).Evict(ctx, eviction); err != nil {
		t.Fatalf("within the budget: %v", err)
	}
	b = must[*policyv1.PodDisruptionBudget](t)(client.PolicyV1().PodDisruptionBudgets(ns).Get(ctx, "b", metav1.GetOptions{}))
	if _, counted := b.Status.DisruptedPods["p"]; !counted || b.Status.DisruptionsAllowed != 0 {
		t.Errorf("the budget afterwards: %+v", b.Status)
	}
	at := must[*corev1.Pod](t)(client.CoreV1().Pods(ns).Get(ctx, "p", metav1.GetOptions{}))
	if at.DeletionTimestamp == nil || *at.DeletionGracePeriodSeconds != 30 {
		t.Errorf("the pod afterwards: %+v", at.ObjectMeta)
	}
	now := int64(0)
	if err := client.CoreV1().Pods(ns).Delete(ctx, "p", metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Error(err)
	}
}

// Addresses and ports of services are given once, and given back.
func TestServiceAddresses(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	service := func(name string) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80}}}}
	}
	seen := map[string]string{}
	for n := range 20 {
		made := must[*corev1.Service](t)(client.CoreV1().Services(ns).Create(ctx, service(fmt.Sprintf("s-%d", n)), metav1.CreateOptions{}))
		for _, key := range []string{made.Spec.ClusterIP, fmt.Sprint(made.Spec.Ports[0].NodePort)} {
			if other, twice := seen[key]; twice {
				t.Fatalf("%s was given to %s and %s", key, other, made.Name)
			}
			seen[key] = made.Name
		}
	}
	first := must[*corev1.Service](t)(client.CoreV1().Services(ns).Get(ctx, "s-0", metav1.GetOptions{}))
	wanted := service("wanted")
	wanted.Spec.ClusterIP, wanted.Spec.Ports[0].NodePort = first.Spec.ClusterIP, first.Spec.Ports[0].NodePort
	if _, err := client.CoreV1().Services(ns).Create(ctx, wanted, metav1.CreateOptions{}); !apierrors.IsInvalid(err) {
		t.Errorf("an address that is taken: %v", err)
	}
	if err := client.CoreV1().Services(ns).Delete(ctx, "s-0", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the address is free again", func() bool {
		_, err := client.CoreV1().Services(ns).Create(ctx, wanted, metav1.CreateOptions{})
		return err == nil
	})
}

// A watch is a chunked stream of lines, one event each; a large list comes compressed to who asks.
func TestRawStreams(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	for n := range 60 {
		must[*corev1.ConfigMap](t)(client.CoreV1().ConfigMaps(ns).Create(ctx, configMap(fmt.Sprintf("m-%d", n), map[string]string{"fill": strings.Repeat("lorem ipsum ", 400)}), metav1.CreateOptions{}))
	}
	admin := config(t)
	admin.DisableCompression = true
	plain := must[*http.Client](t)(rest.HTTPClientFor(admin))
	request := must[*http.Request](t)(http.NewRequestWithContext(ctx, "GET", admin.Host+"/api/v1/namespaces/"+ns+"/configmaps", nil))
	request.Header.Set("Accept-Encoding", "gzip")
	response := must[*http.Response](t)(plain.Do(request))
	if response.Header.Get("Content-Encoding") != "gzip" || !strings.Contains(strings.Join(response.Header.Values("Vary"), ","), "Accept-Encoding") {
		t.Fatalf("headers %v", response.Header)
	}
	var list corev1.ConfigMapList
	if err := json.NewDecoder(must[*gzip.Reader](t)(gzip.NewReader(response.Body))).Decode(&list); err != nil || len(list.Items) < 60 {
		t.Errorf("%d items: %v", len(list.Items), err)
	}
	response.Body.Close()
	request = must[*http.Request](t)(http.NewRequestWithContext(ctx, "GET", admin.Host+"/api/v1/namespaces/"+ns+"/configmaps?watch=true&timeoutSeconds=1&resourceVersion="+list.ResourceVersion, nil))
	started := time.Now()
	response = must[*http.Response](t)(plain.Do(request))
	defer response.Body.Close()
	if err := client.CoreV1().ConfigMaps(ns).Delete(ctx, "m-0", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	lines := 0
	reader := bufio.NewReader(response.Body)
	for {
		line, err := reader.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		var event metav1.WatchEvent
		if err := json.Unmarshal(line, &event); err != nil || event.Type != string(watch.Deleted) {
			t.Errorf("line %.80s: %v", line, err)
		}
		lines++
	}
	if took := time.Since(started); lines != 1 || took < 500*time.Millisecond || took > 5*time.Second {
		t.Errorf("%d lines in %s", lines, took)
	}
}

// A namespace takes with it what is in it, and admits nothing meanwhile.
func TestNamespaceDeletion(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	createKinds(t, ns)
	held := configMap("held", nil)
	held.Finalizers = []string{"interop.example/hold"}
	must[*corev1.ConfigMap](t)(client.CoreV1().ConfigMaps(ns).Create(ctx, held, metav1.CreateOptions{}))
	if err := client.CoreV1().Namespaces().Delete(ctx, ns, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := client.CoreV1().ConfigMaps(ns).Create(ctx, configMap("late", nil), metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		t.Errorf("creation in a namespace that ends: %v", err)
	}
	eventually(t, "what remains is told", func() bool {
		at, err := client.CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{})
		if err != nil {
			return false
		}
		for _, condition := range at.Status.Conditions {
			if condition.Type == corev1.NamespaceFinalizersRemaining && condition.Status == corev1.ConditionTrue && strings.Contains(condition.Message, "interop.example/hold") {
				return at.Status.Phase == corev1.NamespaceTerminating
			}
		}
		return false
	})
	// Claims are held by a controller that is not part of the server.
	release := []byte(`{"metadata":{"finalizers":null}}`)
	must[*corev1.PersistentVolumeClaim](t)(client.CoreV1().PersistentVolumeClaims(ns).Patch(ctx, "shop-data", types.MergePatchType, release, metav1.PatchOptions{}))
	at := must[*corev1.ConfigMap](t)(client.CoreV1().ConfigMaps(ns).Get(ctx, "held", metav1.GetOptions{}))
	at.Finalizers = nil
	must[*corev1.ConfigMap](t)(client.CoreV1().ConfigMaps(ns).Update(ctx, at, metav1.UpdateOptions{}))
	eventually(t, "the namespace is gone", func() bool {
		_, err := client.CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}
