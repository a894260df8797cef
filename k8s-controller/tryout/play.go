package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The files of the play, and how long something may take that takes a moment.
const (
	good, tampered, copied = "db.sealed.yaml", "tampered.yaml", "copied.yaml"
	patience               = "--timeout=120s"
)

// actor plays on a stage and tells what happens.
type actor struct {
	*Stage
	*screen
}

// play shows everything once.
func play(ctx context.Context, stage *Stage, s *screen) error {
	a := &actor{Stage: stage, screen: s}
	for _, scene := range []struct {
		title string
		act   func(context.Context) error
	}{
		{"Install the controller: definitions, rights, and its Deployment", a.install},
		{"Give the cluster a key, and keep a recovery key off the cluster", a.makeKeyring},
		{"Seal a Secret: only public keys are needed, and every line but the values stays", a.seal},
		{"Apply it: in the cluster, and nowhere else, it becomes a Secret", a.apply},
		{"A sealed value that somebody changed is refused, and the last good Secret stays", a.tamper},
		{"A copy in another namespace is refused: it was sealed for this one", a.copyElsewhere},
		{"Which manifests are open, by which key, and which are not", a.status},
		{"The good one again", a.heal},
	} {
		s.step(scene.title)
		if err := scene.act(ctx); err != nil {
			return fmt.Errorf("step %d: %w", s.steps, err)
		}
	}
	return nil
}

// do shows a command, runs it, and shows what it says. It may not fail.
func (a *actor) do(ctx context.Context, args ...string) error {
	a.command(args...)
	said, err := a.Call(ctx, "", args...)
	a.output(said.Err + said.Out)
	if err == nil && said.Code != 0 {
		err = fmt.Errorf("%s: exit code %d", args[0], said.Code)
	}
	return err
}

func (a *actor) install(ctx context.Context) error {
	a.command("kubectl apply --server-side -k k8s-controller/deploy/modes/cluster-wide")
	out, err := a.Must(ctx, "", "kubectl", "apply", "--server-side", "-k", "k8s-controller/deploy/modes/cluster-wide")
	if err != nil {
		return err
	}
	a.output(fmt.Sprintf("%d objects", strings.Count(out, "\n")))
	_, err = a.Must(ctx, "", "kubectl", "wait", "--for=condition=Established", patience, "-f", "k8s-controller/deploy/crd/gitseal.dev_sealedmanifests.yaml", "-f", "k8s-controller/deploy/crd/gitseal.dev_sealkeyrings.yaml")
	return err
}

func (a *actor) makeKeyring(ctx context.Context) error {
	a.command("gitseal-controller init --recovery-out recovery.txt >> .sops.yaml")
	said, err := a.Call(ctx, "", controllerName, "init", "--recovery-out", "recovery.txt")
	if err != nil {
		return err
	}
	a.output(said.Err)
	if said.Code != 0 {
		return fmt.Errorf("init: exit code %d", said.Code)
	}
	if err := os.WriteFile(filepath.Join(a.Work, ".sops.yaml"), []byte(said.Out), 0o600); err != nil {
		return err
	}
	a.say("   (there is no node in this cluster, so that the Deployment's program is started beside it,\n    with the Deployment's arguments and the rights of its service account)\n")
	if runs, err := a.SyncController(ctx); err != nil || !runs {
		return errors.Join(err, errors.New("the controller does not run"))
	}
	return a.do(ctx, "kubectl", "wait", "--for=condition=Ready", patience, "sealkeyring/default")
}

// seal makes up a Secret and seals it. The plain text never gets onto the disk.
func (a *actor) seal(ctx context.Context) error {
	plain := "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: shop\n  labels: {app: shop}\nstringData:\n  user: shop   # the owner\n  password: " + rand.Text() + "\n"
	a.output(strings.Replace(plain, plain[strings.Index(plain, "password: "):], "password: "+mask+"\n", 1))
	a.command("gitseal seal --manifest --path", good, "- >", good)
	said, err := a.Call(ctx, plain, "gitseal", "seal", "--manifest", "--path", good, "-")
	if err != nil {
		return err
	}
	if said.Code != 0 {
		return fmt.Errorf("sealing: exit code %d: %s", said.Code, said.Err)
	}
	a.output(abridged(said.Out))
	return a.write(good, said.Out)
}

func (a *actor) write(name, text string) error {
	return os.WriteFile(filepath.Join(a.Work, name), []byte(text), 0o600)
}

// abridged cuts what is long in a sealed file.
func abridged(text string) string {
	const widest = 100
	var out strings.Builder
	inKey := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.Contains(line, "BEGIN AGE"):
			inKey = true
			continue
		case strings.Contains(line, "END AGE"):
			inKey = false
			line = "            (the data key, wrapped for this reader)"
		case inKey:
			continue
		}
		if r := []rune(line); len(r) > widest {
			line = string(r[:widest]) + "…"
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}

