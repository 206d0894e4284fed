// What Node's own parser makes of the requests it is sent: a reader for tests, strict in all things.
'use strict';
const http = require('http');
const crypto = require('crypto');

let log = []; // since it was last asked for
let errors = [];

const options = { insecureHTTPParser: false, requireHostHeader: true, maxHeaderSize: 128 * 1024 };
const server = http.createServer(options, (request, response) => {
  if (request.url === '/health') {
    response.end();
    return;
  }
  if (request.url === '/log') {
    response.end(JSON.stringify({ log, errors }));
    log = [];
    errors = [];
    return;
  }
  const sum = crypto.createHash('sha256');
  const headers = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    headers.push([request.rawHeaders[i], request.rawHeaders[i + 1]]);
  }
  const entry = {
    method: request.method, target: request.url, version: request.httpVersion, headers, whole: false,
  };
  log.push(entry);
  request.on('data', (part) => sum.update(part));
  request.on('end', () => {
    entry.whole = true;
    entry.sha256 = sum.digest('hex');
    entry.trailers = request.rawTrailers;
    response.setHeader('Content-Length', 2);
    const delay = /[?&]ms=(\d+)/.exec(request.url);
    setTimeout(() => response.end('ok'), delay ? Number(delay[1]) : 0);
  });
});
server.maxHeadersCount = 0;

server.on('clientError', (error, socket) => {
  errors.push(`${error.code}: ${error.message}: ${String(error.rawPacket)}`);
  socket.destroy();
});

server.listen(Number(process.argv[2]), '127.0.0.1');
