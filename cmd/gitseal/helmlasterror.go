package main

import (
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/helm"
)

func helmLastErrorCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "last-error",
		Usage:     "print what the last call by Helm said when it failed or warned",
		UsageText: "gitseal helm last-error",
		Description: `Helm 4 drops what a post-renderer says. Errors and warnings are kept until the next call that has
none of either.`,
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usageError("gitseal helm last-error takes no arguments", "it prints what the last call by Helm said")
			}
			file := helm.LastErrorFile(s.getenv)
			text, err := readFile(file)
			if file == "" || errors.Is(err, fs.ErrNotExist) {
				u.note("the last call by Helm neither failed nor warned, or there was none")
				return nil
			}
			if err != nil {
				return &fileError{name: file, err: err}
			}
			_, err = u.out.Write(text)
			return err
		},
	}
}

// keepingWords runs a command for Helm, keeps what it says when it fails or warns, and
// forgets it when it does neither. That this did not work must not hide the error itself.
func keepingWords(c *cli.Context, s std, u *ui, door string, run func(p *plugin) error) error {
	p, err := newPlugin(c, s, u, door)
	if err == nil {
		err = run(p)
	}
	file := helm.LastErrorFile(s.getenv)
	if file == "" {
		return err
	}
	var lines []string
	if p != nil {
		for _, w := range p.warned {
			lines = append(lines, "warning: "+oneLine(w))
		}
	}
	if err != nil {
		e := explain(err)
		lines = append(lines, "error: "+oneLine(e.text))
		for _, h := range e.hints {
			lines = append(lines, "hint: "+oneLine(h))
		}
	}
	if len(lines) == 0 {
		_ = helm.ForgetError(file) // it is there for people only
		return nil
	}
	text := time.Now().UTC().Format(time.RFC3339) + "\n" + strings.Join(lines, "\n") + "\n"
	if keepErr := helm.KeepError(file, text); keepErr != nil {
		u.warn("this could not be kept for gitseal helm last-error: " + keepErr.Error())
	}
	return err
}
