//! The grammar of expressions as a table: cel-go's parser/gen/CEL.g4 with its left recursion resolved as ANTLR 4 does it.
//!
//! One rule a line. `label:` names what follows in the rule's node; `( )?`, `( )*` and `( )+` repeat; `|` separates
//! alternatives, tried in order; `#Name` gives an alternative's node its form. `^( )*` is a loop of a left-recursive rule:
//! each turn makes a new node whose `left` is what came before; `{p}` lets a turn begin where the precedence is at most p,
//! `rule.p` calls a rule with precedence p.

pub(crate) const RULES: &str = r"
start: e:expr EOF
expr: e:conditionalOr ( op:'?' e1:conditionalOr ':' e2:expr )?
conditionalOr: e:conditionalAnd ( ops:'||' e1:conditionalAnd )*
conditionalAnd: e:relation ( ops:'&&' e1:relation )*
relation: calc:calc ^( {1} op:'<','<=','>=','>','==','!=','in' right:relation.2 )*
calc: unary:unary ^( {2} op:'*','/','%' right:calc.3 | {1} op:'+','-' right:calc.2 )*
unary: #MemberExpr member:member | #LogicalNot ( ops:'!' )+ member:member | #Negate ( ops:'-' )+ member:member
member: #PrimaryExpr primary:primary ^( #Select {3} op:'.' ( opt:'?' )? id:escapeIdent | #MemberCall {2} op:'.' id:IDENTIFIER open:'(' ( args:exprList )? ')' | #Index {1} op:'[' ( opt:'?' )? index:expr ']' )*
primary: #Ident ( leadingDot:'.' )? id:IDENTIFIER | #GlobalCall ( leadingDot:'.' )? id:IDENTIFIER op:'(' ( args:exprList )? ')' | #Nested '(' e:expr ')' | #CreateList op:'[' ( elems:listInit )? ( ',' )? ']' | #CreateStruct op:'{' ( entries:mapInitializerList )? ( ',' )? '}' | #CreateMessage ( leadingDot:'.' )? ids:IDENTIFIER ( ops:'.' ids:IDENTIFIER )* op:'{' ( entries:fieldInitializerList )? ( ',' )? '}' | #ConstantLiteral literal:literal
exprList: e:expr ( ',' e:expr )*
listInit: elems:optExpr ( ',' elems:optExpr )*
fieldInitializerList: fields:optField cols:':' values:expr ( ',' fields:optField cols:':' values:expr )*
optField: ( opt:'?' )? escapeIdent:escapeIdent
mapInitializerList: keys:optExpr cols:':' values:expr ( ',' keys:optExpr cols:':' values:expr )*
escapeIdent: #SimpleIdentifier id:IDENTIFIER | #EscapedIdentifier id:ESC_IDENTIFIER
optExpr: ( opt:'?' )? e:expr
literal: #Int ( sign:'-' )? tok:NUM_INT | #Uint tok:NUM_UINT | #Double ( sign:'-' )? tok:NUM_FLOAT | #String tok:STRING | #Bytes tok:BYTES | #BoolTrue tok:'true' | #BoolFalse tok:'false' | #Null tok:'null'
";
