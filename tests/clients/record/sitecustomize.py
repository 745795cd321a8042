"""Python takes this in at its start: each request of python3-docker and docker-compose, and its status,
goes as a line to the file that $CLIENT_RECORD names.

And a fault of python3-docker is mended that would make tests fail at times, on any engine: it takes the
socket from under http.client and loses what that has read together with the header."""
import http.client
import os

_putrequest, _getresponse = http.client.HTTPConnection.putrequest, http.client.HTTPConnection.getresponse


def putrequest(self, method, url, *args, **kwargs):
    self.recorded = (method, url)
    return _putrequest(self, method, url, *args, **kwargs)


def getresponse(self, *args, **kwargs):
    response = _getresponse(self, *args, **kwargs)
    with open(os.environ["CLIENT_RECORD"], "a", encoding="utf-8") as f:
        f.write("%s %s %d\n" % (*self.recorded, response.status))
    return response


_init, _begin = http.client.HTTPResponse.__init__, http.client.HTTPResponse.begin


def init(self, sock, *args, **kwargs):
    self.whole = sock
    _init(self, sock, *args, **kwargs)


def begin(self):
    """The header byte by byte, so that nothing behind it is taken."""
    self.fp.close()
    self.fp = self.whole.makefile("rb", 0)
    _begin(self)
    self.fp.close()
    self.fp = self.whole.makefile("rb")
    del self.whole


if "CLIENT_RECORD" in os.environ:
    http.client.HTTPResponse.__init__, http.client.HTTPResponse.begin = init, begin
    http.client.HTTPConnection.putrequest, http.client.HTTPConnection.getresponse = putrequest, getresponse
