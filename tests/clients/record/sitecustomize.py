"""Python takes this in at its start: each request of python3-docker and docker-compose, and its status,
goes as a line to the file that $CLIENT_RECORD names."""
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


if "CLIENT_RECORD" in os.environ:
    http.client.HTTPConnection.putrequest, http.client.HTTPConnection.getresponse = putrequest, getresponse
