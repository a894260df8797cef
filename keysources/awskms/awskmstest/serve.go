package awskmstest

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody is the size in bytes of the largest request that is read.
const maxBody = 1 << 20

// failure is an error that the server answers with.
type failure struct {
	status        int
	code, message string
}

func fail(code, message string) *failure {
	return &failure{status: http.StatusBadRequest, code: code, message: message}
}

// request is a request with what was found out about it.
type request struct {
	*http.Request
	body []byte
	// region is the one that it was signed for, caller who signed it.
	region string
	caller principal
}

// serve tells the services apart as they do themselves: by path and headers.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "", http.StatusRequestEntityTooLarge)
		return
	}
	req := &request{Request: r, body: body}
	switch mood := s.moodNow(); {
	case mood == silent:
		select {
		case <-r.Context().Done():
		case <-s.closed:
		}
		panic(http.ErrAbortHandler) // or the answer would be an empty one
	case mood == hollow:
		s.serveHollow(w, req)
	case r.Header.Get("X-Amz-Target") != "":
		s.serveKMS(w, req)
	case r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		s.serveSTS(w, req)
	case strings.HasPrefix(r.URL.Path, "/latest/"):
		s.serveMetadata(w, req)
	case r.URL.Path == containerPath:
		s.serveContainer(w, req)
	case r.URL.Path == ssoPath:
		s.serveSSO(w, req)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) moodNow() mood {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mood
}

// serveHollow says that all went well, in the form of the service, and no more.
func (s *Server) serveHollow(w http.ResponseWriter, r *request) {
	form, err := url.ParseQuery(string(r.body))
	if action := form.Get("Action"); err == nil && action != "" {
		sendXML(w, http.StatusOK, stsResponse{
			XMLName: xml.Name{Local: action + "Response"}, Namespace: stsNamespace,
			Result: stsResult{XMLName: xml.Name{Local: action + "Result"}},
		})
		return
	}
	sendJSON(w, struct{}{})
}

// begin counts a call of KMS and returns what is to be done to it.
func (s *Server) begin(operation string) (latency time.Duration, f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[operation]++
	s.current++
	s.most = max(s.most, s.current)
	if len(s.faults) > 0 {
		f = &s.faults[0]
		s.faults = s.faults[1:]
	}
	return s.latency, f
}

func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current--
}

func (s *Server) count(operation string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[operation]++
}

// serveKMS speaks AWS JSON 1.1.
func (s *Server) serveKMS(w http.ResponseWriter, r *request) {
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	latency, fault := s.begin(operation)
	defer s.end()
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-r.Context().Done():
			return
		}
	}
	if fault != nil {
		sendFault(w, *fault)
		return
	}
	call := operations[operation]
	if !ok || call == nil || r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != jsonType {
		sendJSON(w, fail("UnknownOperationException", ""))
		return
	}
	if f := s.authenticate(r, "kms"); f != nil {
		sendJSON(w, f)
		return
	}
	var in kmsInput
	if err := json.Unmarshal(r.body, &in); err != nil {
		sendJSON(w, fail("SerializationException", ""))
		return
	}
	out, f := call(s, r, in)
	if f != nil {
		sendJSON(w, f)
		return
	}
	sendJSON(w, out)
}

const jsonType = "application/x-amz-json-1.1"

func sendJSON(w http.ResponseWriter, v any) {
	status := http.StatusOK
	if f, ok := v.(*failure); ok {
		status, v = f.status, map[string]string{"__type": f.code, "message": f.message}
	}
	data, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	w.Write(data) // a client that is gone needs no answer
}

func sendFault(w http.ResponseWriter, f Fault) {
	if f.Code == "" {
		http.Error(w, "<html>something in between</html>", f.Status)
		return
	}
	sendJSON(w, &failure{status: f.Status, code: f.Code, message: "injected"})
}
