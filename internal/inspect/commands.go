package inspect

// verb follows a command with credentials, and counts the lines behind it that
// are part of it.
type verb struct {
	known   bool // the line began with one
	command command
	words   int                       // of arguments
	first   [len(wholeMechanism)]byte // of the first word
	length  int                       // of it
	inWord  bool
	last    byte // of the line, without spaces
	lines   int  // that are still to come
	answer  bool
	// unsure says that the lines to come are only perhaps part of the command: one of
	// them may be another.
	unsure bool
}

// mostLines is how many lines may follow a command of which it is not known whether
// its arguments are in its own.
const mostLines = 4

// interrupt is told of a gap. The rest of the line that is cut is not to be shown,
// and after it come what lines there may be. begun says that the gap may have cut
// the command itself.
func (v *verb) interrupt(begun bool) {
	lines := v.lines
	switch {
	case begun:
		lines = mostLines
	case v.known && v.command.exchange:
		lines = max(v.follow(), 1)
	case v.known, v.answer: // whose line may end with a brace
		lines = max(lines, 1)
	}
	*v = verb{lines: lines, unsure: true}
}

// mayBeCommand reports whether a command may begin with what there is of a word.
func mayBeCommand(word []byte) bool {
	for c := range secretCommands {
		if begins(word, c) {
			return true
		}
	}
	return false
}

// begin takes a word of the line, in lower case. It reports whether what
// follows are credentials.
func (v *verb) begin(word []byte, second bool) bool {
	c, ok := secretCommands[string(word)]
	if !ok || second && !c.tagged {
		return false
	}
	*v = verb{known: true, command: c}
	return true
}

// seek looks for a command in a line of which the beginning was not seen: each of its
// words may be one. w is the word that the bytes before ended with.
func (v *verb) seek(w *word, b []byte) {
	for i, c := range b {
		switch {
		case v.known:
			v.read(b[i:])
			return
		case plain[c] != 0:
			w.add(plain[c])
			continue
		}
		if v.begin(w.bytes(), false) {
			v.unsure = true
		}
		w.n = 0
	}
}

// expect says that of the lines to come so many at least may be part of a command.
func (v *verb) expect(lines int) { v.lines, v.unsure = max(v.lines, lines), true }

// read takes bytes behind the command.
func (v *verb) read(b []byte) {
	if !v.known && !v.answer {
		return
	}
	for _, c := range b {
		if c > ' ' {
			v.last = c
			if !v.inWord {
				v.words++
			}
			v.spell(c)
		}
		v.inWord = c > ' '
	}
}

// wholeMechanism is the one of SASL that has all there is to say in one line
// (RFC 4616).
const wholeMechanism = "plain"

// spell takes a byte of the first word, in lower case.
func (v *verb) spell(c byte) {
	if v.words != 1 {
		return
	}
	if v.length < len(v.first) {
		v.first[v.length] = c | 0x20
	}
	v.length++
}

// answers reports whether the line that begins is part of the command.
func (v *verb) answers() bool {
	v.answer = v.lines > 0
	if v.answer {
		v.lines--
	}
	return v.answer
}

// lineEnds counts the lines that follow. A brace at the end is behind the length
// of what is in the next (RFC 9051 §4.3).
func (v *verb) lineEnds() {
	switch {
	case !v.known && !v.answer:
		return
	case v.last == '}':
		v.lines = max(v.lines, 1)
	case v.known && v.command.exchange:
		v.lines = v.follow()
	case v.answer && v.unsure && string(v.first[:4]) == "auth":
		v.lines = mostLines
	case v.answer && v.unsure && v.words == 3: // as IMAP has it: a tag, AUTHENTICATE, a mechanism
		v.lines = max(v.lines, 1)
	}
	*v = verb{lines: v.lines, unsure: v.unsure && v.lines > 0}
}

// follow is how many lines the arguments take that the command's own has not. In
// Redis each word and its length have one, of which AUTH has two at most. SMTP,
// POP3 and IMAP have the mechanism in it and ask for user and password; with the
// user in it too, as LOGIN and SCRAM may be (RFC 4954 §4), they ask for the rest.
func (v *verb) follow() int {
	switch v.words {
	case 0:
		return mostLines
	case 1:
		return 2
	case 2:
		if v.length == len(v.first) && string(v.first[:]) == wholeMechanism {
			return 0
		}
		return 1
	}
	return 0
}
