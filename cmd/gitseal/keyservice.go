package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/keysources/remote"
)

// keyserviceCommand serves sops's key service protocol. The program that does it is
// the one that gitseal asks for keys of key management services.
func keyserviceCommand(s std) *cli.Command {
	return &cli.Command{
		Name:      "keyservice",
		Usage:     "let others use your keys without giving them away (sops's key service)",
		UsageText: "gitseal keyservice [FLAGS]",
		Description: `Runs gitseal-keyservice serve, which has the flags: gitseal keyservice --help lists them.
A unix socket, the default, takes connections of your own user only; TCP needs mutual TLS.

Examples:
   gitseal keyservice &
   gitseal unseal --enable-local-keyservice=false --keyservice unix://$XDG_RUNTIME_DIR/gitseal/keyservice.sock FILE
   gitseal keyservice --listen tcp://0.0.0.0:5443 --tls-cert s.crt --tls-key s.key --client-ca ca.crt`,
		SkipFlagParsing: true,
		Action: func(c *cli.Context) error {
			if help := []string{"--help", "-h"}; !slices.ContainsFunc(c.Args().Slice(), func(a string) bool { return slices.Contains(help, a) }) {
				if err := openHere(s, doorKeyservice); err != nil {
					return err
				}
			}
			program, err := remote.Find(s.getenv)
			if err != nil {
				return err
			}
			cmd := exec.CommandContext(c.Context, program, append([]string{"serve"}, c.Args().Slice()...)...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = s.in, s.out, s.err
			cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
			err = cmd.Run()
			var exit *exec.ExitError
			if errors.As(err, &exit) && exit.ExitCode() > 0 {
				return &childStatus{code: exit.ExitCode()}
			}
			if err != nil && c.Context.Err() == nil {
				return fmt.Errorf("running %s: %w", remote.Program, err)
			}
			return nil
		},
	}
}
