package client

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	applycore "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/util/retry"
)

// Two clients read the same version and both write: the second is told of the conflict.
func TestConflict(t *testing.T) {
	first, second, ctx := clientset(t), clientset(t), bounded(t)
	ns := namespace(t, first)
	must[*corev1.ConfigMap](t)(first.CoreV1().ConfigMaps(ns).Create(ctx, configMap("shared", nil), metav1.CreateOptions{}))
	one := must[*corev1.ConfigMap](t)(first.CoreV1().ConfigMaps(ns).Get(ctx, "shared", metav1.GetOptions{}))
	two := must[*corev1.ConfigMap](t)(second.CoreV1().ConfigMaps(ns).Get(ctx, "shared", metav1.GetOptions{}))
	one.Data = map[string]string{"by": "one"}
	two.Data = map[string]string{"by": "two"}
	written := must[*corev1.ConfigMap](t)(first.CoreV1().ConfigMaps(ns).Update(ctx, one, metav1.UpdateOptions{}))
	_, err := second.CoreV1().ConfigMaps(ns).Update(ctx, two, metav1.UpdateOptions{})
	if !apierrors.IsConflict(err) {
		t.Fatalf("the second writer got %v", err)
	}
	if status := err.(apierrors.APIStatus).Status(); status.Code != 409 || status.Details.Name != "shared" || status.Details.Kind != "configmaps" {
		t.Errorf("status %+v", status)
	}
	left := must[*corev1.ConfigMap](t)(second.CoreV1().ConfigMaps(ns).Get(ctx, "shared", metav1.GetOptions{}))
	if left.Data["by"] != "one" || left.ResourceVersion != written.ResourceVersion {
		t.Errorf("left %v at %s", left.Data, left.ResourceVersion)
	}
	stale := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: &two.ResourceVersion}}
	if err := second.CoreV1().ConfigMaps(ns).Delete(ctx, "shared", stale); !apierrors.IsConflict(err) {
		t.Errorf("deletion at a stale version: %v", err)
	}
}

// Writers that retry on conflict lose no increment.
func TestCounter(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	maps := client.CoreV1().ConfigMaps(ns)
	must[*corev1.ConfigMap](t)(maps.Create(ctx, configMap("counter", map[string]string{"n": "0"}), metav1.CreateOptions{}))
	const writers, each = 6, 15
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for range each {
				err := retry.OnError(retry.DefaultBackoff, func(err error) bool { return false }, func() error {
					for {
						at, err := maps.Get(ctx, "counter", metav1.GetOptions{})
						if err != nil {
							return err
						}
						var n int
						fmt.Sscan(at.Data["n"], &n)
						at.Data["n"] = fmt.Sprint(n + 1)
						if _, err = maps.Update(ctx, at, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
							return err
						}
					}
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if at := must[*corev1.ConfigMap](t)(maps.Get(ctx, "counter", metav1.GetOptions{})); at.Data["n"] != fmt.Sprint(writers*each) {
		t.Errorf("counted %s of %d", at.Data["n"], writers*each)
	}
}

// What the server would do is answered, and not done.
func TestServerSideDryRun(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	maps := client.CoreV1().ConfigMaps(ns)
	all := []string{metav1.DryRunAll}
	dry := must[*corev1.ConfigMap](t)(maps.Create(ctx, configMap("dry", nil), metav1.CreateOptions{DryRun: all}))
	if dry.UID == "" {
		t.Error("a dry creation has a uid")
	}
	if _, err := maps.Get(ctx, "dry", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a dry creation is there: %v", err)
	}
	real := must[*corev1.ConfigMap](t)(maps.Create(ctx, configMap("real", nil), metav1.CreateOptions{}))
	changed := real.DeepCopy()
	changed.Data = map[string]string{"a": "b"}
	answer := must[*corev1.ConfigMap](t)(maps.Update(ctx, changed, metav1.UpdateOptions{DryRun: all}))
	if answer.Data["a"] != "b" {
		t.Errorf("a dry update answers %v", answer.Data)
	}
	must[*corev1.ConfigMap](t)(maps.Patch(ctx, "real", types.MergePatchType, []byte(`{"data":{"a":"c"}}`), metav1.PatchOptions{DryRun: all}))
	if err := maps.Delete(ctx, "real", metav1.DeleteOptions{DryRun: all}); err != nil {
		t.Error(err)
	}
	if err := maps.DeleteCollection(ctx, metav1.DeleteOptions{DryRun: all}, metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
	left := must[*corev1.ConfigMap](t)(maps.Get(ctx, "real", metav1.GetOptions{}))
	if left.ResourceVersion != real.ResourceVersion || left.Data != nil {
		t.Errorf("left %+v", left)
	}
	if _, err := maps.Create(ctx, configMap("dry", nil), metav1.CreateOptions{DryRun: []string{"Some"}}); !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
		t.Errorf("an unknown dry run: %v", err)
	}
}

func TestPatchKinds(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	labels := map[string]string{"app": "x"}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a:1"}, {Name: "b", Image: "b:1"}}}},
	}}
	deployments := client.AppsV1().Deployments(ns)
	made := must[*appsv1.Deployment](t)(deployments.Create(ctx, deployment, metav1.CreateOptions{}))
	if *made.Spec.Replicas != 1 || made.Generation != 1 || made.Spec.Strategy.RollingUpdate.MaxSurge.String() != "25%" {
		t.Errorf("defaults: %+v", made.Spec)
	}
	patched := must[*appsv1.Deployment](t)(deployments.Patch(ctx, "x", types.StrategicMergePatchType, []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"b","image":"b:2"}]}}}}`), metav1.PatchOptions{}))
	if c := patched.Spec.Template.Spec.Containers; len(c) != 2 || c[1].Image != "b:2" || patched.Generation != 2 {
		t.Errorf("strategic: %+v", c)
	}
	patched = must[*appsv1.Deployment](t)(deployments.Patch(ctx, "x", types.JSONPatchType, []byte(`[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"a:3"}]`), metav1.PatchOptions{}))
	if c := patched.Spec.Template.Spec.Containers; c[0].Image != "a:3" {
		t.Errorf("json: %+v", c)
	}
	patched = must[*appsv1.Deployment](t)(deployments.Patch(ctx, "x", types.MergePatchType, []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"only","image":"c:1"}]}}}}`), metav1.PatchOptions{}))
	if c := patched.Spec.Template.Spec.Containers; len(c) != 1 || c[0].Name != "only" {
		t.Errorf("merge: %+v", c)
	}
	patched = must[*appsv1.Deployment](t)(deployments.Patch(ctx, "x", types.MergePatchType, []byte(`{"status":{"replicas":4},"spec":{"replicas":7}}`), metav1.PatchOptions{}, "status"))
	if patched.Status.Replicas != 4 || *patched.Spec.Replicas != 1 || patched.Generation != 4 {
		t.Errorf("status: %+v %+v", patched.Status, patched.Generation)
	}
	scale := must[interface{ GetName() string }](t)(deployments.GetScale(ctx, "x", metav1.GetOptions{}))
	if scale.GetName() != "x" {
		t.Errorf("scale %v", scale)
	}
}

