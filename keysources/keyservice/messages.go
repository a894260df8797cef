// Package keyservice speaks the protocol of sops's key service, by which a program
// has data keys wrapped and unwrapped by another one, over gRPC: a client that is
// a key source, and a server that offers key sources.
//
// The protocol is that of sops 3.13's keyservice.proto; sops's clients and servers
// of every version since 3.0 can be the other side.
package keyservice

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"unicode/utf8"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gitseal/gitseal/keysources"
)

// The messages are few, and hold data keys: types of our own print redacted, which
// generated ones do not, and do not enter the process's registry of protobuf
// messages, where those of sops would stand under the same names.
//
//	Key             { oneof { KmsKey 1; PgpKey 2; GcpKmsKey 3; AzureKeyVaultKey 4; VaultKey 5; AgeKey 6; HckmsKey 7 } }
//	EncryptRequest  { Key 1; bytes plaintext 2 }     EncryptResponse { bytes ciphertext 1 }
//	DecryptRequest  { Key 1; bytes ciphertext 2 }    DecryptResponse { bytes plaintext 1 }
//
// All fields of the keys are strings, but for a KmsKey's third: a
// map<string, string>, whose entries are messages { string 1; string 2 }.

const (
	serviceName   = "KeyService"
	methodEncrypt = "Encrypt"
	methodDecrypt = "Decrypt"

	fieldKey         protowire.Number = 1
	fieldPayload     protowire.Number = 2 // of requests
	fieldResult      protowire.Number = 1 // of responses
	fieldEntryName   protowire.Number = 1
	fieldEntryValue  protowire.Number = 2
	contextFieldName                  = "context"
)

// keyType is how keys of a stanza type are written: the number of the message in
// Key, and which of the stanza's fields are its fields 1, 2, …
type keyType struct {
	number protowire.Number
	typ    string
	fields []string
}

func keyTypes() []keyType {
	return []keyType{
		{1, keysources.TypeKMS, []string{"arn", "role", contextFieldName, "aws_profile"}},
		{2, keysources.TypePGP, []string{"fp"}},
		{3, keysources.TypeGCP, []string{"resource_id"}},
		{4, keysources.TypeAzure, []string{"vault_url", "name", "version"}},
		{5, keysources.TypeVault, []string{"vault_address", "engine_path", "key_name"}},
		{6, keysources.TypeAge, []string{"recipient"}},
		{7, keysources.TypeHCKMS, []string{"key_id"}},
	}
}

func keyTypeOf(typ string) (keyType, bool) {
	for _, k := range keyTypes() {
		if k.typ == typ {
			return k, true
		}
	}
	return keyType{}, false
}

// secret is a data key. It prints redacted, and so must what holds one: package fmt
// does not ask unexported fields.
type secret []byte

// Format prints "[redacted]".
func (s secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// Format prints whom the request is about.
func (r request) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "request(%s)", r.key) }

// Format prints "response".
func (r response) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "response") }

// request is an EncryptRequest or a DecryptRequest.
type request struct {
	// key has the fields that name the reader, nothing else. Its type is empty if
	// the message has no key, or one of a type that we do not know.
	key keysources.Stanza
	// payload is what to encrypt or decrypt.
	payload secret
}

// response is an EncryptResponse or a DecryptResponse.
type response struct{ result secret }

// errMessage means that bytes are not one of the messages.
var errMessage = errors.New("not a message of the key service protocol")

func (r *request) marshal() []byte {
	var out []byte
	if k, ok := keyTypeOf(r.key.Type); ok {
		key := protowire.AppendTag(nil, k.number, protowire.BytesType)
		key = protowire.AppendBytes(key, k.marshal(r.key))
		out = protowire.AppendTag(out, fieldKey, protowire.BytesType)
		out = protowire.AppendBytes(out, key)
	}
	if len(r.payload) > 0 {
		out = protowire.AppendTag(out, fieldPayload, protowire.BytesType)
		out = protowire.AppendBytes(out, r.payload)
	}
	return out
}

func (k keyType) marshal(s keysources.Stanza) []byte {
	var out []byte
	for i, name := range k.fields {
		n := protowire.Number(i + 1)
		if name == contextFieldName {
			for _, f := range s.Context {
				out = protowire.AppendTag(out, n, protowire.BytesType)
				out = protowire.AppendBytes(out, marshalEntry(f))
			}
			continue
		}
		if v := s.Get(name); v != "" {
			out = protowire.AppendTag(out, n, protowire.BytesType)
			out = protowire.AppendString(out, v)
		}
	}
	return out
}

