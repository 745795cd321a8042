"""terminal - a client on a pseudo terminal, as a user sees it: keys in, a screen out."""
import fcntl, os, re, select, signal, struct, subprocess, sys, termios, time

import pyte  # Debian's python3-pyte: what the bytes make of a screen

SECONDS = int(os.environ.get("T_SECONDS", "30"))  # for whatever is waited for


class Terminal:
    """Runs ARGV on a terminal of its own. `screen` is what is seen, `text` all bytes that came."""

    def __init__(self, *argv, rows=24, columns=80):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.text = b""
        self.master, self.slave = os.openpty()
        self._size(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.child = subprocess.Popen(argv, stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                      start_new_session=True, env=dict(os.environ, TERM="linux"),
                                      preexec_fn=self._enter)

    @staticmethod
    def _enter():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        for number in signal.SIGINT, signal.SIGQUIT, signal.SIGHUP:  # ignored in a background job
            signal.signal(number, signal.SIG_DFL)

    def _size(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        """As a window manager does; the kernel tells the foreground process by SIGWINCH."""
        self.screen.resize(rows, columns)
        self._size(rows, columns)

    def type(self, keys):
        os.write(self.master, keys if isinstance(keys, bytes) else keys.encode())

    def _more(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        data = os.read(self.master, 65536)
        self.text += data
        self.stream.feed(data)
        return True

    def display(self):
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def wait(self, what, holds):
        end = time.monotonic() + SECONDS
        while not holds():
            if time.monotonic() > end:
                sys.exit("waited %d s in vain for %s; the screen:\n%s" % (SECONDS, what, self.display()))
            self._more(0.05)

    def shows(self, regex):
        """Wait until the screen does."""
        self.wait("/%s/" % regex, lambda: re.search(regex, self.display(), re.M))

    def came(self, regex):
        """Wait until it was among the bytes, on the screen or no more."""
        self.wait("/%s/" % regex, lambda: re.search(regex.encode(), self.text))

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def goes_raw(self):
        self.wait("raw mode", self.is_raw)

    def ends(self, *codes):
        """The client ends by itself, with one of CODES (minus a signal), and the terminal is as before."""
        self.wait("the client's end", lambda: self.child.poll() is not None)
        while self._more(0):
            pass
        assert self.child.returncode in codes, \
            "exit code %s, expected %s; the screen:\n%s" % (self.child.returncode, codes, self.display())
        assert termios.tcgetattr(self.slave) == self.before, "the terminal was not restored"

    def close(self):
        """The window is closed: SIGHUP."""
        os.close(self.slave)
        os.close(self.master)
