// An ordinary Node application, as people move them: answers, uploads, WebSocket by hand.
'use strict';
const http = require('http');
const crypto = require('crypto');

const server = http.createServer((request, response) => {
  response.setHeader('X-Backend', 'node');
  if (request.url === '/stream') {
    response.write('one\n');
    setTimeout(() => response.end('two\n'), 100);
    return;
  }
  if (request.url === '/early') {
    response.writeHead(413).end('no thanks\n');
    return;
  }
  const sum = crypto.createHash('sha256');
  request.on('data', (part) => sum.update(part));
  request.on('end', () => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({
      method: request.method, url: request.url, headers: request.headers, sha256: sum.digest('hex'),
    }));
  });
});

server.on('upgrade', (request, socket, early) => {
  const key = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
  const accept = crypto.createHash('sha1').update(key).digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
               `Sec-WebSocket-Accept: ${accept}\r\nX-Backend: node\r\n\r\n`);
  socket.write(early); // whatever comes, goes back
  socket.pipe(socket);
  socket.on('error', () => {});
});

server.listen(Number(process.argv[2]), '127.0.0.1');
