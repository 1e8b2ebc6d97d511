// Package envtest starts the server the way that operators' tests do, under the names kube-apiserver and etcd, and runs a
// small manager against it.
package envtest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// shared is one environment for all tests that do not need their own.
var shared *rest.Config

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	environment := &envtest.Environment{ControlPlaneStartTimeout: 20 * time.Second, ControlPlaneStopTimeout: 20 * time.Second}
	config, err := environment.Start()
	if err != nil {
		fmt.Printf("--- FAIL: start (0s)\n%v\n", err)
		environment.Stop()
		os.Exit(1)
	}
	fmt.Println("--- PASS: start (0s)")
	shared = config
	code := m.Run()
	if err := environment.Stop(); err != nil {
		fmt.Printf("--- FAIL: stop (0s)\n%v\n", err)
		code = 1
	} else {
		fmt.Println("--- PASS: stop (0s)")
	}
	os.Exit(code)
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func direct(t *testing.T) client.Client {
	t.Helper()
	c, err := client.New(shared, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func namespace(t *testing.T, c client.Client) string {
	t.Helper()
	made := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "envtest-"}}
	if err := c.Create(bounded(t), made); err != nil {
		t.Fatal(err)
	}
	return made.Name
}

func eventually(t *testing.T, what string, holds func() error) {
	t.Helper()
	var err error
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if err = holds(); err == nil {
			return
		}
	}
	t.Fatalf("in 20 s it did not come true that %s: %v", what, err)
}

func TestSmokeClient(t *testing.T) {
	c, ctx := direct(t), bounded(t)
	ns := namespace(t, c)
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: ns}, Data: map[string]string{"k": "v"}}
	if err := c.Create(ctx, object); err != nil {
		t.Fatal(err)
	}
	result, err := controllerutil.CreateOrUpdate(ctx, c, object, func() error { object.Data["k"] = "w"; return nil })
	if err != nil || result != controllerutil.OperationResultUpdated {
		t.Errorf("%s: %v", result, err)
	}
	before := object.DeepCopy()
	object.Data["l"] = "x"
	if err := c.Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		t.Error(err)
	}
	if err := c.Patch(ctx, object.DeepCopy(), client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil && !apierrors.IsConflict(err) {
		t.Errorf("a patch with a stale version: %v", err)
	}
	var list corev1.ConfigMapList
	if err := c.List(ctx, &list, client.InNamespace(ns), client.MatchingFields{"metadata.name": "a"}); err != nil || len(list.Items) != 1 {
		t.Errorf("%d listed: %v", len(list.Items), err)
	}
	if err := c.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace(ns)); err != nil {
		t.Error(err)
	}
}

// reconciler makes a Deployment per ConfigMap, writes its status back as an annotation and holds the ConfigMap by a finalizer.
type reconciler struct {
	client.Client
}

const finalizer = "interop.example/reconciler"

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var settings corev1.ConfigMap
	if err := r.Get(ctx, request.NamespacedName, &settings); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if settings.Labels["reconcile"] != "yes" {
		return ctrl.Result{}, nil
	}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: settings.Name, Namespace: settings.Namespace}}
	if !settings.DeletionTimestamp.IsZero() {
		if err := r.Delete(ctx, deployment); client.IgnoreNotFound(err) != nil {
			return ctrl.Result{}, err
		}
		controllerutil.RemoveFinalizer(&settings, finalizer)
		return ctrl.Result{}, r.Update(ctx, &settings)
	}
	if controllerutil.AddFinalizer(&settings, finalizer) {
		if err := r.Update(ctx, &settings); err != nil {
			return ctrl.Result{}, err
		}
	}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, deployment, func() error {
		labels := map[string]string{"app": settings.Name}
		deployment.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
		deployment.Spec.Template.Labels = labels
		deployment.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: settings.Data["image"]}}
		return controllerutil.SetControllerReference(&settings, deployment, r.Scheme())
	})
	if err != nil {
		return ctrl.Result{}, err
	}
	before := settings.DeepCopy()
	if settings.Annotations == nil {
		settings.Annotations = map[string]string{}
	}
	settings.Annotations["ready"] = fmt.Sprint(deployment.Status.ReadyReplicas)
	return ctrl.Result{}, r.Patch(ctx, &settings, client.MergeFrom(before))
}

