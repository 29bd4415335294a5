package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

const secret = "a secret of more than thirty-two bytes"

var tenant = uuid.MustParse("0b8f1c52-5d0f-4a3e-9a53-4f6b1f6f2f10")

func development() Config {
	return Config{Secret: secret, Issuer: "reos", Audience: "reos-api", JWKSRefresh: time.Minute}
}

func newVerifier(t testing.TB, config Config) Verifier {
	t.Helper()
	verifier, err := New(t.Context(), config, zerolog.Nop())
	require.NoError(t, err)
	return verifier
}

// good are the claims of a token that is believed.
func good() jwt.MapClaims {
	return jwt.MapClaims{
		"iss": "reos", "aud": "reos-api", "sub": "feed", "tenant_id": tenant.String(), "roles": []string{"reader", "publisher"},
		"exp": time.Now().Add(time.Hour).Unix(),
	}
}

func with(name string, value any) jwt.MapClaims {
	claims := good()
	claims[name] = value
	return claims
}

func without(name string) jwt.MapClaims {
	claims := good()
	delete(claims, name)
	return claims
}

func sign(t testing.TB, method jwt.SigningMethod, key any, kid string, claims jwt.Claims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	if kid != "" {
		token.Header["kid"] = kid
	}
	signed, err := token.SignedString(key)
	require.NoError(t, err)
	return signed
}

func hs256(t testing.TB, claims jwt.Claims) string {
	t.Helper()
	return sign(t, jwt.SigningMethodHS256, []byte(secret), "", claims)
}

// raw signs a header and a body as they are written.
func raw(t testing.TB, header, body string) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(body))
	signature, err := jwt.SigningMethodHS256.Sign(text, []byte(secret))
	require.NoError(t, err)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// body writes good claims with more text before the closing brace.
func body(t testing.TB, more string) string {
	t.Helper()
	encoded, err := json.Marshal(good())
	require.NoError(t, err)
	return strings.TrimSuffix(string(encoded), "}") + more + "}"
}

const plainHeader = `{"alg":"HS256","typ":"JWT"}`

func TestVerifyReadsThePrincipal(t *testing.T) {
	verifier := newVerifier(t, development())
	for name, test := range map[string]struct {
		claims jwt.MapClaims
		want   Principal
	}{
		"of a tenant":           {good(), Principal{"feed", tenant, []Role{Reader, Publisher}, false}},
		"of the platform":       {without("tenant_id"), Principal{"feed", uuid.Nil, []Role{Reader, Publisher}, true}},
		"of both":               {good(), Principal{"feed", tenant, []Role{Reader, Publisher}, true}},
		"unknown roles":         {with("roles", []string{"root", "reader", "reader", "READER"}), Principal{"feed", tenant, []Role{Reader}, false}},
		"no roles":              {with("roles", []string{}), Principal{"feed", tenant, []Role{}, false}},
		"several audiences":     {with("aud", []string{"other", "reos-api"}), Principal{"feed", tenant, []Role{Reader, Publisher}, false}},
		"a fraction of seconds": {with("exp", float64(time.Now().Unix())+60.5), Principal{"feed", tenant, []Role{Reader, Publisher}, false}},
		"clocks apart":          {with("exp", time.Now().Add(-leeway/2).Unix()), Principal{"feed", tenant, []Role{Reader, Publisher}, false}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.want.Platform {
				test.claims["platform"] = true
			}
			who, err := verifier.Verify(t.Context(), hs256(t, test.claims))
			require.NoError(t, err)
			require.Equal(t, test.want, who)
		})
	}
}

