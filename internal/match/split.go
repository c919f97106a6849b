package match

// Needs is a set of facts that evaluating a part of an expression requires.
type Needs uint8

// Facts that are known only late in the processing of a record, or never.
const (
	// NeedsPlaintext: the plaintext must have been examined.
	NeedsPlaintext Needs = 1 << iota
	// NeedsTimes: the record must be complete.
	NeedsTimes
	// NeedsDecrypt: asynchronous crypto must have decrypted it.
	NeedsDecrypt
	// NeedsCall: the call must be known (tx), or must have gone on or returned (rx).
	NeedsCall
	// NeedsUser: only user space can evaluate it.
	NeedsUser
)

// Conjuncts returns the parts that must all hold.
func (e *Expr) Conjuncts() []Node {
	if e == nil || e.Root == nil {
		return nil
	}
	return conjuncts(e.Root, nil)
}

func conjuncts(n Node, all []Node) []Node {
	switch n := n.(type) {
	case *And:
		for _, x := range n.X {
			all = conjuncts(x, all)
		}
		return all
	case *Not:
		if or, ok := n.X.(*Or); ok { // not (a or b) is not a and not b
			for _, x := range or.X {
				all = conjuncts(&Not{x}, all)
			}
			return all
		}
		if not, ok := n.X.(*Not); ok {
			return conjuncts(not.X, all)
		}
	}
	return append(all, n)
}

// NeedsOf returns what the tests below n need together.
func NeedsOf(n Node) (all Needs) {
	Walk(n, func(n Node) {
		switch n := n.(type) {
		case *Test:
			all |= n.Field.needs()
		case *Word:
			all |= NeedsUser
		}
	})
	return all
}

func (f Field) needs() Needs {
	switch f {
	case Payload:
		return NeedsPlaintext
	case Op:
		return NeedsCall
	case LatDecrypt, LatDeliver, LatTotal:
		return NeedsTimes | NeedsDecrypt
	case CallRecords, CallTime:
		return NeedsTimes
	case Container, Unit, Namespace, Pod, Host, KernelUser:
		return NeedsUser
	}
	if f.isLatency() {
		return NeedsTimes
	}
	return 0
}

// Walk visits n and all below it.
func Walk(n Node, visit func(Node)) {
	visit(n)
	switch n := n.(type) {
	case *And:
		for _, x := range n.X {
			Walk(x, visit)
		}
	case *Or:
		for _, x := range n.X {
			Walk(x, visit)
		}
	case *Not:
		Walk(n.X, visit)
	}
}

// UserSpace returns the parts that user space evaluates.
func (e *Expr) UserSpace() (all []Node) {
	for _, n := range e.Conjuncts() {
		if NeedsOf(n)&NeedsUser != 0 {
			all = append(all, n)
		}
	}
	return all
}

// OfSocket reports whether a connection has the field, not only its records.
func (f Field) OfSocket() bool {
	switch f {
	case PID, TID, UID, Comm, Cgroup, Container, Unit, Namespace, Pod, Host, KernelUser, NetNS, Cookie, Family, Port, LPort, RPort,
		Addr, LAddr, RAddr, Dir, Version, Cipher, Mode, Proto:
		return true
	}
	return false
}
