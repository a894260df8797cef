package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/k8s-controller/deploy"
	"github.com/gitseal/gitseal/keysources/age"
)

const controllerNamespace = "gitseal-system"

// Goals for 10,000 manifests.
const (
	goalCold    = time.Minute
	goalRestart = 10 * time.Second
	goalProbe   = time.Second
)

// churned is how many of all manifests are changed at once.
const churned = 100 // one of

// k8sDetail is what was measured of our controller only.
type k8sDetail struct {
	// Probes are the times that new manifests took to become ready while the backlog
	// of the cold start was worked off.
	Probes []time.Duration `json:"probes_ns"`
	// Changed manifests, all at once.
	Changed int      `json:"changed"`
	Churn   k8sPhase `json:"churn"`
	// Killed and Told are the times from the end of the leader to the first manifest
	// that the other replica has applied.
	Killed time.Duration `json:"failover_killed_ns"`
	Told   time.Duration `json:"failover_told_ns"`
}

// lane of our controller.
type oursLane struct {
	*plane
	bin, account string
	sealer       sealer
	watch        *watch
	secrets      []secretOf
	started      int
	profile      string // folder
}

// k8sOurs measures gitseal-controller.
func (b *bench) k8sOurs(ctx context.Context, n int) (k8sLane, *k8sDetail, error) {
	ctx, cancel := context.WithCancel(ctx) // ends what still runs
	defer cancel()
	lane, detail := k8sLane{Name: "gitseal", Manifests: n}, &k8sDetail{}
	p, err := b.startPlane(ctx, k8sName)
	if err != nil {
		return lane, nil, err
	}
	defer p.Close()
	o := &oursLane{plane: p, profile: b.options.profile}
	if err := o.install(ctx); err != nil {
		return lane, nil, err
	}
	if err := o.fill(ctx, n); err != nil {
		return lane, nil, err
	}
	c, err := o.cold(ctx, &lane, detail)
	if err != nil {
		return lane, nil, fmt.Errorf("cold start: %w", err)
	}
	c.stop()
	if c, err = o.restart(ctx, &lane); err != nil {
		return lane, nil, fmt.Errorf("restart: %w", err)
	}
	if err := o.churn(ctx, c, detail); err != nil {
		return lane, nil, fmt.Errorf("changes: %w", err)
	}
	if err := o.failover(ctx, c, detail); err != nil {
		return lane, nil, fmt.Errorf("failover: %w", err)
	}
	return lane, detail, nil
}

// install does what the documentation says: the manifests of the usual mode, and init.
func (o *oursLane) install(ctx context.Context) error {
	files := filepath.Join(o.dir, "deploy")
	if err := os.CopyFS(files, deploy.Files()); err != nil {
		return err
	}
	if _, err := o.kubectl(ctx, "apply", "--server-side", "-k", filepath.Join(files, "modes", "cluster-wide")); err != nil {
		return err
	}
	if _, err := o.kubectl(ctx, "wait", "--for=condition=Established", "--timeout=120s", "-f", filepath.Join(files, "crd", "gitseal.dev_sealedmanifests.yaml"),
		"-f", filepath.Join(files, "crd", "gitseal.dev_sealkeyrings.yaml")); err != nil {
		return err
	}
	var err error
	if o.bin, err = o.build(ctx); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, o.bin, "init", "--kubeconfig", o.kubeconfig, "--recovery-out", filepath.Join(o.dir, "recovery"))
	cmd.Env = o.env()
	rule, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("gitseal-controller init: %w", err)
	}
	if err := o.readers(string(rule)); err != nil {
		return err
	}
	if o.account, _, err = o.plane.account(ctx, controllerNamespace, "gitseal-controller"); err != nil {
		return err
	}
	return o.namespaces(ctx)
}

// readers takes the recipients out of the rule that init printed.
func (o *oursLane) readers(rule string) error {
	for _, text := range regexp.MustCompile(`age1[0-9a-z]+`).FindAllString(rule, -1) {
		r, err := age.ParseRecipient(text)
		if err != nil {
			return err
		}
		o.sealer.recipients = append(o.sealer.recipients, r)
	}
	if len(o.sealer.recipients) != 2 {
		return fmt.Errorf("%w: init named %d readers, not the cluster and the recovery key", errWrong, len(o.sealer.recipients))
	}
	var err error
	o.sealer.selector, err = cipher.NewSelector(cipher.EncryptedRegex, `^(data|stringData)$`)
	return err
}

