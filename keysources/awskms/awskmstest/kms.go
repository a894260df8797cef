package awskmstest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// The sizes in bytes of what KMS takes.
const (
	maxPlaintext  = 4096
	maxCiphertext = 6144
)

// keyState is a key with its material.
type keyState struct {
	Key
	state State
	// id names the material in ciphertexts; the keys of a multi-Region key share
	// both.
	id       string
	material cipher.AEAD
}

// kmsInput has the members of all requests that are understood.
type kmsInput struct {
	KeyId               string
	KeySpec             string
	NumberOfBytes       int
	Plaintext           []byte
	CiphertextBlob      []byte
	EncryptionContext   map[string]string
	EncryptionAlgorithm string
}

// operations are those that are understood.
var operations = map[string]func(*Server, *request, kmsInput) (any, *failure){
	"Encrypt":         (*Server).encrypt,
	"Decrypt":         (*Server).decrypt,
	"GenerateDataKey": (*Server).generateDataKey,
	"DescribeKey":     (*Server).describeKey,
}

func (s *Server) addKey(k Key) {
	fields := strings.SplitN(k.ARN, ":", 6)
	id := k.ARN
	if name := strings.TrimPrefix(fields[5], "key/"); strings.HasPrefix(name, "mrk-") {
		id = name
	}
	state := &keyState{Key: k, state: Enabled, id: id}
	for _, other := range s.keys {
		if other.id == id {
			state.material = other.material
		}
	}
	if state.material == nil {
		state.material = newMaterial()
	}
	s.keys[k.ARN] = state
	for _, a := range k.Aliases {
		s.aliases[a] = k.ARN
	}
}

func newMaterial() cipher.AEAD {
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the length is right
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}

var keyARN = regexp.MustCompile(`^arn:aws[a-z-]*:kms:([a-z0-9-]+):([0-9]{12}):(key|alias)/[a-zA-Z0-9/_-]+$`)

// find returns the key that a request names, if the caller may use it. :: KeyId is
// an id, an alias, or the ARN of either
func (s *Server) find(r *request, name string) (*keyState, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	arn := name
	if !strings.HasPrefix(arn, "arn:") {
		prefix := "arn:aws:kms:" + r.region + ":" + Account + ":"
		arn = prefix + "key/" + name
		if strings.HasPrefix(name, "alias/") {
			arn = prefix + name
		}
	}
	form := keyARN.FindStringSubmatch(arn)
	if form == nil {
		return nil, fail("ValidationException", "Invalid keyId")
	}
	if form[1] != r.region {
		return nil, fail("NotFoundException", "Invalid arn "+form[1])
	}
	if form[3] == "alias" {
		if arn = s.aliases[arn]; arn == "" {
			return nil, fail("NotFoundException", "Alias is not found.")
		}
	}
	k := s.keys[arn]
	if k == nil {
		return nil, fail("NotFoundException", "Key '"+arn+"' does not exist")
	}
	if k.Users != nil && !slices.Contains(k.Users, r.caller.arn) {
		return nil, fail("AccessDeniedException", "User: "+r.caller.arn+" is not authorized to perform this on resource: "+arn)
	}
	return k, nil
}

