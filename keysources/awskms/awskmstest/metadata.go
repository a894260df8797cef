package awskmstest

import (
	"net/http"
	"strings"
	"time"
)

// The paths of the services that give credentials to those who need not sign.
const (
	containerPath = "/container/credentials"
	ssoPath       = "/federation/credentials"
	metadataToken = "/latest/api/token"
	metadataRoles = "/latest/meta-data/iam/security-credentials/"
)

// hostSessionLife is how long the credentials of HostRole are valid.
const hostSessionLife = time.Hour

// serveMetadata is the metadata service of an instance, version 2: without a token
// it says nothing.
func (s *Server) serveMetadata(w http.ResponseWriter, r *request) {
	if r.URL.Path == metadataToken {
		s.count("metadata token")
		if r.Method != http.MethodPut || r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") == "" {
			http.Error(w, "", http.StatusBadRequest)
			return
		}
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		w.Write([]byte(s.tokens.metadata)) // a client that is gone needs no answer
		return
	}
	if r.Header.Get("X-Aws-Ec2-Metadata-Token") != s.tokens.metadata {
		http.Error(w, "", http.StatusUnauthorized)
		return
	}
	role := HostRole[strings.LastIndex(HostRole, "/")+1:]
	switch r.URL.Path {
	case metadataRoles:
		w.Write([]byte(role))
	case metadataRoles + role:
		s.count("metadata credentials")
		p := s.newSession(HostRole, hostSessionLife)
		now := time.Now().UTC().Format(time.RFC3339)
		sendJSON(w, map[string]string{
			"Code": "Success", "LastUpdated": now, "Type": "AWS-HMAC", "AccessKeyId": p.accessKey, "SecretAccessKey": p.secret,
			"Token": p.token, "Expiration": p.expires.UTC().Format(time.RFC3339),
		})
	default:
		http.NotFound(w, r.Request)
	}
}

// serveContainer is the endpoint that ECS and EKS give to containers.
func (s *Server) serveContainer(w http.ResponseWriter, r *request) {
	s.count("container credentials")
	if r.Method != http.MethodGet || r.Header.Get("Authorization") != s.tokens.container {
		http.Error(w, "", http.StatusUnauthorized)
		return
	}
	p := s.newSession(HostRole, hostSessionLife)
	sendJSON(w, map[string]string{
		"AccessKeyId": p.accessKey, "SecretAccessKey": p.secret, "Token": p.token, "Expiration": p.expires.UTC().Format(time.RFC3339),
	})
}

// serveSSO is GetRoleCredentials of the SSO portal.
func (s *Server) serveSSO(w http.ResponseWriter, r *request) {
	s.count("GetRoleCredentials")
	query := r.URL.Query()
	role := HostRole[strings.LastIndex(HostRole, "/")+1:]
	switch {
	case r.Header.Get("X-Amz-Sso_bearer_token") != s.tokens.sso:
		sendJSON(w, &failure{status: http.StatusUnauthorized, code: "UnauthorizedException", message: "Session token not found or invalid"})
	case r.Method != http.MethodGet || query.Get("account_id") != Account || query.Get("role_name") != role:
		sendJSON(w, &failure{status: http.StatusForbidden, code: "ForbiddenException", message: "No access"})
	default:
		p := s.newSession(HostRole, hostSessionLife)
		sendJSON(w, map[string]any{"roleCredentials": map[string]any{
			"accessKeyId": p.accessKey, "secretAccessKey": p.secret, "sessionToken": p.token, "expiration": p.expires.UnixMilli(),
		}})
	}
}