func TestApplyConfiguration(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	maps := client.CoreV1().ConfigMaps(ns)
	apply := applycore.ConfigMap("applied", ns).WithData(map[string]string{"a": "1", "b": "2"})
	made := must[*corev1.ConfigMap](t)(maps.Apply(ctx, apply, metav1.ApplyOptions{FieldManager: "first"}))
	if made.Data["b"] != "2" {
		t.Errorf("applied %v", made.Data)
	}
	again := must[*corev1.ConfigMap](t)(maps.Apply(ctx, apply, metav1.ApplyOptions{FieldManager: "first"}))
	if again.ResourceVersion != made.ResourceVersion {
		t.Error("the same configuration applied again writes")
	}
	other := applycore.ConfigMap("applied", ns).WithData(map[string]string{"a": "9"})
	if _, err := maps.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "second"}); !apierrors.IsConflict(err) {
		t.Errorf("a contested field: %v", err)
	}
	must[*corev1.ConfigMap](t)(maps.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "second", Force: true}))
	less := applycore.ConfigMap("applied", ns)
	left := must[*corev1.ConfigMap](t)(maps.Apply(ctx, less, metav1.ApplyOptions{FieldManager: "first"}))
	if encoded, _ := json.Marshal(left.Data); string(encoded) != `{"a":"9"}` {
		t.Errorf("left %s", encoded)
	}
}

func TestFinalizersAndGracefulDeletion(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	maps := client.CoreV1().ConfigMaps(ns)
	held := configMap("held", nil)
	held.Finalizers = []string{"interop.example/hold"}
	must[*corev1.ConfigMap](t)(maps.Create(ctx, held, metav1.CreateOptions{}))
	if err := maps.Delete(ctx, "held", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	at := must[*corev1.ConfigMap](t)(maps.Get(ctx, "held", metav1.GetOptions{}))
	if at.DeletionTimestamp == nil || at.DeletionGracePeriodSeconds == nil || *at.DeletionGracePeriodSeconds != 0 {
		t.Fatalf("being deleted: %+v", at.ObjectMeta)
	}
	at.Finalizers = nil
	must[*corev1.ConfigMap](t)(maps.Update(ctx, at, metav1.UpdateOptions{}))
	if _, err := maps.Get(ctx, "held", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("released: %v", err)
	}
}
