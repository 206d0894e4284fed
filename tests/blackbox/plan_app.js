// An application whose faults can be set while it runs, by the first part of the path:
//
//     /set?part=cart&errors=0.05&slow=3    from now on 5 of 100 answers below /cart/ are 500, and
//                                          all of them take three times as long
//
// An answer takes 20 to 60 ms, evenly spread, so that there is a p95 that a busy machine does not drown.
"use strict";
const http = require("http");

const faults = new Map();

function set(url) {
    const part = url.searchParams.get("part");
    faults.set(part, {
        errors: Number(url.searchParams.get("errors") || 0),
        slow: Number(url.searchParams.get("slow") || 1),
    });
}

const server = http.createServer((request, response) => {
    const url = new URL(request.url, "http://localhost");
    const part = url.pathname.split("/")[1];
    if (part === "set")
        set(url);
    if (part === "set" || part === "health") {
        response.end("ok\n");
        return;
    }
    const fault = faults.get(part) || {errors: 0, slow: 1};
    setTimeout(() => {
        response.statusCode = Math.random() < fault.errors ? 500 : 200;
        response.end("ok\n");
    }, (20 + 40 * Math.random()) * fault.slow);
});
server.keepAliveTimeout = 60000;
server.listen(Number(process.argv[2]), "127.0.0.1");