// Invariant 4: what is not exactly a token for one tenant, or for the platform, is none.
func TestInvariant4NoOtherTokenIsBelieved(t *testing.T) {
	verifier := newVerifier(t, development())
	valid := hs256(t, good())
	parts := strings.Split(valid, ".")
	foreign, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for name, test := range map[string]struct{ token, says string }{
		"empty":                        {"", "three parts"},
		"not a token":                  {"Bearer", "three parts"},
		"two parts":                    {parts[0] + "." + parts[1], "three parts"},
		"four parts":                   {valid + ".x", "three parts"},
		"cut off":                      {valid[:len(valid)-3], "signature"},
		"cut off in the claims":        {parts[0] + "." + parts[1][:20] + "." + parts[2], "three parts"},
		"1 MiB":                        {strings.Repeat("a", 1<<20), "longer than"},
		"1 MiB of dots":                {strings.Repeat(".", 1<<20), "longer than"},
		"long but signed":              {hs256(t, with("pad", strings.Repeat("x", maxTokenBytes))), "longer than"},
		"forged signature":             {parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 32)), "signature"},
		"no signature":                 {parts[0] + "." + parts[1] + ".", "signature"},
		"another secret":               {sign(t, jwt.SigningMethodHS256, []byte("another secret of thirty-two bytes"), "", good()), "signature"},
		"other claims":                 {parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(body(t, `,"platform":true`))) + "." + parts[2], "signature"},
		"padded base64":                {parts[0] + "." + parts[1] + "." + parts[2] + "=", "three parts"},
		"alg=none":                     {sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "", good()), "algorithm"},
		"alg=None":                     {raw(t, `{"alg":"None"}`, body(t, "")), "algorithm"},
		"alg missing":                  {raw(t, `{"typ":"JWT"}`, body(t, "")), "algorithm"},
		"alg an array":                 {raw(t, `{"alg":["HS256"]}`, body(t, "")), "algorithm"},
		"alg=HS384":                    {sign(t, jwt.SigningMethodHS384, []byte(secret), "", good()), "algorithm"},
		"alg=RS256 where a secret is":  {sign(t, jwt.SigningMethodRS256, foreign, "k", good()), "algorithm"},
		"header: alg twice":            {raw(t, `{"alg":"none","alg":"HS256"}`, body(t, "")), "header"},
		"header: crit":                 {raw(t, `{"alg":"HS256","crit":["b64"],"b64":false}`, body(t, "")), "header"},
		"header: an array":             {raw(t, `["HS256"]`, body(t, "")), "three parts"},
		"header: null":                 {raw(t, `null`, body(t, "")), "algorithm"},
		"expired":                      {hs256(t, with("exp", time.Now().Add(-leeway-time.Minute).Unix())), "expired"},
		"no expiry":                    {hs256(t, without("exp")), "exp"},
		"expiry null":                  {hs256(t, with("exp", nil)), "exp"},
		"expiry a string":              {hs256(t, with("exp", "4102444800")), "exp"},
		"expiry beyond time":           {raw(t, plainHeader, strings.Replace(body(t, ""), `"exp":`, `"exp":1e300,"was":`, 1)), "exp"},
		"not valid yet":                {hs256(t, with("nbf", time.Now().Add(leeway+time.Minute).Unix())), "not valid yet"},
		"not before null":              {hs256(t, with("nbf", nil)), "nbf"},
		"wrong issuer":                 {hs256(t, with("iss", "reos.example.com")), "issuer"},
		"no issuer":                    {hs256(t, without("iss")), "iss"},
		"issuer an array":              {hs256(t, with("iss", []string{"reos"})), "iss"},
		"wrong audience":               {hs256(t, with("aud", "other")), "audience"},
		"no audience":                  {hs256(t, without("aud")), "aud"},
		"audience empty":               {hs256(t, with("aud", []string{})), "aud"},
		"audience an object":           {hs256(t, with("aud", map[string]string{"reos-api": "reos-api"})), "aud"},
		"no subject":                   {hs256(t, without("sub")), "sub"},
		"subject empty":                {hs256(t, with("sub", "")), "sub"},
		"subject a number":             {hs256(t, with("sub", 7)), "sub"},
		"subject of two lines":         {hs256(t, with("sub", "a\nb")), "sub"},
		"subject too long":             {hs256(t, with("sub", strings.Repeat("s", 256))), "sub"},
		"neither tenant nor platform":  {hs256(t, without("tenant_id")), "tenant_id"},
		"tenant empty":                 {hs256(t, with("tenant_id", "")), "tenant_id"},
		"tenant null":                  {hs256(t, with("tenant_id", nil)), "tenant_id"},
		"tenant all zero":              {hs256(t, with("tenant_id", uuid.Nil.String())), "tenant_id"},
		"tenant not a UUID":            {hs256(t, with("tenant_id", "acme")), "tenant_id"},
		"tenant in braces":             {hs256(t, with("tenant_id", "{"+tenant.String()+"}")), "tenant_id"},
		"tenant without dashes":        {hs256(t, with("tenant_id", strings.ReplaceAll(tenant.String(), "-", ""))), "tenant_id"},
		"tenant with a space":          {hs256(t, with("tenant_id", tenant.String()+" ")), "tenant_id"},
		"tenant with a path":           {hs256(t, with("tenant_id", tenant.String()+"/../"+uuid.NewString())), "tenant_id"},
		"tenant an array":              {hs256(t, with("tenant_id", []string{tenant.String()})), "tenant_id"},
		"tenant an object":             {hs256(t, with("tenant_id", map[string]string{"id": tenant.String()})), "tenant_id"},
		"tenant by another case":       {raw(t, plainHeader, strings.Replace(body(t, ""), `"tenant_id"`, `"Tenant_ID"`, 1)), "tenant_id"},
		"tenant twice":                 {raw(t, plainHeader, body(t, `,"tenant_id":"`+uuid.NewString()+`"`)), "three parts"},
		"tenant twice, once escaped":   {raw(t, plainHeader, body(t, `,"tenant\u005fid":"`+uuid.NewString()+`"`)), "three parts"},
		"platform a string":            {hs256(t, with("platform", "true")), "platform"},
		"platform one":                 {hs256(t, with("platform", 1)), "platform"},
		"platform null":                {hs256(t, with("platform", nil)), "platform"},
		"platform false, no tenant":    {raw(t, plainHeader, strings.Replace(body(t, `,"platform":false`), `"tenant_id"`, `"tenant"`, 1)), "tenant_id"},
		"roles a string":               {hs256(t, with("roles", "reader")), "roles"},
		"roles null":                   {hs256(t, with("roles", nil)), "roles"},
		"roles missing":                {hs256(t, without("roles")), "roles"},
		"roles an object":              {hs256(t, with("roles", map[string]bool{"admin": true})), "roles"},
		"roles of numbers":             {hs256(t, with("roles", []int{1})), "roles"},
		"roles with null":              {hs256(t, with("roles", []any{"reader", nil})), "roles"},
		"roles twice":                  {raw(t, plainHeader, body(t, `,"roles":["admin"]`)), "three parts"},
		"claims an array":              {raw(t, plainHeader, `[]`), "three parts"},
		"claims null":                  {raw(t, plainHeader, `null`), "claim"},
		"claims with more behind them": {raw(t, plainHeader, body(t, "")+`{"platform":true}`), "three parts"},
		"claims not in UTF-8":          {raw(t, plainHeader, body(t, ",\"x\":\"\xff\"")), "three parts"},
		"claims nested deep":           {raw(t, plainHeader, body(t, `,"x":`+strings.Repeat("[", 4000)+strings.Repeat("]", 10))), "three parts"},
	} {
		t.Run(name, func(t *testing.T) {
			who, err := verifier.Verify(t.Context(), test.token)
			require.ErrorIs(t, err, ErrUnauthenticated)
			require.Contains(t, err.Error(), test.says)
			require.Zero(t, who)
			if len(test.token) > 40 { // the error says why, and shows nothing of the token
				require.NotContains(t, err.Error(), test.token[:20])
			}
			require.NotContains(t, err.Error(), tenant.String())
		})
	}
}

