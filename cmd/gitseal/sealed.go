package main

import (
	"context"
	"errors"
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
	_, err = cipher.Open(ctx, j.in.format, j.in.data, r.ids.openOptions())
	var none *cipher.NoIdentityError
	if err != nil && !errors.As(err, &none) && !errors.Is(err, cipher.ErrUnsupported) {
		return err
	}
	if err := r.checkBinding(j, report.Metadata); err != nil {
		return err
	}
	if drift := strings.Join(j.plan.differences(report.Metadata, nil), ", "); drift != "" {
		r.ui.warn(j.in.name + ": not sealed as its rule says: " + drift + "; gitseal keys sync applies the rule")
	}
	return nil
}
