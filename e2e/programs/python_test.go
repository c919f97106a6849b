package programs

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// python is a server and a client of its module ssl, in one program.
type python struct {
	*world
	port int
}

func (p *python) sides() []side {
	return []side{{"Python ssl", "server", "python3.13-minimal", p.port}, {"Python ssl", "client", "python3.13-minimal", p.port}}
}

// Port, certificate, key and file are its arguments. It fails if other bytes arrive.
const pythonScript = `
import socket, ssl, sys, threading
port, cert, key, file = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
data = open(file, "rb").read()
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain(cert, key)
client = ssl.create_default_context(cafile=cert)
for context in server, client:
    context.options |= ssl.OP_ENABLE_KTLS
listener = socket.create_server(("127.0.0.1", port))

def answer():
    with server.wrap_socket(listener.accept()[0], server_side=True) as conn:
        assert conn.recv(100) == b"please"
        conn.sendall(data)
        with open(file, "rb") as f:
            conn.sendfile(f)

for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
    client.minimum_version = client.maximum_version = version
    thread = threading.Thread(target=answer)
    thread.start()
    got = b""
    with client.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost") as conn:
        conn.sendall(b"please")
        while len(got) < 2 * len(data):
            got += conn.recv(65536)
    thread.join()
    assert got == 2 * data
`

func (p *python) begin(t *testing.T) { p.port = freePort(t) }

func (p *python) talk(t *testing.T) {
	run(t, p.trixie.command(t, "python3", "-c", pythonScript, strconv.Itoa(p.port), p.cert, p.key, p.www+"/c"))
}

func (p *python) check(t *testing.T, got *trace) string {
	conns, n := got.bothEnds(t, p.port)
	if want := 2 * (2*len(p.files["c"]) + len("please")); conns != 2 || n != want {
		t.Errorf("%d connections with %d bytes, want 2 with %d", conns, n, want)
	}
	return fmt.Sprintf("%d bytes between both ends of %d connections, and with what the program says; sent by %v", n, conns, got.ops(p.sides()[0], event.TX))
}
