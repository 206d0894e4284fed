// An Express application as it stands behind a proxy in production: signed cookies, strict hosts.
//
// From the environment: SIDE, SECRET (the same on both sides), HOSTS and PUBLIC (names, with
// commas), LOGIN (USER:PASSWORD), PORT; for https as well TLS_PORT, CERTIFICATE and KEY (files).
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const https = require('https');

const busboy = require('busboy');
const cookies = require('cookie');
const express = require('express');
const signature = require('cookie-signature');
const {WebSocketServer} = require('ws');

const {SIDE, SECRET, LOGIN, PORT, TLS_PORT, CERTIFICATE, KEY} = process.env;
const PUBLIC = process.env.PUBLIC.split(',');
const HOSTS = process.env.HOSTS.split(',').concat(PUBLIC);
const ORIGINS = PUBLIC.map((name) => `https://${name}`);

const app = express();
app.set('trust proxy', 'loopback');

// --- who is asking

function hostIsOurs(request) {
  return HOSTS.includes((request.headers.host || '').replace(/:\d+$/, ''));
}

function readVisit(request) {
  const sealed = cookies.parse(request.headers.cookie || '').visit;
  const text = sealed && signature.unsign(sealed.slice(2), SECRET);
  return text ? JSON.parse(text.slice(2)) : {};
}

function keepVisit(request, response) {
  request.secret = SECRET; // what cookie-parser would do
  response.cookie('visit', request.visit, {signed: true, httpOnly: true, secure: true});
}

function isOurForm(request, token) {
  return ORIGINS.includes(request.headers.origin) && token && token === request.visit.token;
}

function absolute(request, path) {
  return `${request.protocol}://${request.get('host')}${path}`;
}

app.use((request, response, next) => {
  response.set('X-Backend', SIDE);
  if (!hostIsOurs(request)) {
    response.status(400).send('not a host of ours\n');
    return;
  }
  request.visit = readVisit(request);
  next();
});

// --- pages

app.get('/', (request, response) => response.send(`Express, ${SIDE}\n`));

app.get('/health', (request, response) => response.send('ok\n'));

app.get('/login', (request, response) => {
  request.visit.token = request.visit.token || crypto.randomBytes(16).toString('hex');
  keepVisit(request, response);
  response.send(`<form method="post">
<input type="hidden" name="token" value="${request.visit.token}">
<input name="user"><input name="password" type="password"></form>`);
});

app.post('/login', express.urlencoded({extended: false}), (request, response) => {
  const {user, password, token} = request.body;
  if (!isOurForm(request, token) || `${user}:${password}` !== LOGIN) {
    response.status(403).send('no\n');
    return;
  }
  request.visit.user = user;
  keepVisit(request, response);
  response.redirect(absolute(request, '/members'));
});

app.get('/members', (request, response) => {
  if (request.visit.user) {
    response.json({side: SIDE, user: request.visit.user});
  } else {
    response.redirect(absolute(request, '/login'));
  }
});

app.post('/upload', (request, response) => {
  if (!isOurForm(request, request.get('x-csrftoken'))) {
    response.status(403).send('no\n');
    return;
  }
  const form = busboy({headers: request.headers});
  form.on('file', (field, file, {filename}) => {
    const digest = crypto.createHash('sha256');
    let bytes = 0;
    file.on('data', (part) => {
      digest.update(part);
      bytes += part.length;
    });
    file.on('end', () => {
      response.json({side: SIDE, name: filename, bytes, sha256: digest.digest('hex')});
    });
  });
  request.pipe(form);
});

app.get('/preferences', (request, response) => {
  response.cookie('theme', 'dark', {secure: true});
  response.cookie('language', 'en', {secure: true, maxAge: 86400000});
  response.cookie('home', SIDE, {secure: true, domain: request.get('host').replace(/:\d+$/, '')});
  response.json({side: SIDE});
});

app.get('/seen', (request, response) => {
  response.json({
    side: SIDE, address: request.ip, scheme: request.protocol, host: request.get('host'),
    url: absolute(request, request.originalUrl),
    cookies: Object.keys(cookies.parse(request.headers.cookie || '')).sort(),
  });
});

// --- WebSockets, and the two ways in

const sockets = new WebSocketServer({noServer: true});

function upgrade(request, socket, head) {
  const isOurs = hostIsOurs(request) && ORIGINS.includes(request.headers.origin);
  if (!isOurs || request.url !== '/ws') {
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    return;
  }
  const {user = ''} = readVisit(request);
  sockets.handleUpgrade(request, socket, head, (client) => {
    client.on('message', (data) => {
      client.send(JSON.stringify({side: SIDE, user, echo: data.toString()}));
    });
  });
}

http.createServer(app).on('upgrade', upgrade).listen(Number(PORT), '127.0.0.1');
if (TLS_PORT) {
  const files = {cert: fs.readFileSync(CERTIFICATE), key: fs.readFileSync(KEY)};
  https.createServer(files, app).on('upgrade', upgrade).listen(Number(TLS_PORT), '127.0.0.1');
}
