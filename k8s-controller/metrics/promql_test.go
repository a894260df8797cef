package metrics_test

import (
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// checkExpr reads the part of PromQL that the rules and the dashboard use, strictly,
// and returns what is wrong with an expression: its syntax, metrics that nobody has, and
// labels that none of its metrics has.
//
//	expr    = unary { op [ matching ] unary }
//	unary   = "(" expr ")" | number | function "(" expr { "," expr } ")" | aggregate | vector
//	aggregate = name [ by "(" labels ")" ] "(" expr ")"
//	vector  = metric [ "{" label matcher string { "," … } "}" ] [ "[" duration "]" ]
func checkExpr(expr string, known map[string][]string) (problems []string) {
	p := &promql{known: known}
	defer func() {
		if r := recover(); r != nil {
			s, ok := r.(syntax)
			if !ok {
				panic(r)
			}
			problems = append(p.problems, string(s))
		}
	}()
	p.scan(expr)
	p.expr(false)
	if p.peek() != "" {
		p.fail("%q is left over", p.peek())
	}
	for _, l := range p.grouped {
		if !slices.ContainsFunc(p.metrics, func(m string) bool { return slices.Contains(known[m], l) }) {
			p.problems = append(p.problems, problemf("none of its metrics has the label %s", l))
		}
	}
	return p.problems
}

type syntax string

type promql struct {
	known    map[string][]string
	tokens   []string
	metrics  []string
	grouped  []string
	problems []string
}

func (p *promql) fail(format string, a ...any) { panic(syntax(problemf(format, a...))) }

func (p *promql) scan(expr string) {
	token := regexp.MustCompile(`^(?:\s+|"[^"\\]*"|\$?[A-Za-z_][A-Za-z0-9_]*|[0-9]+(?:\.[0-9]+)?[a-z]*|[=!]~|[=!<>]=|[-+*/=<>(){}\[\],])`)
	for expr != "" {
		t := token.FindString(expr)
		if t == "" {
			p.fail("%q is not understood", expr)
		}
		if strings.TrimSpace(t) != "" {
			p.tokens = append(p.tokens, t)
		}
		expr = expr[len(t):]
	}
}

func (p *promql) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *promql) next() string {
	t := p.peek()
	if t == "" {
		p.fail("it ends too early")
	}
	p.tokens = p.tokens[1:]
	return t
}

func (p *promql) want(t string) {
	if got := p.next(); got != t {
		p.fail("%q stands where %q should", got, t)
	}
}

// expr reads an expression. ranged: rate and the like want a range of time.
func (p *promql) expr(ranged bool) {
	p.unary(ranged)
	for slices.Contains(strings.Fields("+ - * / > < >= <= == != and or unless"), p.peek()) {
		p.next()
		if p.peek() == "on" {
			p.next()
			p.labels()
		}
		p.unary(false)
	}
}

func (p *promql) unary(ranged bool) {
	t := p.next()
	switch {
	case t == "(":
		p.expr(false)
		p.want(")")
	case regexp.MustCompile(`^[0-9.]+$`).MatchString(t):
	case slices.Contains(strings.Fields("sum max min"), t):
		if p.peek() == "by" {
			p.next()
			p.labels()
		}
		p.want("(")
		p.expr(false)
		p.want(")")
	case slices.Contains(strings.Fields("rate increase"), t):
		p.want("(")
		p.expr(true)
		p.want(")")
	case slices.Contains(strings.Fields("absent vector histogram_quantile"), t):
		p.want("(")
		p.expr(false)
		for p.peek() == "," {
			p.next()
			p.expr(false)
		}
		p.want(")")
	case regexp.MustCompile(`^[a-z]`).MatchString(t):
		p.vector(t, ranged)
	default:
		p.fail("%q is no expression", t)
	}
}

func (p *promql) vector(metric string, ranged bool) {
	if p.known[metric] == nil {
		p.problems = append(p.problems, problemf("there is no metric %s", metric))
	}
	p.metrics = append(p.metrics, metric)
	if p.peek() == "{" {
		p.matchers(metric)
	}
	if !ranged {
		return
	}
	p.want("[")
	if d := p.next(); d != "$__rate_interval" {
		if _, err := model.ParseDuration(d); err != nil {
			p.fail("%q is no duration", d)
		}
	}
	p.want("]")
}

func (p *promql) matchers(metric string) {
	p.want("{")
	for {
		label, op, value := p.next(), p.next(), p.next()
		if !slices.Contains(p.known[metric], label) {
			p.problems = append(p.problems, problemf("%s has no label %s", metric, label))
		}
		if !slices.Contains(strings.Fields("= != =~ !~"), op) || !strings.HasPrefix(value, `"`) {
			p.fail("%s %s %s is no matcher", label, op, value)
		}
		if p.peek() != "," {
			break
		}
		p.next()
	}
	p.want("}")
}

func (p *promql) labels() {
	p.want("(")
	for {
		p.grouped = append(p.grouped, p.next())
		if p.peek() != "," {
			break
		}
		p.next()
	}
	p.want(")")
}
