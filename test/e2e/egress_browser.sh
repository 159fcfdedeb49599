#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A browser behind an egress policy: pages of names that are allowed, by HTTPS, and
# what it loads for them from others.
# timeout 180

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
command -v chromium >/dev/null || skip_all 'no chromium'
world_up
need_tun
world_greets || bail 'no services'
log=$T/user/audit

# a server of all names, by HTTPS; a page that wants something of another name
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	-subj /CN=test -addext 'subjectAltName=DNS:*.example.org' -days 2 \
	-keyout "$T/key.pem" -out "$T/cert.pem" 2>/dev/null
spki=$(openssl x509 -in "$T/cert.pem" -noout -pubkey |
	openssl pkey -pubin -outform der | openssl dgst -sha256 -binary |
	openssl enc -base64)
cat >"$T/web/page.html" <<'E'
<!DOCTYPE html><title>page</title>
<p id=own>nothing</p><p id=other>nothing</p>
<script>
const load = (id, url) => fetch(url, { mode: "no-cors" })
	.then(() => "loaded", () => "failed")
	.then(t => document.getElementById(id).textContent = t);
load("own", "/hello.html");
load("other", "https://v4.example.org/hello.html");
</script>
E
echo '<p>hello from the world</p>' >"$T/web/hello.html"
cat >"$T/https.py" <<'P'
import functools, http.server, ssl, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler,
                            directory=sys.argv[1])
http.server.ThreadingHTTPServer.address_family = 10
server = http.server.ThreadingHTTPServer(("::", 443), handler)
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
ctx.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = ctx.wrap_socket(server.socket, server_side=True,
                                do_handshake_on_connect=False)
server.serve_forever()
P
spawn world python3 "$T/https.py" "$T/web" "$T/cert.pem" "$T/key.pem" \
	>"$T/https.log" 2>&1
wait_port world tcp 443 || bail 'no server'

# browse URL: the page as it is in the end, on one line
browse()
{
	in_ns "$ns" env HOME="$T/user/home" timeout 40 chromium --headless \
		--no-sandbox --disable-gpu --disable-dev-shm-usage --no-proxy-server \
		--disable-background-networking --disable-component-update \
		--ignore-certificate-errors-spki-list="$spki" \
		--user-data-dir="$T/user/home/profile" --virtual-time-budget=3000 \
		--dump-dom "$1" 2>"$T/chromium.err" | tr -d '\n'
}
# refused URL NAME: it isn't shown
refused()
{
	browse "$1" >"$T/page"
	not_ok "$2" grep -q 'hello from' "$T/page"
}
mkdir -m 777 "$T/user/home"

pasta_up --config-net --audit "$log" -t none -u none -T none -U none \
	--allow www.example.org:443
like "$(browse https://www.example.org/hello.html)" '*hello from the world*' \
	'a page that is allowed' || diag "$(tail -n 5 "$T/chromium.err")"
like "$(browse https://www.example.org/page.html)" \
	'*id="own">loaded</p>*id="other">failed</p>*' \
	'what it loads of its own name, and of another'
refused https://v4.example.org/hello.html \
	'another name'
refused "https://$WORLD4/hello.html" 'an address'
refused https://www.example.org:8443/hello.html \
	'another port'
ok 'on record: a name' grep -q '"query","verdict":"deny".*"v4.example.org"' \
	"$log"
for port in 443 8443; do
	ok "... port $port" grep -q "\"deny\".*\"to\":\"[^ ]*:$port\"" "$log"
done
pasta_down
pasta_up --config-net -t none -u none -T none -U none --allow '*.example.org:443'
like "$(browse https://www.example.org/page.html)" \
	'*id="own">loaded</p>*id="other">loaded</p>*' 'allowed: both are loaded'
pasta_down

done_testing
