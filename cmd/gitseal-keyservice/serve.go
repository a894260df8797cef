package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/all"
	"github.com/gitseal/gitseal/keysources/keyservice"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	address string
	listen  keyservice.ListenOptions
	policy  keysources.Policy
	timeout time.Duration
	prompt  bool
}

// runServe serves sops's protocol until it is interrupted.
func runServe(ctx context.Context, args []string, s std) error {
	o, err := parseServe(args, s)
	if err == nil {
		err = openDoor(ctx, s)
	}
	if err != nil {
		return err
	}
	so := keyservice.ServerOptions{Timeout: o.timeout, Log: logTo(s.err)}
	if o.prompt {
		p, err := openPrompter()
		if err != nil {
			return &hinted{error: fmt.Errorf("--prompt: %w", err), hint: "--prompt asks on the terminal; start it from one"}
		}
		so.Ask = p.ask
	}
	l, err := keyservice.Listen(ctx, o.address, o.listen)
	if err != nil {
		return &hinted{error: fmt.Errorf("listening on %s: %w", o.address, err), hint: listenHint(err)}
	}
	printLine(s.err, "listening on "+l.Address())
	return keyservice.NewServer(all.Sources(s.getenv), o.policy, so).Serve(ctx, l)
}

func listenHint(err error) string {
	switch {
	case errors.Is(err, keyservice.ErrPlainTCP):
		return "add --tls-cert, --tls-key and --client-ca, or listen on unix:///PATH and forward that (ssh -L)"
	case errors.Is(err, keyservice.ErrInUse):
		return "use that one, or end it first, or name another address with --listen"
	}
	return "see gitseal-keyservice serve --help"
}

func parseServe(args []string, s std) (serveOptions, error) {
	var o serveOptions
	var allowed []string
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.address, "listen", "", "`ADDRESS` to listen on: unix:///PATH or tcp://HOST:PORT (default unix://$XDG_RUNTIME_DIR/gitseal/keyservice.sock)")
	f.StringVar(&o.listen.TLS.Cert, "tls-cert", "", "PEM `FILE` of the own certificate, for TCP")
	f.StringVar(&o.listen.TLS.Key, "tls-key", "", "PEM `FILE` of its private key")
	f.StringVar(&o.listen.TLS.CA, "client-ca", "", "PEM `FILE` of the authority that signs the certificates of clients")
	f.Func("allow-uid", "user `ID` that may connect to the unix socket, besides your own; repeatable", func(v string) error {
		uid, err := strconv.ParseUint(v, 10, 32)
		o.listen.AllowUIDs = append(o.listen.AllowUIDs, uint32(uid))
		return err
	})
	f.Func("allow", "`KIND=VALUE`: what clients may name: an address, role, profile, region or plugin; repeatable", func(v string) error {
		allowed = append(allowed, v)
		return nil
	})
	f.DurationVar(&o.timeout, "timeout", keyservice.DefaultTimeout, "`TIME` that a request may take (default "+keyservice.DefaultTimeout.String()+")")
	f.BoolVar(&o.prompt, "prompt", false, "ask on the terminal before each request")
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		printFlags(s.out, f)
		return o, err
	case err != nil:
		return o, &usageError{text: err.Error()}
	case f.NArg() > 0:
		return o, &usageError{text: fmt.Sprintf("serve takes no argument %q", f.Arg(0))}
	case o.timeout <= 0:
		return o, &usageError{text: "--timeout must be more than nothing"}
	}
	if o.policy, err = keysources.ParsePolicy(strings.Join(allowed, "\n")); err != nil {
		return o, &usageError{text: "--allow: " + err.Error()}
	}
	if o.address == "" {
		if o.address, err = keyservice.DefaultAddress(s.getenv); err != nil {
			return o, &usageError{text: err.Error() + ": --listen unix:///PATH"}
		}
	}
	return o, nil
}

// printFlags prints the flags as gitseal does.
func printFlags(w io.Writer, f *flag.FlagSet) {
	fmt.Fprint(w, "gitseal-keyservice serve - serve sops's key service protocol\n\nFlags:\n")
	f.VisitAll(func(fl *flag.Flag) {
		value, usage := flag.UnquoteUsage(fl)
		fmt.Fprintf(w, "   --%-24s %s\n", strings.TrimSpace(fl.Name+" "+value), usage)
	})
}

// logTo returns a log with a line for each event.
func logTo(w io.Writer) func(keyservice.Event) {
	log := slog.New(slog.NewTextHandler(w, nil))
	return func(e keyservice.Event) {
		attrs := []any{"peer", e.Peer, "method", e.Method, "type", e.Type, "reader", e.Reader, "took", e.Time.Round(time.Millisecond)}
		if e.Err == nil {
			log.Info("done", attrs...)
			return
		}
		log.Warn("refused", append(attrs, "reason", string(keysources.ReasonOf(e.Err)), "error", e.Err.Error())...)
	}
}
