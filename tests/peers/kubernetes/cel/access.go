package main

import (
	"github.com/google/cel-go/cel"
	authncel "k8s.io/apiserver/pkg/authentication/cel"
	authzcel "k8s.io/apiserver/pkg/authorization/cel"
)

// access compiles what the configuration of authentication and authorization may say.
func access(r req) (out resp) {
	var err error
	a := &acc{r.Expr, "", []*cel.Type{cel.BoolType}}
	if r.Want == "any" {
		a.t = []*cel.Type{cel.AnyType}
	}
	if r.Want == "strings" {
		a.t = []*cel.Type{cel.StringType, cel.ListType(cel.StringType)}
	}
	switch r.Env {
	case "claims":
		_, err = authncel.NewDefaultCompiler().CompileClaimsExpression(a)
	case "user":
		_, err = authncel.NewDefaultCompiler().CompileUserExpression(a)
	default:
		_, err = authzcel.NewDefaultCompiler().CompileCELExpression(a)
	}
	if err != nil {
		out.Error = err.Error()
	}
	return
}