// usable is find for cryptographic operations.
func (s *Server) usable(r *request, in kmsInput) (*keyState, *failure) {
	if in.EncryptionAlgorithm != "" && in.EncryptionAlgorithm != symmetric {
		return nil, fail("InvalidKeyUsageException", "")
	}
	k, f := s.find(r, in.KeyId)
	if f != nil {
		return nil, f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch k.state {
	case Disabled:
		return nil, fail("DisabledException", k.ARN+" is disabled.")
	case PendingDeletion:
		return nil, fail("KMSInvalidStateException", k.ARN+" is pending deletion.")
	}
	return k, nil
}

const symmetric = "SYMMETRIC_DEFAULT"

func (s *Server) encrypt(r *request, in kmsInput) (any, *failure) {
	if len(in.Plaintext) == 0 || len(in.Plaintext) > maxPlaintext {
		return nil, fail("ValidationException", "plaintext: between 1 and 4096 bytes")
	}
	k, f := s.usable(r, in)
	if f != nil {
		return nil, f
	}
	return map[string]any{
		"CiphertextBlob": k.seal(in.Plaintext, in.EncryptionContext), "KeyId": k.ARN, "EncryptionAlgorithm": symmetric,
	}, nil
}

func (s *Server) generateDataKey(r *request, in kmsInput) (any, *failure) {
	size := in.NumberOfBytes
	switch in.KeySpec {
	case "AES_256":
		size = 32
	case "AES_128":
		size = 16
	}
	if size < 1 || size > 1024 || in.KeySpec != "" && in.NumberOfBytes != 0 {
		return nil, fail("ValidationException", "either KeySpec or NumberOfBytes")
	}
	k, f := s.usable(r, in)
	if f != nil {
		return nil, f
	}
	key := make([]byte, size)
	rand.Read(key)
	return map[string]any{"Plaintext": key, "CiphertextBlob": k.seal(key, in.EncryptionContext), "KeyId": k.ARN}, nil
}

func (s *Server) decrypt(r *request, in kmsInput) (any, *failure) {
	if len(in.CiphertextBlob) == 0 || len(in.CiphertextBlob) > maxCiphertext {
		return nil, fail("ValidationException", "ciphertextBlob: between 1 and 6144 bytes")
	}
	id, sealed, ok := splitBlob(in.CiphertextBlob)
	maker := s.maker(r, id)
	if in.KeyId == "" {
		if !ok || maker == nil {
			return nil, fail("AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
		}
		in.KeyId = maker.ARN
	}
	k, f := s.usable(r, in)
	if f != nil {
		return nil, f
	}
	if !ok {
		return nil, fail("InvalidCiphertextException", "")
	}
	if maker != nil && maker.id != k.id {
		return nil, fail("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
	}
	plain, err := k.material.Open(nil, nil, sealed, additionalData(k.id, in.EncryptionContext))
	if err != nil {
		return nil, fail("InvalidCiphertextException", "")
	}
	return map[string]any{"Plaintext": plain, "KeyId": k.ARN, "EncryptionAlgorithm": symmetric}, nil
}

// maker returns the key of the region that an id in a ciphertext names, or nil.
func (s *Server) maker(r *request, id string) *keyState {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if k.id == id && strings.Split(k.ARN, ":")[3] == r.region {
			return k
		}
	}
	return nil
}

func (s *Server) describeKey(r *request, in kmsInput) (any, *failure) {
	k, f := s.find(r, in.KeyId)
	if f != nil {
		return nil, f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fields := strings.SplitN(k.ARN, ":", 6)
	return map[string]any{"KeyMetadata": map[string]any{
		"AWSAccountId": fields[4], "KeyId": strings.TrimPrefix(fields[5], "key/"), "Arn": k.ARN,
		"Enabled": k.state == Enabled, "KeyState": k.state, "KeyUsage": "ENCRYPT_DECRYPT", "KeySpec": symmetric,
		"MultiRegion": k.id != k.ARN,
	}}, nil
}

// A ciphertext is the length of the key's id in a byte, the id, and the sealed text.
func (k *keyState) seal(plain []byte, context map[string]string) []byte {
	blob := append([]byte{byte(len(k.id))}, k.id...)
	return k.material.Seal(blob, nil, plain, additionalData(k.id, context))
}

func splitBlob(blob []byte) (id string, sealed []byte, ok bool) {
	n := int(blob[0])
	if n == 0 || len(blob) < 1+n {
		return "", nil, false
	}
	return string(blob[1 : 1+n]), blob[1+n:], true
}

// additionalData binds a key and an encryption context, whose order means nothing.
func additionalData(id string, context map[string]string) []byte {
	var b []byte
	add := func(text string) { b = append(binary.AppendUvarint(b, uint64(len(text))), text...) }
	add(id)
	for _, name := range slices.Sorted(maps.Keys(context)) {
		add(name)
		add(context[name])
	}
	return b
}
