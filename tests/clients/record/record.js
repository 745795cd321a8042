// Node takes this in by --require: each request of dockerode, and its status, goes as a line to the file
// that $CLIENT_RECORD names.
'use strict';
const fs = require('fs');
const http = require('http');

const request = http.request;
http.request = function (...args) {
    const req = request.apply(this, args);
    const note = (res) => fs.appendFileSync(process.env.CLIENT_RECORD, `${req.method} ${req.path} ${res.statusCode}\n`);
    req.prependListener('response', note);
    req.prependListener('upgrade', note);
    return req;
};
