package main

import (
	"encoding/json"
	"reflect"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types/ref"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
)

// evaluated runs an expression over `object`: its value as JSON, its type, its cost.
func evaluated(r req, base *environment.EnvSet) (out resp) {
	set, err := base.Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions:        []cel.EnvOption{cel.Variable("object", cel.DynType)},
	})
	if err != nil {
		out.Error = err.Error()
		return
	}
	env, _ := set.Env(environment.StoredExpressions)
	ast, iss := env.Compile(r.Expr)
	if iss != nil {
		out.Error = iss.String()
		return
	}
	prg, err := env.Program(ast, cel.CostTracking(&library.CostEstimator{}))
	if err != nil {
		out.Error = err.Error()
		return
	}
	v, det, err := prg.Eval(map[string]any{"object": whole(r.Object)})
	if det != nil && det.ActualCost() != nil {
		out.Cost = *det.ActualCost()
	}
	if err != nil {
		out.EvalErr = err.Error()
		return
	}
	out.Type = v.Type().TypeName()
	out.Value = shown(v)
	return
}

func shown(v ref.Val) string {
	pb, err := v.ConvertToNative(jsonType)
	if err != nil {
		return "-"
	}
	data, err := protojson.Marshal(pb.(*structpb.Value))
	if err != nil {
		return "-"
	}
	var plain any
	if err := json.Unmarshal(data, &plain); err != nil {
		return "-"
	}
	text, _ := json.Marshal(plain)
	return string(text)
}

// whole makes whole numbers of JSON integers, as Kubernetes' objects have them.
func whole(value any) any {
	switch v := value.(type) {
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = whole(v[k])
		}
	}
	return value
}

var jsonType = reflect.TypeFor[*structpb.Value]()
