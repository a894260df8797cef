package chaostest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
)

// etcd reads a control plane's etcd by its JSON gateway.
type etcd struct{ url string }

// findEtcd takes the address from etcd's own log.
func findEtcd(dir string) (etcd, error) {
	log, err := os.ReadFile(filepath.Join(dir, "etcd.log"))
	if err != nil {
		return etcd{}, err
	}
	m := regexp.MustCompile(`"advertise-client-urls":\["(http://127\.0\.0\.1:\d+)"\]`).FindSubmatch(log)
	if m == nil {
		return etcd{}, errors.New("etcd's log does not name its address")
	}
	return etcd{string(m[1])}, nil
}

// event is one write of a key. The gateway has numbers as strings.
type event struct {
	Type string `json:"type"` // PUT if empty
	KV   struct {
		Key   []byte `json:"key"`
		Value []byte `json:"value"`
		Mod   string `json:"mod_revision"`
	} `json:"kv"`
}

func (e event) revision() int64 {
	n, _ := strconv.ParseInt(e.KV.Mod, 10, 64) // etcd always has one
	return n
}

// revision returns that of the last write.
func (e etcd) revision(ctx context.Context) (int64, error) {
	var out struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	res, err := e.post(ctx, "/v3/kv/range", map[string]any{"key": []byte("none")})
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return 0, err
	}
	return strconv.ParseInt(out.Header.Revision, 10, 64)
}

// events returns all writes below a prefix since the beginning, in order.
func (e etcd) events(ctx context.Context, prefix string) ([]event, error) {
	end, err := e.revision(ctx)
	if err != nil {
		return nil, err
	}
	// The watch ends with a write of our own, at a key of the prefix.
	last := prefix + "~end"
	put, err := e.post(ctx, "/v3/kv/put", map[string]any{"key": []byte(last), "value": []byte("x")})
	if err != nil {
		return nil, err
	}
	put.Body.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	to := []byte(prefix)
	to[len(to)-1]++
	res, err := e.post(ctx, "/v3/watch", map[string]any{"create_request": map[string]any{"key": []byte(prefix), "range_end": to, "start_revision": "1"}})
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return collect(json.NewDecoder(res.Body), last, end)
}

func collect(d *json.Decoder, last string, end int64) ([]event, error) {
	var out []event
	for {
		var m struct {
			Result struct {
				Events  []event `json:"events"`
				Reason  string  `json:"cancel_reason"`
				Compact string  `json:"compact_revision"`
			} `json:"result"`
		}
		if err := d.Decode(&m); err != nil {
			return nil, fmt.Errorf("reading etcd's history: %w", err)
		}
		if m.Result.Reason != "" || m.Result.Compact != "" && m.Result.Compact != "0" {
			return nil, fmt.Errorf("etcd's history is not whole: %s", m.Result.Reason)
		}
		for _, e := range m.Result.Events {
			if string(e.KV.Key) == last && e.revision() > end {
				return out, nil
			}
			if string(e.KV.Key) != last {
				out = append(out, e)
			}
		}
	}
}

func (e etcd) post(ctx context.Context, path string, body any) (*http.Response, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+path, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("etcd answers %s to %s", res.Status, path)
	}
	return res, nil
}

// readHistory reads what etcd has of everything that is checked.
func readHistory(ctx context.Context, e etcd, h *history) error {
	secrets, err := e.events(ctx, "/registry/secrets/")
	if err == nil {
		h.secrets, err = secretChanges(secrets)
	}
	if err != nil {
		return err
	}
	for prefix, into := range map[string]*map[types.UID]life{
		"/registry/gitseal.dev/sealedmanifests/": &h.manifests, "/registry/namespaces/": &h.namespaces,
	} {
		events, err := e.events(ctx, prefix)
		if err == nil {
			*into, err = lives(events)
		}
		if err == nil && into == &h.manifests {
			h.sources, err = sources(events)
		}
		if err != nil {
			return err
		}
	}
	leases, err := e.events(ctx, "/registry/leases/"+system+"/")
	if err == nil {
		h.leases, err = tenures(leases)
	}
	return err
}

func secretChanges(events []event) ([]change, error) {
	var out []change
	now := map[string]*corev1.Secret{}
	for _, e := range events {
		key := strings.TrimPrefix(string(e.KV.Key), "/registry/secrets/")
		ns, name, _ := strings.Cut(key, "/")
		c := change{revision: e.revision(), namespace: ns, name: name, before: now[key]}
		if e.Type != "DELETE" {
			c.after = &corev1.Secret{}
			if err := decode(e.KV.Value, c.after); err != nil {
				return nil, err
			}
			c.after.ResourceVersion = e.KV.Mod
		}
		now[key] = c.after
		out = append(out, c)
	}
	return out, nil
}

// lives returns when objects were, by their UIDs.
func lives(events []event) (map[types.UID]life, error) {
	out, now := map[types.UID]life{}, map[string]types.UID{}
	for _, e := range events {
		key := string(e.KV.Key)
		if e.Type == "DELETE" {
			end(out, now[key], e.revision())
			continue
		}
		o, err := metadataOf(e.KV.Value)
		if err != nil {
			return nil, err
		}
		now[key] = o.UID
		if _, known := out[o.UID]; !known {
			out[o.UID] = life{namespace: o.Namespace, name: o.Name, born: e.revision()}
		}
		if o.DeletionTimestamp != nil {
			end(out, o.UID, e.revision())
		}
	}
	return out, nil
}

// sources returns since when there was a manifest of a revision, see [history].
func sources(events []event) (map[source]int64, error) {
	out := map[source]int64{}
	for _, e := range events {
		if e.Type == "DELETE" {
			continue
		}
		o, err := metadataOf(e.KV.Value)
		if err != nil {
			return nil, err
		}
		if n, err := strconv.Atoi(o.Annotations[revisionOf]); err == nil {
			if at := (source{o.Namespace, o.Name, n}); out[at] == 0 {
				out[at] = e.revision()
			}
		}
	}
	return out, nil
}

func end(lives map[types.UID]life, uid types.UID, revision int64) {
	if l, known := lives[uid]; known && l.died == 0 {
		l.died = revision
		lives[uid] = l
	}
}

// metadataOf reads the two kinds of objects whose lives matter: our own are JSON.
func metadataOf(data []byte) (metav1.ObjectMeta, error) {
	if bytes.HasPrefix(data, []byte("{")) {
		var o object
		err := json.Unmarshal(data, &o)
		return o.Metadata, err
	}
	ns := &corev1.Namespace{}
	err := decode(data, ns)
	return ns.ObjectMeta, err
}

func tenures(events []event) ([]tenure, error) {
	var out []tenure
	for _, e := range events {
		t := tenure{revision: e.revision()}
		if e.Type != "DELETE" {
			l := &coordinationv1.Lease{}
			if err := decode(e.KV.Value, l); err != nil {
				return nil, err
			}
			if l.Spec.HolderIdentity != nil {
				t.holder = *l.Spec.HolderIdentity
			}
		}
		if n := len(out); n == 0 || out[n-1].holder != t.holder {
			out = append(out, t)
		}
	}
	return out, nil
}

// decode reads an object as the API server stores it.
func decode(data []byte, into runtime.Object) error {
	_, _, err := clientscheme.Codecs.UniversalDeserializer().Decode(data, nil, into)
	return err
}
