package hckmstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// authorization is the header of Huawei Cloud's request signatures.
var authorization = regexp.MustCompile(`^SDK-HMAC-SHA256 Access=([^, ]+), SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$`)

// maxSkew is how far the clocks may be apart.
const maxSkew = 15 * time.Minute

const maxBody = 1 << 20

// authenticate checks the signature of a request and returns its body.
func (s *Server) authenticate(r *http.Request) ([]byte, *apiError) {
	m := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	refused := &apiError{401, "APIGW.0301", "Incorrect IAM authentication information: verify aksk signature fail, " + r.Header.Get("Authorization")}
	if m == nil || err != nil || m[1] != s.AccessKey {
		return nil, refused
	}
	signed := strings.Split(m[2], ";")
	date, err := time.Parse("20060102T150405Z", r.Header.Get("X-Sdk-Date"))
	if err != nil || time.Since(date).Abs() > maxSkew || !slices.IsSorted(signed) || !slices.Contains(signed, "x-sdk-date") {
		return nil, refused
	}
	sum := sha256.Sum256([]byte(canonical(r, signed, body)))
	mac := hmac.New(sha256.New, []byte(s.SecretKey))
	io.WriteString(mac, "SDK-HMAC-SHA256\n"+r.Header.Get("X-Sdk-Date")+"\n"+hex.EncodeToString(sum[:])) // hashes do not fail
	if !hmac.Equal([]byte(m[3]), []byte(hex.EncodeToString(mac.Sum(nil)))) {
		return nil, refused
	}
	return body, nil
}

// canonical returns the canonical form of a request: method, path, query, the
// signed headers with their values, their names, and the hash of the body.
func canonical(r *http.Request, signed []string, body []byte) string {
	path := r.URL.EscapedPath()
	if !strings.HasSuffix(path, "/") {
		path += "/"
	}
	var query []string
	for name, values := range r.URL.Query() {
		for _, v := range values {
			query = append(query, escape(name)+"="+escape(v))
		}
	}
	slices.Sort(query)
	var headers strings.Builder
	for _, name := range signed {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		headers.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	sum := sha256.Sum256(body)
	return strings.Join([]string{
		r.Method, path, strings.Join(query, "&"), headers.String(), strings.Join(signed, ";"), hex.EncodeToString(sum[:]),
	}, "\n")
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
