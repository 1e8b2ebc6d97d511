package client

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
)

// The directory that a pod's token and certificates are mounted at; client-go knows no other.
const mounted = "/var/run/secrets/kubernetes.io/serviceaccount"

// A service account's token and the certificates, found the way that a pod finds them.
func TestInClusterConfig(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "robot"}}
	must[*corev1.ServiceAccount](t)(client.CoreV1().ServiceAccounts(ns).Create(ctx, account, metav1.CreateOptions{}))
	hour := int64(3600)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour}}
	token := must[*authenticationv1.TokenRequest](t)(client.CoreV1().ServiceAccounts(ns).CreateToken(ctx, "robot", request, metav1.CreateOptions{}))
	if token.Status.Token == "" || time.Until(token.Status.ExpirationTimestamp.Time) < 50*time.Minute {
		t.Fatalf("token %+v", token.Status)
	}
	if _, err := os.Stat(mounted); err == nil {
		t.Skip("this machine is a pod: its own token is not to be touched")
	}
	if err := os.MkdirAll(mounted, 0o700); err != nil {
		t.Skipf("%s cannot be made: %v", mounted, err)
	}
	t.Cleanup(func() { os.RemoveAll(mounted) })
	ca := must[[]byte](t)(os.ReadFile(os.Getenv("DATA") + "/pki/ca.crt"))
	for name, content := range map[string][]byte{"token": []byte(token.Status.Token), "ca.crt": ca, "namespace": []byte(ns)} {
		if err := os.WriteFile(filepath.Join(mounted, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
	t.Setenv("KUBERNETES_SERVICE_PORT", os.Getenv("PORT"))
	pod := kubernetes.NewForConfigOrDie(must[*rest.Config](t)(rest.InClusterConfig()))
	me := must[*authenticationv1.SelfSubjectReview](t)(pod.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{}))
	if me.Status.UserInfo.Username != "system:serviceaccount:"+ns+":robot" {
		t.Errorf("I am %+v", me.Status.UserInfo)
	}
	if _, err := pod.CoreV1().ConfigMaps(ns).List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("without a role: %v", err)
	}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "r"}, Rules: []rbacv1.PolicyRule{{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"configmaps"}}}}
	must[*rbacv1.Role](t)(client.RbacV1().Roles(ns).Create(ctx, role, metav1.CreateOptions{}))
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "r"}, RoleRef: rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: "r"}, Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "robot", Namespace: ns}}}
	must[*rbacv1.RoleBinding](t)(client.RbacV1().RoleBindings(ns).Create(ctx, binding, metav1.CreateOptions{}))
	eventually(t, "the role lets it in", func() bool {
		_, err := pod.CoreV1().ConfigMaps(ns).List(ctx, metav1.ListOptions{})
		return err == nil
	})
}

// One of two leads; when it lets go, the other does.
func TestLeaderElection(t *testing.T) {
	client := clientset(t)
	ns := namespace(t, client)
	var leading, most atomic.Int32
	var order [2]atomic.Int64
	elect := func(ctx context.Context, n int, name string) {
		lock := &resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Name: "leader", Namespace: ns}, Client: client.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: name}}
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
			Lock: lock, LeaseDuration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 300 * time.Millisecond, ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(ctx context.Context) {
					most.Store(max(most.Load(), leading.Add(1)))
					order[n].Store(time.Now().UnixNano())
					<-ctx.Done()
					leading.Add(-1)
				},
				OnStoppedLeading: func() {},
			},
		})
	}
	first, stopFirst := context.WithCancel(bounded(t))
	second, stopSecond := context.WithCancel(bounded(t))
	defer stopSecond()
	go elect(first, 0, "first")
	eventually(t, "the first leads", func() bool { return order[0].Load() != 0 })
	go elect(second, 1, "second")
	time.Sleep(1500 * time.Millisecond)
	if order[1].Load() != 0 {
		t.Fatal("both lead")
	}
	stopFirst()
	eventually(t, "the second leads", func() bool { return order[1].Load() != 0 })
	lease := must[*coordinationv1.Lease](t)(client.CoordinationV1().Leases(ns).Get(bounded(t), "leader", metav1.GetOptions{}))
	if *lease.Spec.HolderIdentity != "second" || *lease.Spec.LeaseTransitions != 1 {
		t.Errorf("lease %+v", lease.Spec)
	}
	if most.Load() != 1 {
		t.Errorf("%d led at once", most.Load())
	}
}

// Events are written and counted up as client-go's recorder does it.
func TestEventRecorder(t *testing.T) {
	client, ctx := clientset(t), bounded(t)
	ns := namespace(t, client)
	at := must[*corev1.ConfigMap](t)(client.CoreV1().ConfigMaps(ns).Create(ctx, configMap("subject", nil), metav1.CreateOptions{}))
	broadcaster := record.NewBroadcaster()
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedSink{client, ns, ctx})
	recorder := broadcaster.NewRecorder(scheme, corev1.EventSource{Component: "interop"})
	for range 3 {
		recorder.Event(at, corev1.EventTypeWarning, "Tested", "it was tested")
	}
	eventually(t, "the event is counted to three", func() bool {
		list, err := client.CoreV1().Events(ns).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=subject,reason=Tested,type=Warning"})
		return err == nil && len(list.Items) == 1 && list.Items[0].Count == 3
	})
}
