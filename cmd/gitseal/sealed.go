package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cipher"
)

// checkSealed looks at a file that seal leaves alone because it is sealed already.
// It must not pass for sound if a plain value stands among the sealed ones or, as
// far as an identity is at hand to tell, if it would not open; and people should
// know if it is not sealed as its rule says.
func (r *sealRun) checkSealed(ctx context.Context, j *sealJob) error {
	report, err := cipher.Inspect(j.in.format, j.in.data)
	if err != nil {
		return err
	}
	for _, v := range report.Values {
		if v.State == cipher.StateExposed {
			return &commandError{code: exitWrongState, text: v.Path.String() + ": the file is sealed, but this value is plain",
				hint: "remove the value, unseal the file, put the value back and seal again"}
		}
		if v.State == cipher.StateMalformed {
			return &cipher.TamperedError{Reason: cipher.ReasonMalformedValue, Path: v.Path}
		}
	}
	_, err = cipher.Open(ctx, j.in.format, j.in.data, cipher.OpenOptions{Identities: r.ids.list()})
	var none *cipher.NoIdentityError
	if err != nil && !errors.As(err, &none) && !errors.Is(err, cipher.ErrUnsupported) {
		return err
	}
	if drift := j.plan.drift(report.Metadata); drift != "" {
		r.ui.warn(j.in.name + ": not sealed as its rule says: " + drift + "; to apply the rule, unseal the file and seal it again")
	}
	return nil
}

// drift says in what a sealed file differs from the plan, "" if in nothing.
func (p plan) drift(m *cipher.Metadata) string {
	if !p.chosen {
		return ""
	}
	var want []string
	for _, r := range p.recipients {
		want = append(want, r.String())
	}
	have := m.Readers()
	var parts []string
	if missing := without(want, have); len(missing) > 0 {
		parts = append(parts, "it cannot be read by "+readersText(missing))
	}
	if extra := without(have, want); len(extra) > 0 {
		parts = append(parts, "it can still be read by "+readersText(extra))
	}
	if s := p.selector; !s.IsZero() && (s.Kind != m.Selector.Kind || s.Pattern != m.Selector.Pattern) {
		parts = append(parts, fmt.Sprintf("its selector is %s", m.Selector))
	}
	return strings.Join(parts, ", ")
}

// without returns those of list that are not in other.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}