func (a *actor) apply(ctx context.Context) error {
	if err := a.do(ctx, "kubectl", "create", "namespace", "shop"); err != nil {
		return err
	}
	if err := a.do(ctx, "kubectl", "apply", "-f", good); err != nil {
		return err
	}
	if err := a.do(ctx, "kubectl", "-n", "shop", "wait", "--for=condition=Ready", patience, "sealedmanifest/db"); err != nil {
		return err
	}
	a.command("kubectl -n shop get secret db")
	s, err := a.secret(ctx)
	if err != nil {
		return err
	}
	keys := make([]string, 0, len(s.Data))
	for key := range s.Data {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		a.say("   %-10s %s\n", key, mask)
	}
	if a.wantsToSee() {
		for _, key := range keys {
			a.say("   %-10s %s\n", key, s.Data[key])
		}
	}
	return nil
}

// secret is the Secret that the play is about.
type secret struct {
	Metadata struct{ UID, ResourceVersion string }
	Data     map[string][]byte
}

func (a *actor) secret(ctx context.Context) (secret, error) {
	var s secret
	text, err := a.Must(ctx, "", "kubectl", "-n", "shop", "get", "secret", "db", "-o", "json")
	if err == nil {
		err = json.Unmarshal([]byte(text), &s)
	}
	return s, err
}

func (a *actor) tamper(ctx context.Context) error {
	before, err := a.secret(ctx)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(a.Work, good))
	if err != nil {
		return err
	}
	changed, err := withOtherByte(string(text))
	if err != nil {
		return err
	}
	if err := a.write(tampered, changed); err != nil {
		return err
	}
	a.say("   (%s is %s with one character of the sealed user changed)\n", tampered, good)
	if err := a.refused(ctx, "shop", tampered); err != nil {
		return err
	}
	after, err := a.secret(ctx)
	if err != nil {
		return err
	}
	if before.Metadata != after.Metadata {
		return errors.New("the Secret was touched, which must not happen")
	}
	a.say("   The Secret is the one that it was: uid %s, resourceVersion %s.\n", after.Metadata.UID, after.Metadata.ResourceVersion)
	return nil
}

// withOtherByte changes the first character of the first sealed value.
func withOtherByte(text string) (string, error) {
	const begin = "ENC[AES256_GCM,data:"
	before, after, found := strings.Cut(text, begin)
	if !found || after == "" {
		return "", errors.New("the file holds no sealed value")
	}
	other := "A"
	if after[0] == 'A' {
		other = "B"
	}
	return before + begin + other + after[1:], nil
}

// refused applies a file that has to be refused, and shows why it is.
func (a *actor) refused(ctx context.Context, namespace, file string) error {
	if err := a.do(ctx, "kubectl", "apply", "-f", file); err != nil {
		return err
	}
	if err := a.do(ctx, "kubectl", "-n", namespace, "wait", "--for=condition=Ready=False", patience, "sealedmanifest/db"); err != nil {
		return err
	}
	out, err := a.Must(ctx, "", "kubectl", "-n", namespace, "get", "sealedmanifest", "db", "-o", `jsonpath={range .status.conditions[?(@.type=="Ready")]}{.reason}: {.message}{end}`)
	a.output(out)
	return err
}

func (a *actor) copyElsewhere(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(a.Work, good))
	if err != nil {
		return err
	}
	if err := a.write(copied, strings.Replace(string(text), "namespace: shop", "namespace: blog", 1)); err != nil {
		return err
	}
	if err := a.do(ctx, "kubectl", "create", "namespace", "blog"); err != nil {
		return err
	}
	a.say("   (%s is %s with the namespace blog)\n", copied, good)
	if err := a.refused(ctx, "blog", copied); err != nil {
		return err
	}
	out, err := a.Must(ctx, "", "kubectl", "-n", "blog", "get", "secrets", "-o", "name")
	if err == nil && out != "" {
		err = errors.New("there is a Secret, which must not be")
	}
	a.say("   There is no Secret in blog.\n")
	return err
}

func (a *actor) status(ctx context.Context) error {
	a.command("gitseal k8s status -A")
	said, err := a.Call(ctx, "", "gitseal", "k8s", "status", "-A")
	a.output(said.Out + said.Err)
	const failing = 3
	if err == nil && said.Code != failing {
		err = fmt.Errorf("gitseal k8s status: exit code %d, and %d says that something fails", said.Code, failing)
	}
	return err
}

func (a *actor) heal(ctx context.Context) error {
	if err := a.do(ctx, "kubectl", "delete", "-f", copied); err != nil {
		return err
	}
	if err := a.do(ctx, "kubectl", "apply", "-f", good); err != nil {
		return err
	}
	if err := a.do(ctx, "kubectl", "-n", "shop", "wait", "--for=condition=Ready", patience, "sealedmanifest/db"); err != nil {
		return err
	}
	return a.do(ctx, "gitseal", "k8s", "status", "-A")
}