// fill seals and makes the manifests, while no controller runs.
func (o *oursLane) fill(ctx context.Context, n int) error {
	began := time.Now()
	for i := range n {
		o.secrets = append(o.secrets, secretAt(i))
	}
	objects, err := o.sealer.sealAll(ctx, o.secrets)
	if err != nil {
		return err
	}
	o.log("sealed %d manifests in %s", n, time.Since(began).Round(time.Millisecond))
	began = time.Now()
	if err := o.createAll(ctx, manifestsPath, o.secrets, objects); err != nil {
		return err
	}
	o.log("made them in the cluster in %s", time.Since(began).Round(time.Millisecond))
	if o.watch, err = o.api.startWatch(ctx, manifestsPath, "Ready"); err != nil {
		return err
	}
	return o.watch.known(ctx, n)
}

// start runs a replica as the Deployment says, but for metrics without TLS.
func (o *oursLane) start(ctx context.Context) (*controllerProcess, error) {
	metrics, err := freeAddress()
	if err != nil {
		return nil, err
	}
	health, err := freeAddress()
	if err != nil {
		return nil, err
	}
	o.started++
	c, err := startController(ctx, filepath.Join(o.dir, fmt.Sprintf("controller-%d.log", o.started)), []string{"HOME=" + o.dir},
		o.bin, "run", "--leader-elect", "--kubeconfig="+o.account, "--keyring-namespace="+controllerNamespace,
		"--metrics-secure=false", "--metrics-addr="+metrics, "--health-addr="+health)
	if err != nil {
		return nil, err
	}
	c.metrics, c.health = "http://"+metrics+"/metrics", "http://"+health+"/readyz"
	return c, nil
}

// cold starts the controller where nothing has been opened yet, and makes new
// manifests meanwhile.
func (o *oursLane) cold(ctx context.Context, lane *k8sLane, d *k8sDetail) (*controllerProcess, error) {
	before, err := o.snapshot(ctx, nil)
	if err != nil {
		return nil, err
	}
	c, err := o.start(ctx)
	if err != nil {
		return nil, err
	}
	backlog := slices.Clone(o.secrets)
	profiled := o.profileServer(ctx)
	if err := o.probe(ctx, c, d); err != nil {
		return c, err
	}
	end, err := o.watch.allReady(ctx, len(backlog))
	if err != nil {
		return c, errors.Join(err, c.ended())
	}
	if lane.Cold, err = o.phase(ctx, c, before); err != nil {
		return c, err
	}
	lane.Cold.Wall = end.Sub(c.started)
	if err := <-profiled; err != nil {
		return c, err
	}
	o.log("cold start: %s, %d probes", lane.Cold.Wall.Round(time.Millisecond), len(d.Probes))
	return c, o.check(ctx, o.secrets)
}

// profileServer writes, from now on, where the API server's CPU time goes, if that was
// asked for. The channel gets one answer.
func (o *oursLane) profileServer(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	if o.profile == "" {
		done <- nil
		return done
	}
	go func() {
		data, err := o.api.do(ctx, http.MethodGet, "/debug/pprof/profile?seconds=20", jsonBody, nil)
		if err == nil {
			err = os.WriteFile(filepath.Join(o.profile, "kube-apiserver.pprof"), data, 0o600)
		}
		done <- err
	}()
	return done
}

