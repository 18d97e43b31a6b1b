// node chdb_host.js serve DATA SOCKET: ClickHouse in this process, served like a database.
// node chdb_host.js ping SOCKET: succeeds if it answers.
//
// HTTP over a Unix socket, as ClickHouse's own: the statement is the body, rows come back separated
// by tabs; a failed statement is status 500 and ClickHouse's words. TERM ends it in order.
"use strict";
const fs = require("fs");
const http = require("http");

function serve(data, socket) {
  const { Session } = require("chdb");
  const session = new Session(data);
  let last = Promise.resolve();
  // One statement at a time: the engine is one connection.
  const run = (sql) => {
    last = last.catch(() => {}).then(() => session.queryAsync(sql, { format: "TSV" }));
    return last;
  };
  const server = http.createServer((request, response) => {
    const body = [];
    request.on("data", (piece) => body.push(piece));
    request.on("end", () =>
      run(Buffer.concat(body).toString()).then(
        (result) => response.end(result.text()),
        (error) => response.writeHead(500).end(String(error.message))));
  });
  fs.rmSync(socket, { force: true });
  server.listen(socket);
  process.on("SIGTERM", () => {
    server.close();
    last.catch(() => {}).then(() => {
      session.close();
      process.exit(0);
    });
  });
}

function ping(socketPath) {
  const request = http.request({ socketPath, method: "POST" }, (response) => {
    response.resume();
    process.exitCode = response.statusCode === 200 ? 0 : 1;
  });
  request.on("error", () => (process.exitCode = 1));
  request.end("select 1");
}

const [what, ...words] = process.argv.slice(2);
({ serve, ping })[what](...words);
