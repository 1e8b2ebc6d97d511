// Says what the reference makes of expressions: one JSON request a line on standard input, one answer a line on standard output.
// The recordings of apiserver/cel/tests/recorded were made with it:
//
//	cd tests/peers/kubernetes && go run ./cel < requests.jsonl
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/google/cel-go/cel"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	scel "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
	dracel "k8s.io/dynamic-resource-allocation/cel"
)

type req struct {
	Env        string          `json:"env"`
	Params     bool            `json:"params,omitempty"`
	Authorizer bool            `json:"authorizer,omitempty"`
	Patch      bool            `json:"patch,omitempty"`
	Stored     bool            `json:"stored,omitempty"`
	Variables  [][2]string     `json:"variables,omitempty"`
	Want       string          `json:"want,omitempty"`
	Schema     json.RawMessage `json:"schema,omitempty"`
	Expr       string          `json:"expr"`
	Message    string          `json:"message,omitempty"`
	Optional   bool            `json:"optional,omitempty"`
	Object     any             `json:"object,omitempty"`
}
type resp struct {
	Error   string `json:"error,omitempty"`
	Type    string `json:"type,omitempty"`
	Min     uint64 `json:"min"`
	Max     uint64 `json:"max"`
	Message string `json:"message_error,omitempty"`
	MsgMax  uint64 `json:"message_max,omitempty"`
	Card    uint64 `json:"cardinality,omitempty"`
	Value   string `json:"value,omitempty"`
	Cost    uint64 `json:"cost,omitempty"`
	EvalErr string `json:"eval_error,omitempty"`
}
type acc struct {
	e, n string
	t    []*cel.Type
}

func (a *acc) GetExpression() string    { return a.e }
func (a *acc) GetName() string          { return a.n }
func (a *acc) ReturnTypes() []*cel.Type { return a.t }

func run(r req) (out resp) {
	mode := environment.NewExpressions
	if r.Stored {
		mode = environment.StoredExpressions
	}
	base := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	switch r.Env {
	case "base":
		env, _ := base.Env(mode)
		ast, iss := env.Compile(r.Expr)
		if iss != nil {
			out.Error = iss.String()
			return
		}
		out.Type = ast.OutputType().String()
		est, err := env.EstimateCost(ast, &library.CostEstimator{})
		if err != nil {
			out.Error = "cost: " + err.Error()
			return
		}
		out.Min, out.Max = est.Min, est.Max
		prg, err := env.Program(ast)
		if err != nil {
			out.EvalErr = "program: " + err.Error()
			return
		}
		v, det, err := prg.Eval(map[string]any{})
		if det != nil && det.ActualCost() != nil {
			out.Cost = *det.ActualCost()
		}
		if err != nil {
			out.EvalErr = err.Error()
		} else {
			out.Value = fmt.Sprint(v.Value())
		}
	case "run":
		return evaluated(r, base)
	case "policy":
		c, err := plugincel.NewCompositedCompiler(base)
		if err != nil {
			out.Error = err.Error()
			return
		}
		var comp plugincel.Compiler = c
		if len(r.Variables) == 0 {
			comp = plugincel.NewCompiler(base)
		}
		for _, v := range r.Variables {
			c.CompileAndStoreVariable(&acc{v[1], v[0], []*cel.Type{cel.AnyType, cel.DynType}}, plugincel.OptionalVariableDeclarations{HasParams: r.Params, HasAuthorizer: true}, mode)
		}
		var a plugincel.ExpressionAccessor
		switch r.Want {
		case "bool":
			a = &acc{r.Expr, "", []*cel.Type{cel.BoolType}}
		case "string":
			a = &acc{r.Expr, "", []*cel.Type{cel.StringType}}
		case "audit":
			a = &acc{r.Expr, "", []*cel.Type{cel.StringType, cel.NullType}}
		case "apply":
			a = &patch.ApplyConfigurationCondition{Expression: r.Expr}
		case "jsonpatch":
			a = &patch.JSONPatchCondition{Expression: r.Expr}
		default:
			a = &acc{r.Expr, "", []*cel.Type{cel.AnyType}}
		}
		res := comp.CompileCELExpression(a, plugincel.OptionalVariableDeclarations{HasParams: r.Params, HasAuthorizer: r.Authorizer, HasPatchTypes: r.Patch}, mode)
		if res.Error != nil {
			out.Error = res.Error.Detail
			return
		}
		out.Type = res.OutputType.String()
	case "dra":
		res := dracel.GetCompiler(dracel.Features{EnableConsumableCapacity: true}).CompileCELExpression(r.Expr, dracel.Options{EnvType: &mode})
		if res.Error != nil {
			out.Error = res.Error.Detail
			return
		}
		out.Type = res.OutputType.String()
		out.Max = res.MaxCost
	case "claims", "user", "request":
		return access(r)
	case "crd":
		var v1s apiextensionsv1.JSONSchemaProps
		if err := json.Unmarshal(r.Schema, &v1s); err != nil {
			out.Error = "bad schema " + err.Error()
			return
		}
		var in apiextensions.JSONSchemaProps
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(&v1s, &in, nil); err != nil {
			out.Error = err.Error()
			return
		}
		s, err := schema.NewStructural(&in)
		if err != nil {
			out.Error = err.Error()
			return
		}
		rule := apiextensionsv1.ValidationRule{Rule: r.Expr, MessageExpression: r.Message, OptionalOldSelf: &r.Optional}
		s.XValidations = apiextensionsv1.ValidationRules{rule}
		dt := model.SchemaDeclType(s, true)
		loader := scel.NewExpressionsEnvLoader()
		if r.Stored {
			loader = scel.StoredExpressionsEnvLoader()
		}
		res, err := scel.Compile(s, dt, 1000000, base, loader)
		if err != nil {
			out.Error = err.Error()
			return
		}
		x := res[0]
		if x.Error != nil {
			out.Error = x.Error.Detail
			return
		}
		out.Max, out.Card, out.MsgMax = x.MaxCost, x.MaxCardinality, x.MessageExpressionMaxCost
		if x.MessageExpressionError != nil {
			out.Message = x.MessageExpressionError.Detail
		}
	}
	return
}

func main() {
	sc := bufio.NewScanner(os.Stdin)
	sc.Buffer(make([]byte, 1<<24), 1<<24)
	enc := json.NewEncoder(os.Stdout)
	enc.SetEscapeHTML(false)
	for sc.Scan() {
		var r req
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			panic(err)
		}
		func() {
			defer func() {
				if p := recover(); p != nil {
					enc.Encode(resp{Error: fmt.Sprint("PANIC ", p)})
				}
			}()
			enc.Encode(run(r))
		}()
	}
}