func marshalEntry(f keysources.Field) []byte {
	out := protowire.AppendTag(nil, fieldEntryName, protowire.BytesType)
	out = protowire.AppendString(out, f.Name)
	out = protowire.AppendTag(out, fieldEntryValue, protowire.BytesType)
	return protowire.AppendString(out, f.Value)
}

func (r *request) unmarshal(b []byte) error {
	*r = request{}
	keys := 0
	return eachField(b, func(n protowire.Number, v []byte) error {
		switch n {
		case fieldKey:
			if keys++; keys > 1 {
				return errMessage
			}
			var err error
			r.key, err = unmarshalKey(v)
			return err
		case fieldPayload:
			r.payload = append(secret(nil), v...)
		}
		return nil
	})
}

// unmarshalKey is strict where protobuf would merge: two keys in one Key are an
// error. Fields and types that are not known are skipped, as protobuf does.
func unmarshalKey(b []byte) (keysources.Stanza, error) {
	var key keysources.Stanza
	err := eachField(b, func(n protowire.Number, v []byte) error {
		for _, k := range keyTypes() {
			if k.number != n {
				continue
			}
			if key.Type != "" {
				return errMessage
			}
			var err error
			key, err = k.unmarshal(v)
			return err
		}
		return nil
	})
	return key, err
}

func (k keyType) unmarshal(b []byte) (keysources.Stanza, error) {
	s := keysources.Stanza{Type: k.typ}
	values := make([]string, len(k.fields))
	context := map[string]string{}
	err := eachField(b, func(n protowire.Number, v []byte) error {
		switch {
		case int(n) > len(k.fields):
			return nil
		case k.fields[n-1] == contextFieldName:
			return unmarshalEntry(v, context)
		case !utf8.Valid(v):
			return errMessage
		}
		values[n-1] = string(v)
		return nil
	})
	if err != nil {
		return keysources.Stanza{}, err
	}
	for i, name := range k.fields {
		if values[i] != "" {
			s.Fields = append(s.Fields, keysources.Field{Name: name, Value: values[i]})
		}
	}
	for name, value := range context {
		s.Context = append(s.Context, keysources.Field{Name: name, Value: value})
	}
	sort.Slice(s.Context, func(i, j int) bool { return s.Context[i].Name < s.Context[j].Name })
	return s, nil
}

func unmarshalEntry(b []byte, into map[string]string) error {
	var name, value string
	err := eachField(b, func(n protowire.Number, v []byte) error {
		if !utf8.Valid(v) {
			return errMessage
		}
		switch n {
		case fieldEntryName:
			name = string(v)
		case fieldEntryValue:
			value = string(v)
		}
		return nil
	})
	into[name] = value
	return err
}

func (r *response) marshal() []byte {
	if len(r.result) == 0 {
		return nil
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, fieldResult, protowire.BytesType), r.result)
}

func (r *response) unmarshal(b []byte) error {
	*r = response{}
	return eachField(b, func(n protowire.Number, v []byte) error {
		if n == fieldResult {
			r.result = append(secret(nil), v...)
		}
		return nil
	})
}

// eachField calls f for the fields of a message whose wire type is that of bytes,
// strings and messages, and skips the others: no message here has any.
func eachField(b []byte, f func(protowire.Number, []byte) error) error {
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return errMessage
		}
		b = b[size:]
		if typ != protowire.BytesType {
			if size = protowire.ConsumeFieldValue(n, typ, b); size < 0 {
				return errMessage
			}
			b = b[size:]
			continue
		}
		v, size := protowire.ConsumeBytes(b)
		if size < 0 {
			return errMessage
		}
		if err := f(n, v); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// codec lets gRPC carry the messages, under the name of the codec for protobuf.
type codec struct{}

type message interface {
	marshal() []byte
	unmarshal([]byte) error
}

// Name returns what the content type says.
func (codec) Name() string { return "proto" }

// Marshal returns the bytes of a message.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(message)
	if !ok {
		return nil, errMessage
	}
	return mem.BufferSlice{mem.SliceBuffer(m.marshal())}, nil
}

// Unmarshal reads a message, which does not refer to the bytes afterwards.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(message)
	if !ok {
		return errMessage
	}
	b := data.Materialize()
	defer clear(b)
	return m.unmarshal(b)
}
