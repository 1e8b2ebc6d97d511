package client

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
)

var scheme = clientscheme.Scheme

// typedSink writes a recorder's events with the typed client.
type typedSink struct {
	client kubernetes.Interface
	ns     string
	ctx    context.Context
}

func (s *typedSink) Create(event *corev1.Event) (*corev1.Event, error) {
	return s.client.CoreV1().Events(s.ns).Create(s.ctx, event, metav1.CreateOptions{})
}

func (s *typedSink) Update(event *corev1.Event) (*corev1.Event, error) {
	return s.client.CoreV1().Events(s.ns).Update(s.ctx, event, metav1.UpdateOptions{})
}

func (s *typedSink) Patch(event *corev1.Event, data []byte) (*corev1.Event, error) {
	return s.client.CoreV1().Events(s.ns).Patch(s.ctx, event.Name, types.StrategicMergePatchType, data, metav1.PatchOptions{})
}