// An attacker who knows the public key must not get anywhere by using it as a secret.
func TestPublicKeyIsNoSecret(t *testing.T) {
	issuer := newIssuer(t)
	key := issuer.addRSA("k")
	verifier := newVerifier(t, production(issuer))
	pkix, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	pkcs1 := x509.MarshalPKCS1PublicKey(&key.PublicKey)
	for name, stolen := range map[string][]byte{
		"PKIX DER":  pkix,
		"PKIX PEM":  pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix}),
		"PKCS1 DER": pkcs1,
		"PKCS1 PEM": pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1}),
		"modulus":   key.N.Bytes(),
	} {
		for _, method := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS512} {
			_, err := verifier.Verify(t.Context(), sign(t, method, stolen, "k", good()))
			require.ErrorIs(t, err, ErrUnauthenticated, "%s %s", name, method.Alg())
		}
	}
	_, err = verifier.Verify(t.Context(), sign(t, jwt.SigningMethodRS256, key, "k", good()))
	require.NoError(t, err, "the key itself is fine")
}

func TestMintedTokensAreBelievedUntilTheyExpire(t *testing.T) {
	config := development()
	verifier := newVerifier(t, config)
	for _, want := range []Principal{
		{"feed", tenant, []Role{Reader}, false},
		{"ops", uuid.Nil, []Role{Operator, Admin}, true},
		{"ops", tenant, []Role{Operator}, true},
	} {
		token, err := Mint(config, want, time.Now(), time.Minute)
		require.NoError(t, err)
		who, err := verifier.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, want, who)

		token, err = Mint(config, want, time.Now().Add(-time.Hour), time.Minute)
		require.NoError(t, err)
		_, err = verifier.Verify(t.Context(), token)
		require.ErrorContains(t, err, "expired")
	}
	_, err := Mint(Config{JWKSURL: "https://login.example.com/keys"}, Principal{}, time.Now(), time.Minute)
	require.ErrorContains(t, err, "API_JWT_SECRET")
}

