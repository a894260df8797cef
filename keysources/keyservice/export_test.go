package keyservice

import "github.com/gitseal/gitseal/keysources"

// EncodeRequest returns the bytes of an EncryptRequest or a DecryptRequest.
func EncodeRequest(key keysources.Stanza, payload []byte) []byte {
	return (&request{key: key, payload: payload}).marshal()
}

// DecodeRequest reads them.
func DecodeRequest(b []byte) (keysources.Stanza, []byte, error) {
	var r request
	err := r.unmarshal(b)
	return r.key, r.payload, err
}

// DecodeResponse reads an EncryptResponse or a DecryptResponse.
func DecodeResponse(b []byte) ([]byte, error) {
	var r response
	err := r.unmarshal(b)
	return r.result, err
}

// Printed returns values that hold secret in all the types that hold secrets.
func Printed(data []byte) []any {
	return []any{secret(data), request{payload: data}, &request{payload: data}, response{result: data}, &response{result: data}}
}

// TakeOnly makes a listener at a unix socket take connections of some users only.
func (l *Listener) TakeOnly(users ...uint32) { l.creds = peerCredentials{users: users} }