func TestManager(t *testing.T) {
	c, ctx := direct(t), bounded(t)
	ns := namespace(t, c)
	manager, err := ctrl.NewManager(shared, ctrl.Options{
		Metrics: server.Options{BindAddress: "0"}, LeaderElection: true, LeaderElectionID: "interop", LeaderElectionNamespace: ns, LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	work := &reconciler{manager.GetClient()}
	if err := ctrl.NewControllerManagedBy(manager).For(&corev1.ConfigMap{}).Owns(&appsv1.Deployment{}).Complete(work); err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the manager ended with %v", err)
		}
	})
	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: ns, Labels: map[string]string{"reconcile": "yes"}}, Data: map[string]string{"image": "web:1"}}
	if err := c.Create(ctx, settings); err != nil {
		t.Fatal(err)
	}
	name := types.NamespacedName{Namespace: ns, Name: "web"}
	var deployment appsv1.Deployment
	image := func(wanted string) func() error {
		return func() error {
			if err := c.Get(ctx, name, &deployment); err != nil {
				return err
			}
			if got := deployment.Spec.Template.Spec.Containers[0].Image; got != wanted {
				return fmt.Errorf("image %s", got)
			}
			return nil
		}
	}
	eventually(t, "there is a deployment", image("web:1"))
	if owner := metav1.GetControllerOf(&deployment); owner == nil || owner.UID != settings.UID || owner.Kind != "ConfigMap" {
		t.Errorf("owner %+v", owner)
	}
	deployment.Status.Replicas, deployment.Status.ReadyReplicas = 3, 3
	eventually(t, "its status can be written", func() error {
		if err := c.Get(ctx, name, &deployment); err != nil {
			return err
		}
		deployment.Status.Replicas, deployment.Status.ReadyReplicas = 3, 3
		return c.Status().Update(ctx, &deployment)
	})
	eventually(t, "the status comes back", func() error {
		if err := c.Get(ctx, name, settings); err != nil {
			return err
		}
		if settings.Annotations["ready"] != "3" {
			return fmt.Errorf("annotations %v", settings.Annotations)
		}
		return nil
	})
	eventually(t, "the image can be changed", func() error {
		if err := c.Get(ctx, name, settings); err != nil {
			return err
		}
		settings.Data["image"] = "web:2"
		return c.Update(ctx, settings)
	})
	eventually(t, "the deployment follows", image("web:2"))
	// What is owned and removed by a stranger comes back.
	if err := c.Delete(ctx, &deployment); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the deployment is back", func() error {
		var again appsv1.Deployment
		if err := c.Get(ctx, name, &again); err != nil {
			return err
		}
		if again.UID == deployment.UID || !again.DeletionTimestamp.IsZero() {
			return fmt.Errorf("still the old one")
		}
		return nil
	})
	if err := c.Delete(ctx, settings); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are gone", func() error {
		if err := c.Get(ctx, name, settings); !apierrors.IsNotFound(err) {
			return fmt.Errorf("settings: %v", err)
		}
		if err := c.Get(ctx, name, &deployment); !apierrors.IsNotFound(err) {
			return fmt.Errorf("deployment: %v", err)
		}
		return nil
	})
}

// A user made by envtest is who the certificate says, with the rights of its groups.
func TestAddUser(t *testing.T) {
	environment := &envtest.Environment{ControlPlaneStartTimeout: 20 * time.Second}
	config, err := environment.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer environment.Stop()
	if config.Host == shared.Host {
		t.Fatal("two environments share a server")
	}
	user, err := environment.AddUser(envtest.User{Name: "jane", Groups: []string{"readers"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jane, err := client.New(user.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := jane.List(bounded(t), &corev1.SecretList{}); !apierrors.IsForbidden(err) {
		t.Errorf("jane lists secrets: %v", err)
	}
	kubectl, err := user.Kubectl()
	if err != nil || kubectl == nil {
		t.Errorf("no kubectl: %v", err)
	}
	admin, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.List(bounded(t), &corev1.SecretList{}); err != nil {
		t.Errorf("the admin lists secrets: %v", err)
	}
}

// Definitions are installed and their objects served.
func TestCustomResources(t *testing.T) {
	definitions, err := envtest.InstallCRDs(shared, envtest.CRDInstallOptions{Paths: []string{os.Getenv("MANIFESTS") + "/crd.yaml"}, ErrorIfPathMissing: true, MaxTime: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if len(definitions) != 1 {
		t.Errorf("%d definitions", len(definitions))
	}
}