func TestInvariant9ConfigPrintsRedacted(t *testing.T) {
	config := Config{Secret: "HUNTER2", JWKSURL: "https://user:HUNTER2@login.example.com/keys?token=HUNTER2", Issuer: "i", Audience: "a"}
	encoded, err := json.Marshal(map[string]any{"config": config})
	require.NoError(t, err)
	for _, printed := range []string{
		config.String(), fmt.Sprint(config), fmt.Sprintf("%+v", config), fmt.Sprintf("%#v", config), fmt.Sprintf("%+v", struct{ Auth Config }{config}),
		string(encoded),
	} {
		require.NotContains(t, printed, "HUNTER2")
		require.Contains(t, printed, "https://login.example.com/keys")
	}
}

func TestConfigNamesTheVariableAndWhatItMustBe(t *testing.T) {
	key := func(url string) Config {
		return Config{JWKSURL: url, Issuer: "i", Audience: "a", JWKSRefresh: time.Minute}
	}
	for name, test := range map[string]struct {
		config Config
		says   string
	}{
		"nothing":       {Config{Issuer: "i", Audience: "a"}, "API_JWKS_URL to the https URL"},
		"both":          {Config{Secret: secret, JWKSURL: "https://x/y", Issuer: "i", Audience: "a"}, "API_JWT_SECRET must not be set together with API_JWKS_URL"},
		"short secret":  {Config{Secret: "HUNTER2", Issuer: "i", Audience: "a"}, "API_JWT_SECRET must be 32 bytes or more"},
		"no issuer":     {Config{Secret: secret, Audience: "a"}, "API_JWT_ISSUER must be"},
		"no audience":   {Config{Secret: secret, Issuer: "i"}, "API_JWT_AUDIENCE must be"},
		"no interval":   {Config{JWKSURL: "https://x/y", Issuer: "i", Audience: "a"}, "API_JWKS_REFRESH must be"},
		"not a URL":     {key("https://HUNTER2 x/%zz"), "API_JWKS_URL must be an https URL"},
		"without TLS":   {key("http://login.example.com/HUNTER2"), "API_JWKS_URL must be an https URL"},
		"without host":  {key("https:///keys"), "API_JWKS_URL must be an https URL"},
		"a file":        {key("file:///etc/HUNTER2"), "API_JWKS_URL must be an https URL"},
		"almost a home": {key("http://localhost.example.com/keys"), "API_JWKS_URL must be an https URL"},
	} {
		_, err := New(t.Context(), test.config, zerolog.Nop())
		require.ErrorContains(t, err, test.says, name)
		require.NotContains(t, err.Error(), "HUNTER2", name)
	}
	for _, url := range []string{"https://login.example.com/keys", "http://localhost:8080/keys", "http://127.0.0.1/keys", "http://[::1]:1/keys"} {
		require.NoError(t, key(url).Check(), url)
	}
}

func FuzzVerify(f *testing.F) {
	verifier := newVerifier(f, development())
	f.Add(hs256(f, good()))
	f.Add(raw(f, plainHeader, body(f, `,"tenant_id":"x"`)))
	f.Add(raw(f, `{"alg":"none"}`, `{}`))
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		who, err := verifier.Verify(t.Context(), token)
		if err != nil {
			require.ErrorIs(t, err, ErrUnauthenticated)
			require.Zero(t, who)
			return
		}
		require.Equal(t, Principal{"feed", tenant, []Role{Reader, Publisher}, false}, who, "only the seed is signed")
	})
}

// FuzzClaims signs what it makes up: whoever is believed has a tenant or the platform, and roles that exist.
func FuzzClaims(f *testing.F) {
	verifier := newVerifier(f, development())
	f.Add(body(f, ""))
	f.Add(body(f, `,"platform":true`))
	f.Add(`{"iss":"reos","aud":["reos-api"],"exp":1e11,"sub":"s","tenant_id":null,"roles":["x",null]}`)
	f.Fuzz(func(t *testing.T, claims string) {
		who, err := verifier.Verify(t.Context(), raw(t, plainHeader, claims))
		if err != nil {
			require.ErrorIs(t, err, ErrUnauthenticated)
			return
		}
		require.True(t, who.Platform || who.Tenant != uuid.Nil)
		require.NotEmpty(t, who.Subject)
		require.Subset(t, Roles, who.Roles)
	})
}
