package chaostest_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// restoreEtcd sets etcd back to what it had a while ago, as an administrator does with a
// backup: the API server is away meanwhile, and what keeps caches is restarted, but
// for our replicas, every other time.
func (l *lane) restoreEtcd() error {
	backup := filepath.Join(l.t.TempDir(), "etcd")
	l.cluster.KillEtcd()
	err := os.CopyFS(backup, os.DirFS(l.cluster.EtcdData()))
	c := setback{copied: time.Now()}
	l.cluster.StartEtcd()
	if err != nil {
		return err
	}
	l.brief(4)

	l.cluster.KillControllerManager()
	l.cluster.KillAPIServer()
	if err := l.endTimeline(&c); err != nil {
		return err
	}
	l.cluster.KillEtcd()
	if err := os.RemoveAll(l.cluster.EtcdData()); err != nil {
		return err
	}
	if err := os.Rename(backup, l.cluster.EtcdData()); err != nil {
		return err
	}
	l.cluster.StartEtcd()
	l.cluster.StartAPIServer()
	l.cluster.StartControllerManager()
	if l.restoredBefore()%2 == 1 {
		for _, r := range l.replicas {
			r.signal(syscall.SIGKILL)
		}
		l.count("replicas restarted after etcd was restored")
	}
	// A GitOps controller compares all that it has with the cluster, again and again.
	l.applyAgain(l.spaces...)
	l.brief(2)
	return nil
}

// restoredBefore is how often etcd was restored before this time, and whether the first
// time counts as one: the seed says.
func (l *lane) restoredBefore() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.past) + int(l.settings.seed%2)
}

// endTimeline reads the history that is about to be lost. There is no API
// server meanwhile.
func (w *world) endTimeline(c *setback) error {
	e, err := findEtcd(w.cluster.Dir())
	if err != nil {
		return err
	}
	h := &history{}
	if err := readHistory(w.t.Context(), e, h); err != nil {
		return err
	}
	leads, _ := w.leader()
	c.restored, c.leader = time.Now(), leads.user
	w.mu.Lock()
	defer w.mu.Unlock()
	w.past, w.cuts = append(w.past, h), append(w.cuts, *c)
	return nil
}

// timelines returns the histories that came to be, the one that is left last.
func (w *world) timelines() ([]*history, error) {
	e, err := findEtcd(w.cluster.Dir())
	if err != nil {
		return nil, err
	}
	last := &history{}
	if err := readHistory(w.t.Context(), e, last); err != nil {
		return nil, err
	}
	var calls []call
	sent := map[string]time.Time{}
	for _, r := range w.replicas {
		r.proxy.mu.Lock()
		maps.Copy(sent, r.proxy.sent)
		r.proxy.mu.Unlock()
	}
	err = readAudit(w.cluster.AuditFile(), func(_ []byte, e entry) {
		if c, ok := callOf(e, sent); ok {
			calls = append(calls, c)
		}
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	all := append(slices.Clone(w.past), last)
	for i, h := range all {
		h.stops, h.handDeleted = slices.Clone(w.stops), maps.Clone(w.deleted)
		h.lease = w.settings.lease[0]
		h.fill(calls, w.cuts, i)
	}
	return all, err
}
