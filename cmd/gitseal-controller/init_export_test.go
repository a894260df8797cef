package main

import (
	"bytes"
	"context"
	"os"
	"strings"
)

// Invoke runs the program in this process, for tests.
func Invoke(ctx context.Context, stdin string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, args, std{in: strings.NewReader(stdin), out: &out, err: &errs, getenv: os.Getenv})
	return code, out.String(), errs.String()
}
