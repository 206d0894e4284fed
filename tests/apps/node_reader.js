// Reads answers with Node's own HTTP client: {port, asks: [{method, path, after}]} on stdin, what it made
// of each on stdout. `after` is asked on the same connection.
'use strict';
const http = require('http');

function ask(port, keeper, method, path) {
  return new Promise((done) => {
    const got = {interim: [], status: null, headers: [], body: null, error: null};
    const request = http.request({
      host: '127.0.0.1', port, agent: keeper, method, path, maxHeaderSize: 1 << 18, timeout: 8000,
      headers: {Cookie: 'cutover=9999'},
    });
    request.on('information', (answer) => got.interim.push(answer.statusCode));
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', (error) => { got.error = String(error.code || error); done(got); });
    request.on('response', (response) => {
      const parts = [];
      got.status = response.statusCode;
      got.headers = response.rawHeaders;
      response.on('data', (part) => parts.push(part));
      response.on('error', (error) => { got.error = String(error.code || error); });
      response.on('close', () => {
        got.body = Buffer.concat(parts).toString('latin1');
        if (!response.complete) got.error = got.error || 'not complete';
        done(got);
      });
    });
    request.end();
  });
}

async function main() {
  let text = '';
  for await (const part of process.stdin) text += part;
  const {port, asks} = JSON.parse(text);
  const results = [];
  for (const {method, path, after} of asks) {
    const keeper = new http.Agent({keepAlive: true, maxSockets: 1});
    const got = await ask(port, keeper, method, path);
    got.after = after ? await ask(port, keeper, 'GET', after) : null;
    keeper.destroy();
    results.push(got);
  }
  process.stdout.write(JSON.stringify(results));
}

main();