// probe makes a new manifest now and then as long as there is a backlog, from when the
// controller has begun with that: what was there before is part of it.
func (o *oursLane) probe(ctx context.Context, c *controllerProcess, d *k8sDetail) error {
	const every = time.Second
	err := until(ctx, pollTime, "the first manifest is opened", func() (bool, error) {
		return o.watch.backlog() < len(o.secrets), c.ended()
	})
	if err != nil {
		return err
	}
	for number := len(o.secrets); ; number++ {
		s := secretAt(number)
		s.name = fmt.Sprintf("probe-%d", number)
		object, err := o.sealer.seal(ctx, s)
		if err != nil {
			return err
		}
		// Less than this is done before the new manifest can be.
		if o.watch.backlog() < 100 {
			return nil
		}
		began := time.Now()
		if err := o.create(ctx, manifestsPath, s, object); err != nil {
			return err
		}
		at, err := o.watch.oneReady(ctx, s.key(), 1)
		if err != nil {
			return err
		}
		if o.watch.backlog() > 0 {
			d.Probes = append(d.Probes, at.Sub(began))
		}
		o.secrets = append(o.secrets, s)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}

// restart starts the controller where all is done, and waits until it has looked at
// everything.
func (o *oursLane) restart(ctx context.Context, lane *k8sLane) (*controllerProcess, error) {
	before, err := o.snapshot(ctx, nil)
	if err != nil {
		return nil, err
	}
	c, err := o.start(ctx)
	if err != nil {
		return nil, err
	}
	err = until(ctx, 20*time.Millisecond, "the controller has looked at all manifests", func() (bool, error) {
		text, err := c.scrape(ctx)
		return total(text, "gitseal_startup_steady_seconds") > 0, err
	})
	wall := time.Since(c.started)
	if err != nil {
		return c, err
	}
	// What comes late counts, too.
	if err := pause(ctx, 2*time.Second); err != nil {
		return c, err
	}
	if lane.Restart, err = o.phase(ctx, c, before); err != nil {
		return c, err
	}
	lane.Restart.Wall = wall
	o.log("restart: %s", wall.Round(time.Millisecond))
	text, err := c.scrape(ctx)
	if skipped := int(total(text, "gitseal_skipped_total")); err == nil && skipped < len(o.secrets) {
		err = fmt.Errorf("%w: only %d of %d manifests were looked at", errWrong, skipped, len(o.secrets))
	}
	return c, err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// churn changes some manifests at once.
func (o *oursLane) churn(ctx context.Context, c *controllerProcess, d *k8sDetail) error {
	d.Changed = max(1, len(o.secrets)/churned)
	var objects [][]byte
	for i := range d.Changed {
		o.secrets[i*churned].version++
		object, err := o.sealer.seal(ctx, o.secrets[i*churned])
		if err != nil {
			return err
		}
		objects = append(objects, object)
	}
	before, err := o.snapshot(ctx, c)
	if err != nil {
		return err
	}
	began := time.Now()
	generations := make([]int64, d.Changed)
	err = each(ctx, d.Changed, 8, func(ctx context.Context, i int) (err error) {
		generations[i], err = o.change(ctx, o.secrets[i*churned], objects[i])
		return err
	})
	if err != nil {
		return err
	}
	var last time.Time
	for i, g := range generations {
		at, err := o.watch.oneReady(ctx, o.secrets[i*churned].key(), g)
		if err != nil {
			return err
		}
		if at.After(last) {
			last = at
		}
	}
	if d.Churn, err = o.phase(ctx, c, before); err != nil {
		return err
	}
	d.Churn.Wall = last.Sub(began)
	o.log("%d changes: %s", d.Changed, d.Churn.Wall.Round(time.Millisecond))
	return o.check(ctx, o.secrets)
}

// failover ends the leader, first by force and then as Kubernetes does, and sees how
// long it takes until the other replica has applied a change.
func (o *oursLane) failover(ctx context.Context, leader *controllerProcess, d *k8sDetail) error {
	for _, end := range []struct {
		how  func(*controllerProcess)
		took *time.Duration
	}{
		{(*controllerProcess).kill, &d.Killed},
		{(*controllerProcess).stop, &d.Told},
	} {
		standby, err := o.start(ctx)
		if err != nil {
			return err
		}
		if err := standby.ready(ctx); err != nil {
			return err
		}
		s := &o.secrets[0]
		s.version++
		object, err := o.sealer.seal(ctx, *s)
		if err != nil {
			return err
		}
		began := time.Now()
		end.how(leader)
		generation, err := o.change(ctx, *s, object)
		if err != nil {
			return err
		}
		at, err := o.watch.oneReady(ctx, s.key(), generation)
		if err != nil {
			return err
		}
		*end.took = at.Sub(began)
		leader = standby
	}
	o.log("failover: %s killed, %s told to end", d.Killed.Round(time.Millisecond), d.Told.Round(time.Millisecond))
	leader.stop()
	return o.check(ctx, o.secrets[:1])
}
