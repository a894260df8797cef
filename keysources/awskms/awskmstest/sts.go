package awskmstest

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stsNamespace is the one of its answers.
const stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// sessionNameForm is what STS takes as the name of a session.
var sessionNameForm = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

// stsNames are STS's names of the errors of authentication.
var stsNames = map[string]string{
	"MissingAuthenticationTokenException": "MissingAuthenticationToken",
	"InvalidSignatureException":           "SignatureDoesNotMatch",
	"UnrecognizedClientException":         "InvalidClientTokenId",
	"ExpiredTokenException":               "ExpiredToken",
}

type stsCredentials struct {
	AccessKeyId, SecretAccessKey, SessionToken, Expiration string
}

type stsUser struct{ AssumedRoleId, Arn string }

type stsResult struct {
	XMLName         xml.Name
	AssumedRoleUser *stsUser        `xml:",omitempty"`
	Credentials     *stsCredentials `xml:",omitempty"`
	Arn             string          `xml:",omitempty"`
	Account         string          `xml:",omitempty"`
}

type stsResponse struct {
	XMLName   xml.Name
	Namespace string `xml:"xmlns,attr"`
	Result    stsResult
}

type stsError struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Error     struct{ Type, Code, Message string }
	RequestId string
}

// serveSTS speaks the query API.
func (s *Server) serveSTS(w http.ResponseWriter, r *request) {
	form, err := url.ParseQuery(string(r.body))
	if err != nil || form.Get("Version") != "2011-06-15" {
		sendXMLError(w, fail("InvalidAction", "no such action or version"))
		return
	}
	action := form.Get("Action")
	s.count(action)
	// A web identity stands for itself; all else is signed.
	if action != "AssumeRoleWithWebIdentity" {
		if f := s.authenticate(r, "sts"); f != nil {
			sendXMLError(w, &failure{status: http.StatusForbidden, code: stsNames[f.code], message: f.message})
			return
		}
	}
	var result stsResult
	var f *failure
	switch action {
	case "AssumeRole":
		result, f = s.assumeRole(form, func(role Role) *failure {
			if !slices.Contains(role.TrustedBy, r.caller.arn) {
				return denied(r.caller.arn + " is not authorized to perform: sts:AssumeRole on resource: " + role.ARN)
			}
			return nil
		})
	case "AssumeRoleWithWebIdentity":
		result, f = s.assumeRole(form, func(role Role) *failure {
			if form.Get("WebIdentityToken") != s.tokens.web {
				return fail("InvalidIdentityToken", "The provided token is not valid")
			}
			if !role.WebIdentity {
				return denied("Not authorized to perform sts:AssumeRoleWithWebIdentity")
			}
			return nil
		})
	case "GetCallerIdentity":
		result = stsResult{Arn: r.caller.arn, Account: Account}
	default:
		f = fail("InvalidAction", "no such action")
	}
	if f != nil {
		sendXMLError(w, f)
		return
	}
	result.XMLName.Local = action + "Result"
	sendXML(w, http.StatusOK, stsResponse{XMLName: xml.Name{Local: action + "Response"}, Namespace: stsNamespace, Result: result})
}

func denied(message string) *failure {
	return &failure{status: http.StatusForbidden, code: "AccessDenied", message: message}
}

// assumeRole gives credentials of a role if it trusts the caller.
func (s *Server) assumeRole(form url.Values, trusts func(Role) *failure) (stsResult, *failure) {
	arn, name := form.Get("RoleArn"), form.Get("RoleSessionName")
	if !sessionNameForm.MatchString(name) || !strings.HasPrefix(arn, "arn:aws") || len(arn) < 20 {
		return stsResult{}, fail("ValidationError", "RoleArn or RoleSessionName is not valid")
	}
	seconds := 3600
	if text := form.Get("DurationSeconds"); text != "" {
		var err error
		if seconds, err = strconv.Atoi(text); err != nil || seconds < 900 || seconds > 43200 {
			return stsResult{}, fail("ValidationError", "DurationSeconds is not valid")
		}
	}
	s.mu.Lock()
	role, ok := s.roles[arn]
	s.sessions = append(s.sessions, name)
	s.mu.Unlock()
	if !ok {
		// A role that does not exist looks like one that trusts nobody.
		return stsResult{}, denied("not authorized to perform: sts:AssumeRole on resource: " + arn)
	}
	if f := trusts(role); f != nil {
		return stsResult{}, f
	}
	p := s.newSession(arn, time.Duration(seconds)*time.Second)
	return stsResult{
		AssumedRoleUser: &stsUser{AssumedRoleId: "AROA" + p.accessKey[4:] + ":" + name, Arn: strings.Replace(strings.Replace(arn, ":iam:", ":sts:", 1), ":role/", ":assumed-role/", 1) + "/" + name},
		Credentials:     &stsCredentials{AccessKeyId: p.accessKey, SecretAccessKey: p.secret, SessionToken: p.token, Expiration: p.expires.UTC().Format(time.RFC3339)},
	}, nil
}

func sendXML(w http.ResponseWriter, status int, v any) {
	data, err := xml.Marshal(v)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	w.Write(data) // a client that is gone needs no answer
}

func sendXMLError(w http.ResponseWriter, f *failure) {
	e := stsError{Namespace: stsNamespace, RequestId: "00000000-0000-4000-8000-000000000000"}
	e.Error.Type, e.Error.Code, e.Error.Message = "Sender", f.code, f.message
	sendXML(w, f.status, e)
}
