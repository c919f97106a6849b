package doctor

// serverRules are about servers whose configuration can be read.
var serverRules = []Rule{
	{ID: "KT060", Title: "nginx does not switch kernel TLS on", process: nginxOff, connection: asServer(nginxOff)},
	{ID: "KT061", Title: "nginx has kernel TLS and does not use sendfile", process: nginxSendfile},
	{ID: "KT062", Title: "nginx cuts HTTP/2 into small records", process: nginxChunks},
	{ID: "KT063", Title: "HAProxy has no kernel TLS", process: haproxyCannot},
	{ID: "KT064", Title: "HAProxy does not switch kernel TLS on", process: haproxyOff, connection: asServer(haproxyOff)},
}

func (p *Process) server(product string) *Server {
	if p.Server == nil || p.Server.Product != product || p.Server.Unread != "" || !p.Server.TLS {
		return nil
	}
	return p.Server
}

func nginxOff(_ *Facts, p *Process) *conclusion {
	s := p.server("nginx")
	if s == nil || !p.known() {
		return nil
	}
	state, do := p.option()
	switch {
	case state != Yes:
		return conclude(Warning, do, "kernel TLS is off: %s", p.off())
	case s.Partly && (p.OpenSSL == nil || p.OpenSSL.KTLS != Yes):
		return conclude(Warning, do, "kernel TLS is on for some of its servers with TLS and not for all: %s", s.File)
	}
	return nil
}

// asServer reports, for a connection without requests, the cause in its server's
// configuration. It also judges a client's connection by that: proxies are clients too.
func asServer(rule func(*Facts, *Process) *conclusion) func(*Facts, *Connection) *conclusion {
	return func(f *Facts, c *Connection) *conclusion {
		if c.Process == nil || c.Process.Server == nil || !c.nothingRequested() && !c.prepared() {
			return nil
		}
		w := rule(f, c.Process)
		if w == nil || c.Process.Server.Partly {
			return nil
		}
		return conclude(Error, w.do, "%s: never asked for: %s", c.what(), w.text)
	}
}

func nginxSendfile(_ *Facts, p *Process) *conclusion {
	s := p.server("nginx")
	if s == nil || s.Sendfile != No {
		return nil
	}
	if state, _ := p.option(); state != Yes {
		return nil
	}
	return conclude(Warning, "sendfile on; in "+s.File+" (and neither gzip, sub_filter, ssi nor charset for what should go out by it)",
		"kernel TLS is on and sendfile is off: files are copied through the program all the same")
}

// smallChunk is the smallest chunk of HTTP/2 that makes a record worth a sendfile.
const smallChunk = 16 << 10

func nginxChunks(_ *Facts, p *Process) *conclusion {
	s := p.server("nginx")
	if s == nil || !s.HTTP2 || s.Sendfile == No || s.ChunkSize >= smallChunk {
		return nil
	}
	if state, _ := p.option(); state != Yes {
		return nil
	}
	return conclude(Note, "http2_chunk_size 16k; or more, where files are large (or HTTP/1.1 for downloads)",
		"HTTP/2 sends files in chunks of http2_chunk_size, 8k unless it is set: each is a sendfile and a record of its own")
}

func haproxyCannot(_ *Facts, p *Process) *conclusion {
	if p.Server == nil || p.Server.Product != "HAProxy" {
		return nil
	}
	s := p.Server
	switch {
	case s.Version != "" && !atLeast(s.Version, 3, 3):
		return conclude(p.weight(), "use HAProxy 3.3 or later, built with USE_KTLS", "HAProxy %s has no kernel TLS, which came with 3.3", s.Version)
	case s.Built == No:
		return conclude(p.weight(), "build it with USE_KTLS (haproxy -vv lists +KTLS)", "this HAProxy was built without kernel TLS")
	}
	return nil
}

func haproxyOff(f *Facts, p *Process) *conclusion {
	s := p.server("HAProxy")
	if s == nil || haproxyCannot(f, p) != nil {
		return nil
	}
	switch {
	case s.KTLS != Yes || !s.Experimental:
		return conclude(Warning, "expose-experimental-directives in global, and ktls on at each bind and server with ssl in "+s.File,
			"kernel TLS is off: %s has no ktls on, or not the directive that allows it", s.File)
	case s.Partly:
		return conclude(Warning, "ktls on at each bind and server with ssl in "+s.File, "kernel TLS is on for some of its binds and servers with ssl and not for all: %s", s.File)
	}
	return nil
}
